"""Leaving parts out: paired differences by scene, and variants that differ by one part alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmark_project import NAMES, write_project
from benchmarks import ablation as stack_variants
from benchmarks.ablation import (
    Held,
    Variant,
    ablation_command,
    cnn_alone,
    compare,
    losses,
    measures_of,
    read_validation,
    trained_logits,
    with_measures,
)
from blur_fusion.data.store import Store
from blur_fusion.fusion.stack import Ensemble, Member, Stack, Standardiser
from blur_fusion.fusion.train import Table
from blur_fusion.params import Params, load_params


def made_up(count: int = 300, seed: int = 0) -> tuple[Held, Variant, Variant]:
    """Scenes of three images; a good and a worse judge."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    good = 3.0 * labels + rng.normal(0, 1.2, count)
    held = Held.split(labels, np.arange(count) // 3, seed)
    return held, Variant("good", good), Variant("worse", good + rng.normal(0, 2.5, count))


def test_halves_are_whole_scenes_and_calibrate_each_other() -> None:
    held, good, _ = made_up()
    assert 0.4 < held.half.mean() < 0.6
    for scene in range(100):
        assert len(set(held.half[held.codes == scene].tolist())) == 1
    before = losses(held, good.logits)
    row = int(np.flatnonzero(held.half)[0])
    labels = held.labels.copy()
    labels[row] = 1 - labels[row]
    after = losses(dataclasses.replace(held, labels=labels), good.logits)
    same = np.flatnonzero(held.half)[1:]
    assert after[same] == pytest.approx(before[same], abs=0)  # its own half never calibrates it
    assert (after[~held.half] != before[~held.half]).all()


def test_differences_of_variants_from_the_reference() -> None:
    from sklearn.metrics import roc_auc_score

    held, good, worse = made_up()
    rows = compare(held, good, [good, worse], 300, 1)
    assert [row["name"] for row in rows] == ["good", "good", "worse"]
    assert set(rows[1]["log_loss_difference"].values()) == {0.0}
    assert rows[0]["auc"] == pytest.approx(roc_auc_score(held.labels, good.logits))
    assert rows[2]["auc"] == pytest.approx(roc_auc_score(held.labels, worse.logits))
    loss, area = rows[2]["log_loss_difference"], rows[2]["auc_difference"]
    assert 0 < loss["low"] < loss["value"] < loss["high"]
    assert area["low"] < area["value"] < area["high"] < 0
    assert loss["value"] == pytest.approx(rows[2]["log_loss"] - rows[0]["log_loss"])


def test_copies_within_a_scene_add_no_certainty() -> None:
    held, good, worse = made_up()
    twice = Held(*(np.tile(part, 2) for part in (held.labels, held.codes, held.half)))
    doubled = [Variant(v.name, np.tile(v.logits, 2)) for v in (good, worse)]
    once = compare(held, good, [worse], 200, 1)[1]["auc_difference"]
    assert compare(twice, doubled[0], doubled[1:], 200, 1)[1]["auc_difference"] == pytest.approx(
        once
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


def fake_logits(table: Table, params: Params) -> dict[str, np.ndarray]:
    """Every column counts; without the ranked pairs all is turned round."""
    held = ~table.train
    sign = 1 if params.fuse.rank_weight else -1
    alone = sign * table.measures[held].sum(axis=1)
    return {"features": alone, "fused": alone + table.logits[held, 0], "first member": alone}


def test_the_command_compares_every_stack(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_variants, "trained_logits", fake_logits)
    target = tmp_path / "found.json"
    words = ["--artifacts", str(project / "artifacts"), "--params", str(project / "params.yaml")]
    done = CliRunner().invoke(ablation_command, [*words, "--json", str(target)])
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    first, second = found["groups"]
    left = ["ranking", "all but Laplacian variance", "laplacian_variance", "reblur"]
    names = ["fused (default)", "CNN alone", "features alone", "fused, 1 member of 2"]
    assert [row["name"] for row in first] == [*names, *(f"fused - {part}" for part in left)]
    assert [row["name"] for row in second] == [
        "features alone",
        *(f"features - {part}" for part in left),
    ]
    assert first[4]["auc"] < 0.5 < first[0]["auc"]  # turned round
    assert second[3]["auc"] != second[4]["auc"]
    validation = int((Store.open(project / "artifacts/load").splits == "validation").sum())
    assert found["images"] == validation
    assert done.output.splitlines()[0].startswith(f"{validation} validation images of ")


def test_test_images_are_in_no_row_and_measures_go_together(project: Path) -> None:
    table, held = read_validation(project / "artifacts", 1)
    store = Store.open(project / "artifacts/load")
    assert set(store.splits[table.index].tolist()) == {"train", "validation"}
    assert len(held.labels) == (~table.train).sum()
    assert measures_of(table) == ["laplacian_variance", "reblur"]
    fewer = with_measures(table, lambda name: name != "laplacian_variance")
    assert fewer.names == NAMES[1:] and fewer.ranked_measures.shape[2] == 2
    assert fewer.copied_measures.shape[1] == 2
    assert np.array_equal(fewer.measures, table.measures[:, 1:])


def test_stacks_are_trained_on_training_rows_and_judge_validation_rows(project: Path) -> None:
    table, held = read_validation(project / "artifacts", 1)
    params = load_params(project / "params.yaml")
    fuse = dataclasses.replace(params.fuse, members=1, epochs=40, learning_rate=0.02)
    found = trained_logits(table, dataclasses.replace(params, fuse=fuse))
    assert np.array_equal(found["first member"], found["fused"])
    assert np.array_equal(found["cnn"], cnn_alone(table).logits)
    for judge in ("features", "fused"):
        blurred, sharp = (found[judge][held.labels == label] for label in (1, 0))
        assert blurred.mean() > sharp.mean() + 1


def test_one_member_is_the_first_of_the_fused_ones(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, _ = read_validation(project / "artifacts", 1)
    rng = np.random.default_rng(2)
    width = 4 + len(NAMES)

    def ensemble(inputs: int) -> Ensemble:
        kernels = [rng.normal(size=(inputs, 1)).astype(np.float32) for _ in range(2)]
        return Ensemble(tuple(Member(((k, np.zeros(1, np.float32)),), 1.0) for k in kernels))

    scaling = Standardiser((0.0,) * width, (1.0,) * width, 3.0)
    stack = Stack(NAMES, scaling, ensemble(len(NAMES)), ensemble(width))
    monkeypatch.setattr(stack_variants, "fit_stack", lambda *_: (stack, []))
    found = trained_logits(table, load_params(project / "params.yaml"))
    held = ~table.train
    inputs = scaling.apply(np.concatenate([table.logits[held], table.measures[held]], axis=1))
    base = table.logits[held, 0]
    alone = stack.features.members[0].logit(inputs[:, 4:], np.zeros_like(base))
    expected = (alone + stack.both.members[0].logit(inputs, base)) / 2
    assert found["first member"] == pytest.approx(expected)
    assert (found["first member"] != found["fused"]).any()
