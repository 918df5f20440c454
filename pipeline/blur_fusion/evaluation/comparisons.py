"""Do two models differ? McNemar's exact test, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest  # type: ignore[import-untyped]

from blur_fusion.evaluation.intervals import Draws, cell, share_cell
from blur_fusion.evaluation.metrics import Flags, Floats, Ints


def one_per_scene(codes: Ints, seed: int) -> Ints:
    """Index of one image of each scene, drawn at random: int, shape (scenes,), ascending.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Scene number of each image.
    seed : int
    """
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    _, first = np.unique(codes[shuffled], return_index=True)
    return np.sort(shuffled[first])


def mcnemar(first_right: Flags, second_right: Flags) -> dict[str, float | int]:
    """Exact two-sided McNemar test (McNemar 1947, binomial form).

    Parameters
    ----------
    first_right, second_right : ndarray of bool, shape (n,)
        Whether each model judged each image rightly.

    Returns
    -------
    dict with `images`, `first_only_right`, `second_only_right`, `p_value`
        The p-value is 1 where the models never differ.
    """
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    differing = first_only + second_only
    p_value = float(binomtest(first_only, differing, 0.5).pvalue) if differing else 1.0
    return {
        "images": len(first_right),
        "first_only_right": first_only,
        "second_only_right": second_only,
        "p_value": p_value,
    }


def compare(labels: Ints, cnn: Flags, fused: Flags, codes: Ints, seed: int) -> dict[str, object]:
    """McNemar's test of CNN against fused: on all images, and on one image of each scene.

    Images of one scene are alike, which the test over all images ignores; hence the second.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    cnn, fused : ndarray of bool, shape (n,)
        Verdicts.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    seed : int
    """
    cnn_right, fused_right = cnn == (labels == 1), fused == (labels == 1)
    one = one_per_scene(codes, seed)
    return {
        "first": "cnn",
        "second": "fused",
        "all_images": mcnemar(cnn_right, fused_right),
        "one_image_per_scene": mcnemar(cnn_right[one], fused_right[one]),
    }


PAIRS = (("fused", "cnn"), ("fused", "features"))
COMPARED = ("log_loss", "balanced_accuracy")


def differences(measured: Mapping[str, Mapping[str, Any]], drawn: Draws) -> dict[str, Any]:
    """First minus second of each pair, with a 95 % interval.

    Both models are measured on the same resamples of scenes, and their difference is taken in
    each: what is hard or easy about a resample falls out (paired bootstrap; Efron and Tibshirani
    1993, chapter 8).

    Parameters
    ----------
    measured : mapping of model -> metric -> {"value": float or None}
    drawn : dict of model -> metric -> ndarray of float, shape (resamples,)
        From :func:`blur_fusion.evaluation.intervals.resampled`.

    Returns
    -------
    dict
        "fused_minus_cnn" and the like -> metric -> value, low, high, excludes_zero.
    """
    return {
        f"{first}_minus_{second}": {
            metric: _difference(
                measured[first][metric]["value"],
                measured[second][metric]["value"],
                drawn[first][metric] - drawn[second][metric],
            )
            for metric in COMPARED
        }
        for first, second in PAIRS
    }


def _difference(first: float | None, second: float | None, draws: Floats) -> dict[str, Any]:
    """A cell, and whether its interval lies on one side of zero."""
    found = cell(None if first is None or second is None else first - second, draws)
    low, high = found["low"], found["high"]
    excludes = low is not None and high is not None and (low > 0 or high < 0)
    return {**found, "excludes_zero": excludes}


KINDS = ("sharp", "defocus", "motion")


def measure_kinds(
    known: Sequence[str], named: Sequence[str], codes: Ints, resamples: int, seed: int
) -> dict[str, Any]:
    """Share of images whose kind is named rightly, with 95 % intervals, resampled by scene.

    Parameters
    ----------
    known : sequence of str, length n
        True kinds; images of unknown kind ("") count nowhere.
    named : sequence of str, length n
        What the detector says: "sharp" where the fused verdict does.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    resamples, seed : int

    Returns
    -------
    dict
        `images` of known kind and their `accuracy` (value, low, high); `confusion`, true kind ->
        named kind -> images; and in `blur` the same two figures for images that are blurred and
        called so: defocus against motion.
    """
    truth, answer = np.array(known, dtype=np.str_), np.array(named, dtype=np.str_)
    rows = np.flatnonzero(np.isin(truth, KINDS))
    blur = np.flatnonzero(np.isin(truth, KINDS[1:]) & np.isin(answer, KINDS[1:]))
    right = (truth == answer).astype(np.float64)
    return {
        "images": len(rows),
        "accuracy": share_cell(right[rows], codes[rows], resamples, seed),
        "blur": {
            "images": len(blur),
            "accuracy": share_cell(right[blur], codes[blur], resamples, seed),
        },
        "confusion": {
            kind: {name: int(((truth == kind) & (answer == name)).sum()) for name in KINDS}
            for kind in KINDS
        },
    }
