"""Ranked series: the stack learns that more blur means a larger logit."""

from __future__ import annotations

import dataclasses

import numpy as np

from tiny_params import tiny_params


def test_ranking_makes_logits_grow() -> None:
    """A measure that labels say nothing about still orders the series."""
    from blur_fusion.fusion.dense import Inputs, fit_dense

    rng = np.random.default_rng(0)
    values = rng.standard_normal((200, 3)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    none = np.zeros(200, np.float32)
    series = rng.standard_normal((60, 1, 3)).astype(np.float32) * np.float32([1, 1, 0])
    series = series + np.arange(3, dtype=np.float32)[None, :, None] * np.float32([0, 0, 1])
    bases = np.zeros((60, 3), np.float32)
    plain = Inputs.plain(values, none, labels)
    inputs = dataclasses.replace(plain, ranked=series, ranked_base=bases)
    growth = []
    for weight in (0.0, 2.0):
        params = dataclasses.replace(tiny_params().fuse, epochs=30, rank_weight=weight)
        networks, _ = fit_dense("t", inputs, params, 1)
        ends = [networks.logits(series[:, step], bases[:, :1]) for step in (0, 2)]
        growth.append(float(np.mean(ends[1] - ends[0])))
    assert growth[1] > growth[0] + 0.5


def test_agreement_makes_copies_be_judged_alike() -> None:
    """A measure that perturbation changes at random is leant on less, though it tells the label."""
    from blur_fusion.fusion.dense import Inputs, fit_dense

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    sign = (2.0 * labels - 1)[:, None]
    values = (sign + rng.standard_normal((300, 2))).astype(np.float32)
    copies = values.copy()
    copies[:, 1] = rng.permutation(values[:, 1])
    none = np.zeros(300, np.float32)
    inputs = dataclasses.replace(Inputs.plain(values, none, labels), copies=copies)
    apart = []
    for weight in (0.0, 1.0):
        params = dataclasses.replace(tiny_params().fuse, epochs=30, copy_weight=weight)
        params = dataclasses.replace(params, agreement_weight=4 * weight)
        networks, _ = fit_dense("t", inputs, params, 1)
        first, again = (
            networks.logits(rows, none[:, None]).mean(axis=0) for rows in (values, copies)
        )
        apart.append(float(np.mean((first >= 0) != (again >= 0))))
    assert apart[1] < 0.8 * apart[0], apart
