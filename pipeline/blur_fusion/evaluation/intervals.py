"""95 % percentile bootstrap intervals, resampled by scene."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from blur_fusion.evaluation.metrics import METRICS, Flags, Floats, Ints, calibration_bins

Interval = tuple[float, float] | None
Draws = dict[str, dict[str, Floats]]  # model -> metric -> one value for each resample
_BLOCK = 4_000_000  # weights held at once, so that memory stays flat on large sets


def scene_codes(keys: Sequence[Hashable]) -> Ints:
    """Number the scene keys, (subset, scene), in order of appearance: int, shape (n,)."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def scene_weights(codes: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each image occurs in each resample, in blocks.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Scene number of each image, from :func:`scene_codes`; numbers may be missing.
    resamples, seed : int

    Yields
    ------
    ndarray of float, shape (r, n)
        Blocks of resamples, `resamples` rows in all.
    """
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


def weighted_auc(labels: Ints, scores: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve for many weightings, by weighted ranks; ties count half.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    scores : ndarray of float, shape (n,)
    weights : ndarray of float, shape (r, n)

    Returns
    -------
    ndarray of float, shape (r,)
        NaN where a weighting holds one class only.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    ranked = weights[:, order]
    positive = np.add.reduceat(ranked * labels[order], starts, axis=1)
    negative = np.add.reduceat(ranked * (1 - labels[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _ratio((positive * below).sum(axis=1), pairs)


def _ratio(above: Floats, below: Floats) -> Floats:
    """`above` / `below`, NaN where `below` is 0."""
    filled = np.full(len(above), np.nan)
    np.divide(above, below, out=filled, where=below > 0)
    return filled


def weighted_metrics(
    labels: Ints, probabilities: Floats, verdicts: Flags, weights: Floats, bins: int
) -> dict[str, Floats]:
    """All of `METRICS` for many weightings at once.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n,)
    verdicts : ndarray of bool, shape (n,)
    weights : ndarray of float, shape (r, n)
    bins : int

    Returns
    -------
    dict of ndarray of float, shape (r,)
        NaN where undefined, as None in :func:`blur_fusion.evaluation.metrics.measure`.
    """
    total, blurred = weights.sum(axis=1), weights @ labels
    found = weights @ (labels * verdicts)
    flagged = weights @ ((1 - labels) * verdicts)
    recall, false_alarms = _ratio(found, blurred), _ratio(flagged, total - blurred)
    tiny = np.finfo(np.float64).eps  # the clip of sklearn.metrics.log_loss
    sure = np.clip(probabilities, tiny, 1 - tiny)
    losses = -np.where(labels == 1, np.log(sure), np.log1p(-sure))
    members = np.zeros((len(labels), bins))
    rows = np.arange(len(labels))
    members[rows, calibration_bins(probabilities, bins)] = probabilities - labels
    return {
        "accuracy": _ratio(weights @ (verdicts == labels), total),
        "balanced_accuracy": (recall + 1 - false_alarms) / 2,
        "auc": weighted_auc(labels, probabilities, weights),
        "recall": recall,
        "false_alarm_rate": false_alarms,
        "log_loss": _ratio(weights @ losses, total),
        "calibration_error": _ratio(np.abs(weights @ members).sum(axis=1), total),
    }


def resampled(
    labels: Ints,
    judged: dict[str, tuple[Floats, Flags]],
    codes: Ints,
    *,
    bins: int,
    resamples: int,
    seed: int,
) -> Draws:
    """Every metric of every model in each resample, all models on the same resamples.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    judged : dict of (ndarray of float, ndarray of bool), shape (n,) each
        P(blurred) and verdict of each model.
    codes : ndarray of int, shape (n,)
        Scene numbers from :func:`scene_codes`.
    bins, resamples, seed : int

    Returns
    -------
    dict of model -> metric -> ndarray of float, shape (resamples,)
        NaN where a resample does not define the metric, because it holds one class.
    """
    drawn: dict[str, dict[str, list[Floats]]] = {
        model: {metric: [] for metric in METRICS} for model in judged
    }
    for weights in scene_weights(codes, resamples, seed):
        for model, (probabilities, verdicts) in judged.items():
            values = weighted_metrics(labels, probabilities, verdicts, weights, bins)
            for metric in METRICS:
                drawn[model][metric].append(values[metric])
    return {
        model: {metric: np.concatenate(parts) for metric, parts in of_model.items()}
        for model, of_model in drawn.items()
    }


def intervals(
    labels: Ints,
    judged: dict[str, tuple[Floats, Flags]],
    codes: Ints,
    *,
    bins: int,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Interval]]:
    """95 % intervals, model -> metric -> (low, high), of what :func:`resampled` draws."""
    drawn = resampled(labels, judged, codes, bins=bins, resamples=resamples, seed=seed)
    return {
        model: {metric: percentiles(values) for metric, values in of_model.items()}
        for model, of_model in drawn.items()
    }


def percentiles(values: Floats) -> Interval:
    """2.5 and 97.5 % of the resamples that define the figure; None where none does."""
    defined = values[np.isfinite(values)]
    if defined.size == 0:
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


Cell = dict[str, float | None]


def cell(value: float | None, draws: Floats) -> Cell:
    """A figure and the interval of its resamples: `value`, `low`, `high`; None where undefined.

    Parameters
    ----------
    value : float or None
    draws : ndarray of float, shape (resamples,)
        NaN where a resample does not define the figure.
    """
    low, high = percentiles(draws) or (None, None)
    if value is None:  # a resample cannot define what the images do not
        low = high = None
    return {"value": value, "low": low, "high": high}


def share_draws(hits: Floats, counted: Floats, codes: Ints, resamples: int, seed: int) -> Floats:
    """The share of hits in each resample of scenes, for several columns on the same resamples.

    Parameters
    ----------
    hits, counted : ndarray of float, shape (n, k)
        1 where an image is a hit, and where it is counted at all; hits are counted.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    resamples, seed : int

    Returns
    -------
    ndarray of float, shape (resamples, k)
        NaN where a resample counts no image.
    """
    parts = []
    for weights in scene_weights(codes, resamples, seed):
        total = weights @ counted
        share = np.full(total.shape, np.nan)
        np.divide(weights @ hits, total, out=share, where=total > 0)
        parts.append(share)
    return np.concatenate(parts)


def share_cell(hits: Floats, codes: Ints, resamples: int, seed: int) -> Cell:
    """The share of hits, each image counted, as a :func:`cell`; hits of shape (n,), n may be 0."""
    if len(hits) == 0:
        return {"value": None, "low": None, "high": None}
    column = np.asarray(hits, dtype=np.float64)[:, None]
    draws = share_draws(column, np.ones_like(column), codes, resamples, seed)
    return cell(float(column.mean()), draws[:, 0])
