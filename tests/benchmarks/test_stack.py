"""Stacks trained without a part, or without families of scenes, and how they are compared."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from benchmark_project import NAMES, write_project
from benchmarks import ablation
from benchmarks.ablation import ablation_command, compare, losses, stack_inputs, with_measures
from benchmarks.left_out import families, judged, judged_by_network, left_out
from blur_fusion.data.store import Store
from blur_fusion.fusion import train
from blur_fusion.fusion.train import Table
from blur_fusion.params import CnnParams, ComputeParams, Params, load_params
from blur_fusion.sample.scenes import draw_family, render_scene
from blur_fusion.sample.tree import plan_scenes
from tiny_model import untrained

RNG = np.random.default_rng(0)
LABELS, CODES = RNG.integers(0, 2, 300), np.arange(300) // 3
GOOD = 3.0 * LABELS + RNG.normal(0, 1.2, 300)
JUDGES = {"good": GOOD, "worse": GOOD + RNG.normal(0, 2.5, 300)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def inputs(project: Path) -> tuple[Store, Table]:
    return stack_inputs(project / "artifacts")


def test_halves_are_whole_scenes_and_calibrate_each_other() -> None:
    other = LABELS.copy()
    other[0] = 1 - other[0]
    changed = losses(other, GOOD, CODES, 1) != losses(LABELS, GOOD, CODES, 1)
    assert 0.4 < changed[1:].mean() < 0.6 and not changed[1:3].any()
    assert all(len(set(changed[scene == CODES])) == 1 for scene in range(1, 100))


def test_differences_from_the_first_variant() -> None:
    good, worse = compare(LABELS, CODES, JUDGES, 300, 1)
    assert set(good["log_loss_difference"].values()) == {0.0}
    for row in (good, worse):
        assert row["auc"] == pytest.approx(roc_auc_score(LABELS, JUDGES[row["name"]]))
    loss, area = worse["log_loss_difference"], worse["auc_difference"]
    assert 0 < loss["low"] < loss["value"] < loss["high"]
    assert area["low"] < area["value"] < area["high"] < 0
    assert loss["value"] == pytest.approx(worse["log_loss"] - good["log_loss"])
    # Copies within a scene add no certainty.
    twice = {name: np.tile(logits, 2) for name, logits in JUDGES.items()}
    doubled = compare(np.tile(LABELS, 2), np.tile(CODES, 2), twice, 300, 1)[1]
    assert doubled["auc_difference"] == pytest.approx(area)


def fake_logits(table: Table, params: Params) -> dict[str, np.ndarray]:
    """Every column counts; without the ranked pairs the sign is reversed."""
    held = ~table.train
    alone = (1 if params.fuse.rank_weight else -1) * table.own[held, 4:].sum(axis=1)
    cnn = np.asarray(table.own[held, 0])
    return {"cnn": cnn, "features": alone, "fused": alone + cnn}


def test_the_command_compares_every_stack(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "trained_logits", fake_logits)
    target = tmp_path / "found.json"
    words = ["--artifacts", str(project / "artifacts"), "--params", str(project / "params.yaml")]
    done = CliRunner().invoke(ablation_command, [*words, "--json", str(target)])
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    left = ["nothing", "ranking", "all but laplacian_variance", "laplacian_variance", "reblur"]
    assert [row["name"] for row in found["judges"]] == ["fused", "features", "cnn"]
    for judge in ("fused", "features"):
        assert [row["name"] for row in found[judge]] == [f"{judge} without {it}" for it in left]
    whole, reversed_, simplest, without, _ = found["features"]
    assert reversed_["auc"] < 0.5 < whole["auc"] and simplest["auc"] != without["auc"]
    assert f"{found['images']} validation images of " in done.output


def test_all_columns_of_a_measure_go_together(inputs: tuple[Store, Table]) -> None:
    table = inputs[1]
    fewer = with_measures(table, ["reblur"])
    assert fewer.names == NAMES[1:]
    for part in ("own", "ranked", "copied"):
        assert np.array_equal(getattr(fewer, part), np.delete(getattr(table, part), 4, axis=-1))


def test_the_family_is_the_one_that_is_rendered(inputs: tuple[Store, Table]) -> None:
    for seed in range(9):
        drawn = draw_family(np.random.default_rng([seed, 1]))
        assert render_scene((72, 96), np.random.default_rng([seed, 1]))[0] == drawn
    (store, table), params = inputs, load_params(Path("params.yaml"))
    plan = next(p for p in plan_scenes(params.sample) if not p.photo)
    row = int(table.index[0])
    store.rows[row] = dataclasses.replace(store.rows[row], scene=plan.scene)
    drawn = draw_family(np.random.default_rng([params.seed, plan.number]))
    others = [""] * (len(table.index) - 1)
    assert families(store, table.index, params).tolist() == [drawn, *others]


def test_what_is_left_out_is_judged_and_not_trained_on(
    inputs: tuple[Store, Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_fit", untrained)
    table = inputs[1]
    away = table.index % 3 == 0
    part = left_out(table, away)
    held = part.index[~part.train]
    assert np.array_equal(held, table.index[table.train & away])
    assert np.array_equal(part.index[part.train], table.index[table.train & ~away])
    assert len(part.copied) == part.train.sum() and not np.isin(part.ranked_rows, held).any()
    params = load_params(Path("params.yaml"))
    fuse, here = dataclasses.replace(params.fuse, residual=0.0), ComputeParams(workers=1)
    found = judged(part, dataclasses.replace(params, fuse=fuse, compute=here))
    assert found["fused"] == pytest.approx(found["plain sum"] / 2, rel=1e-6)


def test_a_network_is_judged_on_images_that_it_has_not_seen(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blur_fusion.cnn import fit
    from blur_fusion.cnn.network import AttentionPooling, build_network

    seen = []

    def untrained_network(name: str, material: fit.Material, params: CnnParams, seed: int) -> Any:
        seen.append(material.train)
        keras.utils.set_random_seed(0)
        return build_network(params), []

    monkeypatch.setattr(fit, "fit_network", untrained_network)
    monkeypatch.setattr(AttentionPooling, "slope", AttentionPooling.slope)  # restored afterwards
    artifacts, params = project / "artifacts", load_params(Path("params.yaml"))
    train = np.flatnonzero(Store.open(artifacts / "load").splits == "train")
    away = train[::3]
    plain, sharper = (judged_by_network(artifacts, away, params, slope) for slope in (0.0, 2.0))
    assert all(np.array_equal(rows, np.setdiff1d(train, away)) for rows in seen)
    assert plain.shape == away.shape and (sharper < plain).all()
