"""Answers without a network as rows of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.comparison.systems import OWN, VALIDATION, Answers, System, timed
from pipeline.config import Params
from pipeline.data.dataset import LabelledImage
from pipeline.data.store import Store
from pipeline.evaluation.baselines import (
    PUBLISHED_THRESHOLD,
    ConstantBaseline,
    LaplacianBaseline,
    fit_constant,
    fit_laplacian,
    laplacian_512,
    laplacian_variances,
)
from pipeline.evaluation.run import judged_constant, judged_laplacian
from pipeline.fusion.threshold import choose_threshold


def baseline_systems(store: Store, test: Sequence[int], params: Params) -> list[System]:
    """Always "blurred", and the Laplacian variance at its published threshold and at ours."""
    train, held = (np.flatnonzero(store.splits == name) for name in ("train", "validation"))
    constant = fit_constant(store.labels[train])
    paths = [store.rows[int(i)].path for i in (*held, *test)]
    variances = laplacian_variances(paths, params.compute.workers)
    rate = params.threshold.max_false_alarm_rate
    ours = fit_laplacian(store.labels[held], variances[: len(held)], rate, choose_threshold)
    published = LaplacianBaseline(PUBLISHED_THRESHOLD, ours.slope, ours.intercept)
    return [
        _constant_system(constant, len(test)),
        _laplacian_system(published, OWN, variances[len(held) :], paths, params),
        _laplacian_system(ours, VALIDATION, variances[len(held) :], paths, params),
    ]


def _constant_system(constant: ConstantBaseline, count: int) -> System:
    def judge(images: Sequence[LabelledImage]) -> Answers:
        return {OWN: judged_constant(constant, len(images))}

    test = {OWN: judged_constant(constant, count)}
    return System("constant", "not at all", test, judge, 0, None, None, None)


def _laplacian_system(
    laplacian: LaplacianBaseline, rule: str, test: Any, paths: Sequence[Path], params: Params
) -> System:
    def judge(images: Sequence[LabelledImage]) -> Answers:
        found = laplacian_variances([image.path for image in images], params.compute.workers)
        return {rule: judged_laplacian(laplacian, found)}

    return System(
        name=f"laplacian < {laplacian.threshold:.0f}",
        trained="one threshold",
        test={rule: judged_laplacian(laplacian, test)},
        judge=judge,
        parameters=1,
        megabytes=None,
        milliseconds=timed(laplacian_512, paths),
        seconds=None,
    )
