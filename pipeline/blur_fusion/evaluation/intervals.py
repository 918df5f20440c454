"""95 % intervals: percentile bootstrap, resampled by scene, and how they are printed.

Every figure is computed for many weightings of the images at once. The first counts each image
once and gives the value, the others are resamples; so a difference or ratio of two figures is
that of two arrays, and resamples of both are paired (Efron and Tibshirani 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from blur_fusion.evaluation.metrics import (
    METRICS,
    Answers,
    Floats,
    Ints,
    counts,
    ratio,
    weighted_metrics,
)
from blur_fusion.params import EvaluateParams

Estimate = dict[str, float | None]  # "value", "low", "high"; None where undefined
Draws = dict[str, dict[str, Floats]]  # model -> metric -> the value, then one for each resample
_BLOCK = 4_000_000  # weights held at once, so that memory stays flat on large sets


def scene_codes(keys: Sequence[Hashable]) -> Ints:
    """Number the scene keys, (subset, scene), in order of appearance: int, shape (n,)."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def scene_weights(codes: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each image counts: once, and then in each resample of scenes, in blocks.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Scene number of each image, from :func:`scene_codes`; numbers may be missing.
    resamples, seed : int

    Yields
    ------
    ndarray of float, shape (r, n)
        1 + `resamples` rows in all, the first of them ones.
    """
    yield np.ones((1, len(codes)))
    if len(codes) == 0:
        return
    rng = np.random.default_rng(seed)
    present, codes = np.unique(codes, return_inverse=True)  # scenes without an image count not
    scenes = len(present)
    block = max(1, _BLOCK // len(codes))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = rng.integers(0, scenes, size=(rows, scenes))
        draws += np.arange(rows)[:, None] * scenes
        times = np.bincount(draws.ravel(), minlength=rows * scenes).reshape(rows, scenes)
        yield times[:, codes].astype(np.float64)


def estimate(values: Floats) -> Estimate:
    """A figure with its 95 % interval, over the resamples that define it.

    Parameters
    ----------
    values : ndarray of float, shape (1 + resamples,)
        The figure on all images, then on each resample; NaN where undefined.

    Returns
    -------
    dict with `value`, `low`, `high`
        None where undefined; a resample cannot define what the images do not.
    """
    if not np.isfinite(values[0]):
        return {"value": None, "low": None, "high": None}
    defined = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(defined, [2.5, 97.5]).tolist() if defined.size else (None, None)
    return {"value": float(values[0]), "low": low, "high": high}


def difference(first: Floats, second: Floats) -> dict[str, Any]:
    """First minus second as an :func:`estimate`, and whether it `excludes_zero`."""
    found = estimate(first - second)
    low, high = found["low"], found["high"]
    excludes = low is not None and high is not None and (low > 0 or high < 0)
    return {**found, "excludes_zero": excludes}


def proportions(hits: Floats, counted: Floats, codes: Ints, resamples: int, seed: int) -> Floats:
    """The proportion of hits among what is counted, for several columns on the same resamples.

    Parameters
    ----------
    hits, counted : ndarray of float, shape (n,) or (n, k)
        1 where an image is a hit, and where it is counted at all; hits are counted.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    resamples, seed : int

    Returns
    -------
    ndarray of float, shape (1 + resamples,) or (1 + resamples, k)
        NaN where no image is counted.
    """
    blocks = scene_weights(codes, resamples, seed)
    return np.concatenate([ratio(weights @ hits, weights @ counted) for weights in blocks])


def measured(
    labels: Ints, answers: Mapping[str, Answers], codes: Ints, params: EvaluateParams, seed: int
) -> tuple[dict[str, dict[str, Any]], Draws]:
    """All metrics of each model with their intervals, all models on the same resamples.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 is sharp.
    answers : mapping of Answers
        Of n images each.
    codes : ndarray of int, shape (n,)
        Scene numbers from :func:`scene_codes`.
    params : EvaluateParams
    seed : int

    Returns
    -------
    figures : dict of model -> metric -> Estimate, and `counts`
    draws : dict of model -> metric -> ndarray of float, shape (1 + resamples,)
    """
    parts: dict[str, dict[str, list[Floats]]] = {
        name: {metric: [] for metric in METRICS} for name in answers
    }
    for weights in scene_weights(codes, params.resamples, seed):
        for name, one in answers.items():
            values = weighted_metrics(labels, one, weights, params.calibration_bins)
            for metric in METRICS:
                parts[name][metric].append(values[metric])
    draws = {
        name: {metric: np.concatenate(blocks) for metric, blocks in of_model.items()}
        for name, of_model in parts.items()
    }
    figures = {
        name: {
            "counts": counts(labels, one.verdicts),
            **{metric: estimate(draws[name][metric]) for metric in METRICS},
        }
        for name, one in answers.items()
    }
    return figures, draws


def figure(found: Mapping[str, Any], form: str = ".3f") -> str:
    """The value, such as "0.912", or "91.2 %" for the form ".1%"."""
    return "n/a" if found["value"] is None else f"{found['value']:{form}}".replace("%", " %")


def interval(found: Mapping[str, Any], form: str = ".3f", to: str = "-") -> str:
    """The interval, such as "0.890-0.931" or "89.0-93.1 %"; empty where there is none."""
    if found["low"] is None:
        return ""
    low, high = (f"{found[end]:{form}}" for end in ("low", "high"))
    return f"{low.removesuffix('%')}{to}{high.replace('%', ' %')}"


def with_interval(found: Mapping[str, Any], form: str = ".3f") -> str:
    """Both, such as "0.912 (0.890 to 0.931)"."""
    spread = interval(found, form, " to ")
    return f"{figure(found, form)} ({spread})" if spread else figure(found, form)
