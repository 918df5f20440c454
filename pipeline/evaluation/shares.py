"""Shares of images with 95 % intervals, resampled by scene; and how an interval is written down."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.intervals import percentiles, scene_weights
from pipeline.evaluation.metrics import Floats, Ints

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
