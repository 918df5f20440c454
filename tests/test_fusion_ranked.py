"""Ranked series: the stack learns that more blur means a larger logit."""

from __future__ import annotations

import dataclasses

import numpy as np
from test_fusion_dense import tiny_params


def test_ranking_makes_logits_grow() -> None:
    """A measure that labels say nothing about still orders the series."""
    from pipeline.fusion.dense import Inputs, fit_dense

    rng = np.random.default_rng(0)
    values = rng.standard_normal((200, 3)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    none = np.zeros(200, np.float32)
    series = rng.standard_normal((60, 1, 3)).astype(np.float32) * np.float32([1, 1, 0])
    series = series + np.arange(3, dtype=np.float32)[None, :, None] * np.float32([0, 0, 1])
    bases = np.zeros((60, 3), np.float32)
    growth = []
    for weight in (0.0, 2.0):
        params = dataclasses.replace(tiny_params().fuse, epochs=30, rank_weight=weight)
        ensemble, _ = fit_dense("t", Inputs(values, none, labels, series, bases), params, 1)
        ends = [ensemble.logit(series[:, step], bases[:, step]) for step in (0, 2)]
        growth.append(float(np.mean(ends[1] - ends[0])))
    assert growth[1] > growth[0] + 0.5
