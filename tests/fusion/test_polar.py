"""The networks on polar spectra: turning, weights, training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.fusion.stack import PolarEnsemble, PolarMember
from blur_fusion.fusion.train import BATCH, OWN_SHARE, PolarRows, read_polar
from blur_fusion.params import load_params
from tiny_model import polar_member
from trees import REPOSITORY

ANGLES, CHANNELS = 12, 4


def member(seed: int) -> PolarMember:
    return polar_member(np.random.default_rng(seed), 0.5, (CHANNELS, 5, 6, 7, 1))


def spectra(count: int, seed: int = 0) -> np.ndarray:
    shape = (count, ANGLES, CHANNELS)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def toy(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labelled 1 where neighbouring angles hold the same bump in two channels."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.5, (count, ANGLES, CHANNELS)).astype(np.float32)
    labels = rng.integers(0, 2, count)
    places = rng.integers(0, ANGLES, (2, count))
    places[1] = np.where(labels == 1, (places[0] + 1) % ANGLES, (places[0] + 6) % ANGLES)
    for channel in (0, 1):
        values[np.arange(count), places[channel], channel] += 4
    return values, labels


def rows(seed: int = 1) -> PolarRows:
    return PolarRows(*toy(60, seed), *toy(300, seed + 100))


def test_a_turn_changes_nothing() -> None:
    network, values = PolarEnsemble((member(1), member(2))), spectra(20)
    plain = network.logit(values)
    assert plain.shape == (20,) and np.ptp(plain) > 0.1
    for turn in (1, 5, 11):
        assert network.logit(np.roll(values, turn, axis=1)) == pytest.approx(plain, abs=1e-9)
    shuffled = values[:, np.random.default_rng(3).permutation(ANGLES)]
    assert np.abs(network.logit(shuffled) - plain).max() > 0.01  # neighbours matter


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    members, values = (member(1), member(2), member(4)), spectra(7)
    alone = np.mean([one.logit(values) for one in members], axis=0)
    assert PolarEnsemble(members).logit(values) == pytest.approx(alone, rel=1e-12)
    wider = polar_member(np.random.default_rng(5), 0.5, (CHANNELS, 5, 6, 8, 1))
    with pytest.raises(ValueError, match="2 members of 2 shapes"):
        PolarEnsemble((member(1), wider))


def test_nothing_gives_nothing() -> None:
    assert PolarEnsemble((member(1),)).logit(spectra(0)).shape == (0,)


def test_weights_are_read_back(tmp_path: Path) -> None:
    network = PolarEnsemble((member(1), member(2)))
    network.save(tmp_path / "polar.npz")
    read = PolarEnsemble.load(tmp_path / "polar.npz")
    assert np.array_equal(read.logit(spectra(9)), network.logit(spectra(9)))
    (tmp_path / "polar.npz").write_bytes(b"PK")
    with pytest.raises(BlurError, match="run the stage fuse"):
        PolarEnsemble.load(tmp_path / "polar.npz")


def test_a_batch_mixes_both_sorts_and_turns_them() -> None:
    (own, own_labels), (made, made_labels) = toy(60, 1), toy(300, 101)
    given = PolarRows(own + 100, own_labels, made - 100, made_labels)
    drawn, labels = given.draw(np.random.default_rng(2))
    assert drawn.shape == (BATCH, ANGLES, CHANNELS) and labels.shape == (BATCH, 1)
    from_own = drawn.mean(axis=(1, 2)) > 0
    assert np.mean(from_own) == pytest.approx(OWN_SHARE, abs=0.01)
    sources = np.sort(np.concatenate([given.own, given.made]), axis=1)
    known = np.concatenate([own_labels, made_labels])
    moved = 0
    for picture, label in zip(drawn, labels[:, 0], strict=True):
        source = np.flatnonzero((sources == np.sort(picture, axis=0)).all(axis=(1, 2)))
        assert len(source) == 1 and known[source[0]] == label
        whole = given.own if source[0] < 60 else given.made
        moved += not np.array_equal(picture, whole[source[0] - 60 * (source[0] >= 60)])
    assert moved > 0.8 * BATCH
    alone = PolarRows(given.own, given.own_labels, given.made[:0], given.made_labels[:0])
    assert (alone.draw(np.random.default_rng(2))[0] > 0).all()


def test_training_learns_repeats_and_agrees_with_keras(tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    from blur_fusion.fusion.polar_fit import as_polar_member, build_polar, fit_polar_member

    params = load_params(REPOSITORY / "params.yaml").fuse
    params = dataclasses.replace(params, polar_steps=250)

    def trained() -> tuple[PolarEnsemble, list[dict[str, object]]]:
        fits = [fit_polar_member(rows(), params, 7, number) for number in range(2)]
        return PolarEnsemble(tuple(fit[0] for fit in fits)), fits[0][1] + fits[1][1]

    network, history = trained()
    values, labels = toy(300, 55)
    assert roc_auc_score(labels, network.logit(values)) > 0.9
    assert len(network.members) == 2 and len(history) == 20
    assert history[9]["loss"] < history[0]["loss"]
    for name, one in (("a", network), ("b", trained()[0])):
        one.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    model = build_polar(ANGLES, CHANNELS)
    answer = np.asarray(model(values, training=False))[:, 0]
    assert as_polar_member(model).logit(values) == pytest.approx(answer, abs=1e-5)


def write(path: Path, index: list[int], made: int = 3) -> None:
    np.savez(
        path,
        index=np.array(index, np.int64),
        values=spectra(len(index)),
        made_values=np.zeros((made, 2, ANGLES, CHANNELS), np.float32),
        made_kinds=np.array(["motion", "defocus"]),
    )


def test_rows_from_the_stage(tmp_path: Path) -> None:
    kinds = np.array(["motion", "defocus", "sharp"] * 20)
    path = tmp_path / "polar.npz"
    write(path, np.flatnonzero(kinds != "sharp").tolist())
    found = read_polar(path, kinds)
    assert found is not None and found.own_labels.tolist() == [1, 0] * 20
    assert found.made.shape == (6, ANGLES, CHANNELS)
    assert found.made_labels.tolist() == [1, 0] * 3
    write(path, [0, 1])  # too few
    assert read_polar(path, kinds) is None
    write(path, [])
    assert read_polar(path, kinds) is None


@pytest.mark.parametrize("index", [[2], [400]])
def test_rows_of_another_store_are_refused(tmp_path: Path, index: list[int]) -> None:
    write(tmp_path / "polar.npz", index)
    with pytest.raises(BlurError, match="of other images"):
        read_polar(tmp_path / "polar.npz", np.array(["motion", "defocus", "sharp"] * 20))
    with pytest.raises(BlurError, match="run the stage features"):
        read_polar(tmp_path / "none.npz", np.array(["motion"]))
