"""Leaving parts out: paired differences by scene, and variants that differ by one part alone."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from benchmark_project import NAMES, write_project
from benchmarks import ablation
from benchmarks.ablation import (
    ablation_command,
    compare,
    losses,
    stack_inputs,
    trained_logits,
    with_measures,
)
from blur_fusion.data.store import Store
from blur_fusion.fusion.train import Table
from blur_fusion.params import Params, load_params

Drawn = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def made_up(count: int = 300) -> Drawn:
    """Labels, scenes of three images; a good and a worse judge."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    good = 3.0 * labels + rng.normal(0, 1.2, count)
    return labels, np.arange(count) // 3, {"good": good, "worse": good + rng.normal(0, 2.5, count)}


def test_halves_are_whole_scenes_and_calibrate_each_other() -> None:
    labels, codes, variants = made_up()
    before = losses(labels, variants["good"], codes, 1)
    other = labels.copy()
    other[0] = 1 - other[0]
    changed = losses(other, variants["good"], codes, 1) != before
    changed[0] = False  # its own loss
    assert 0.4 < changed.mean() < 0.6
    for scene in range(1, 100):  # a half is calibrated on the other one, never on itself
        assert len(set(changed[codes == scene].tolist())) == 1
    assert not changed[codes == 0].any()


def test_differences_of_variants_from_the_first() -> None:
    labels, codes, variants = made_up()
    good, worse = compare(labels, codes, variants, 300, 1)
    assert (good["name"], worse["name"]) == ("good", "worse")
    assert set(good["log_loss_difference"].values()) == {0.0}
    for row in (good, worse):
        assert row["auc"] == pytest.approx(roc_auc_score(labels, variants[row["name"]]))
    loss, area = worse["log_loss_difference"], worse["auc_difference"]
    assert 0 < loss["low"] < loss["value"] < loss["high"]
    assert area["low"] < area["value"] < area["high"] < 0
    assert loss["value"] == pytest.approx(worse["log_loss"] - good["log_loss"])
    # Copies within a scene add no certainty.
    twice = {name: np.tile(logits, 2) for name, logits in variants.items()}
    doubled = compare(np.tile(labels, 2), np.tile(codes, 2), twice, 300, 1)[1]
    assert doubled["auc_difference"] == pytest.approx(area)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def table(project: Path) -> Table:
    return stack_inputs(project / "artifacts")[1]


def fake_logits(table: Table, params: Params) -> dict[str, np.ndarray]:
    """Every column counts; without the ranked pairs all is turned round."""
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
    whole, turned, simplest, without, _ = found["features"]
    assert turned["auc"] < 0.5 < whole["auc"] and simplest["auc"] != without["auc"]
    assert f"{found['images']} validation images of " in done.output
    validation = Store.open(project / "artifacts/load").splits == "validation"
    assert found["images"] == int(validation.sum())


def test_measures_go_together(table: Table) -> None:
    fewer = with_measures(table, ["reblur"])
    assert fewer.names == NAMES[1:]
    for part in ("own", "ranked", "copied"):
        assert np.array_equal(getattr(fewer, part), np.delete(getattr(table, part), 4, axis=-1))


def test_stacks_are_trained_on_training_rows_and_judge_validation_rows(
    project: Path, table: Table
) -> None:
    params = load_params(project / "params.yaml")
    fuse = dataclasses.replace(params.fuse, members=1, epochs=40, learning_rate=0.02)
    found = trained_logits(table, dataclasses.replace(params, fuse=fuse))
    labels = table.labels[~table.train]
    assert np.array_equal(found["cnn"], table.own[~table.train, 0])
    for judge in ("features", "fused"):
        assert found[judge][labels == 1].mean() > found[judge][labels == 0].mean() + 1
