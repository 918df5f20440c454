"""How much better is the fused network? Differences of metrics on the same resamples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.intervals import Draws
from pipeline.evaluation.metrics import Floats
from pipeline.evaluation.shares import cell

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
        From :func:`pipeline.evaluation.intervals.resampled`.

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
