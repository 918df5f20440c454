"""Families left out of a stack's training."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmark_project import write_project
from benchmarks.ablation import stack_inputs
from benchmarks.left_out import families, judged, left_out
from blur_fusion.data.store import Store
from blur_fusion.fusion.train import Table
from blur_fusion.params import ComputeParams, SampleParams, load_params
from blur_fusion.sample.scenes import draw_family, render_scene
from blur_fusion.sample.tree import plan_scenes


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Table]:
    return stack_inputs(write_project(tmp_path_factory.mktemp("project")) / "artifacts")


def test_the_family_is_the_one_that_is_rendered() -> None:
    for seed in range(9):
        drawn = draw_family(np.random.default_rng([seed, 1]))
        assert render_scene((72, 96), np.random.default_rng([seed, 1]))[0] == drawn


def test_rows_are_told_by_their_scene(project: tuple[Store, Table]) -> None:
    (store, table), params = project, load_params(Path("params.yaml"))
    plan = next(p for p in plan_scenes(SampleParams()) if not p.photo)
    first = dataclasses.replace(store.rows[int(table.index[0])], scene=plan.scene)
    store.rows[int(table.index[0])] = first
    found = families(store, table, params)
    expected = draw_family(np.random.default_rng([params.seed, plan.number]))
    assert found.tolist() == [expected] + [""] * (len(table.index) - 1)


def test_what_is_left_out_is_judged_and_not_trained_on(project: tuple[Store, Table]) -> None:
    table = project[1]
    away = table.index % 3 == 0
    part = left_out(table, away)
    held = part.index[~part.train]
    assert np.array_equal(held, table.index[table.train & away])
    assert np.array_equal(part.index[part.train], table.index[table.train & ~away])
    assert len(part.copied) == part.train.sum() and not np.isin(part.ranked_rows, held).any()
    params = load_params(Path("params.yaml"))
    small = dataclasses.replace(
        params.fuse, hidden=(4,), epochs=2, members=1, fold_members=1, residual=0.0
    )
    here = ComputeParams(threads=1, workers=1)  # TensorFlow is loaded
    found = judged(part, dataclasses.replace(params, fuse=small, compute=here))
    assert found["fused"] == pytest.approx(found["plain sum"] / 2, rel=1e-6)
