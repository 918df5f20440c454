"""Fits: the same seed gives the same weights; no row is judged by a network that saw it."""

import csv
import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.cnn.crossfit import _plan, cross_fit
from blur_fusion.data.augment import STEPS
from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.errors import BlurError
from blur_fusion.params import Params, load_params
from tiny_network import TINY, noise
from trees import REPOSITORY, write_photos


@pytest.fixture(scope="module")
def params() -> Params:
    committed = load_params(REPOSITORY / "params.yaml")
    return dataclasses.replace(
        committed,
        cnn=TINY,
        split=dataclasses.replace(committed.split, folds=2),
        compute=dataclasses.replace(committed.compute, threads=1, workers=1),
        image=dataclasses.replace(committed.image, long_side=96),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Store:
    dataset = open_dataset(write_photos(tmp_path_factory.mktemp("own"), 24))
    rows = assign_splits(dataset, params.split, seed=1)
    folder = tmp_path_factory.mktemp("load")
    write_store(dataset, rows, folder, params.image, params.load, workers=1)
    return Store.open(folder)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, store: Store, params: Params) -> Path:
    target = tmp_path_factory.mktemp("cnn")
    line = cross_fit(store.folder, target, params)
    assert line.startswith(f"{params.split.folds + 1} fits") and "\n" not in line
    return target


def test_plan_keeps_judged_rows_apart(store: Store, params: Params) -> None:
    fits = _plan(store, params)
    plan = {fit.name: (fit.train, fit.validation, fit.own) for fit in fits}
    assert set(plan) == {"final", *(f"fold_{k}" for k in range(params.split.folds))}
    test = set(np.flatnonzero(store.splits == "test").tolist())
    train = set(np.flatnonzero(store.splits == "train").tolist())
    validation = set(np.flatnonzero(store.splits == "validation").tolist())
    assert test and validation
    for name, (fitted_on, watched, judged) in plan.items():
        assert not set(fitted_on) & set(judged), name
        assert not (set(fitted_on) | set(watched) | set(judged)) & test, name
        assert set(fitted_on) <= train and set(watched) <= validation
        assert len(watched) <= 2 * params.cnn.check_images
        seen = {store.rows[i].key for i in fitted_on}
        assert not seen & {store.rows[i].key for i in judged}, f"{name}: a scene straddles"
    assert set(plan["final"][0]) == train and set(plan["final"][2]) == validation
    ranked = [row for fit in fits for row in fit.ranked.tolist()]
    assert len(ranked) == len(set(ranked)) == min(params.fuse.ranked, len(train))
    for fit in fits:  # a series is judged by the network that never saw its picture
        assert set(fit.ranked.tolist()) <= set(fit.own.tolist()) & train
    judged = Counter(i for name, rows in plan.items() if name != "final" for i in rows[2].tolist())
    assert set(judged) == train and set(judged.values()) == {1}


def test_logits_hold_train_and_validation_rows_once(fitted: Path, store: Store) -> None:
    found, train = np.load(fitted / "logits.npz"), np.flatnonzero(store.splits == "train")
    assert found["index"].tolist() == np.flatnonzero(store.splits != "test").tolist()
    ranked = found["ranked_index"].tolist()
    assert ranked and set(ranked) <= set(train.tolist())
    assert found["logits"].dtype == np.float32
    for name, shape in (
        *(("logits", (len(found["index"]), 4)), ("copied_logits", (len(train), 4))),
        ("ranked_logits", (len(ranked), STEPS, 4)),
    ):
        assert found[name].shape == shape and np.isfinite(found[name]).all()


def test_each_row_is_judged_by_the_network_of_its_fold(
    fitted: Path, store: Store, params: Params
) -> None:
    from blur_fusion.cnn.fit import Network

    with np.load(fitted / "logits.npz") as arrays:
        logits = dict(zip(arrays["index"].tolist(), arrays["logits"], strict=True))
    for fit in _plan(store, params):
        network = Network.load(fitted, params.cnn, fit.name)
        again = network.logits(store.image(int(row)) for row in fit.own)
        kept = np.stack([logits[int(row)] for row in fit.own])
        assert again == pytest.approx(kept, abs=1e-4), fit.name


def test_a_fit_that_fails_ends_the_stage(
    fitted: Path, store: Store, params: Params, tmp_path: Path
) -> None:
    """In the process that `fitted` has left, as TensorFlow is loaded there."""
    (tmp_path / "final.weights.h5").mkdir()  # so that they cannot be written
    with pytest.raises(OSError, match="final"):
        cross_fit(store.folder, tmp_path, params)
    assert not list(tmp_path.glob("fold_*"))  # the others are not begun


def test_history_tells_every_epoch_of_every_fit(fitted: Path, params: Params) -> None:
    with (fitted / "history.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    expected = {
        (fit, str(epoch))
        for fit in ("final", *(f"fold_{k}" for k in range(params.split.folds)))
        for epoch in range(params.cnn.epochs)
    }
    assert {(line["fit"], line["epoch"]) for line in lines} == expected
    assert len(lines) == len(expected)
    for line in lines:
        assert 0 < float(line["loss"]) < 20 and 0 < float(line["validation_loss"]) < 20
        assert 0 <= float(line["validation_auc"]) <= 1


def test_training_learns_what_is_easy(store: Store, params: Params) -> None:
    from blur_fusion.cnn.fit import Material, fit_network, make_deterministic

    make_deterministic(1, 1)
    rows = np.arange(8)
    labels = 1 - rows % 2
    flat = np.full((64, 64), 9, np.uint8)
    images = [flat if label else noise(64, 64, row) for row, label in enumerate(labels)]
    cnn = dataclasses.replace(params.cnn, epochs=5, steps_per_epoch=20, augment=False)
    kinds = tuple("sharp" if label == 0 else "defocus" for label in labels)
    material = Material(lambda row: images[row], labels, kinds, rows, rows)
    _, history = fit_network("final", material, cnn, seed=1)
    assert history[-1]["validation_auc"] == 1.0
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_that_are_missing_or_of_another_network(fitted: Path, params: Params) -> None:
    from blur_fusion.cnn.fit import Network

    with pytest.raises(BlurError, match="no weights; run 'make repro'"):
        Network.load(fitted / "nowhere", params.cnn)
    other = dataclasses.replace(params.cnn, filters=(4, 7))
    with pytest.raises(BlurError, match=r"final\.weights\.h5: do not fit cnn\.filters") as caught:
        Network.load(fitted, other)
    assert "\n" not in str(caught.value)
