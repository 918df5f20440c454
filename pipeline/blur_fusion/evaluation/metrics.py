"""What is measured of a classifier's answers, for many weightings of the photos at once.

Blurred is the positive class. A figure that the photos leave undefined is NaN: the AUC and the
balanced accuracy need both classes, recall a blurred photo, the false-alarm rate a sharp one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Prediction

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "auc",
    "recall",
    "false_alarm_rate",
    "log_loss",
    "calibration_error",
)


@dataclass(frozen=True)
class Answers:
    """What one classifier says of n photos: P(blurred), float, and the verdict, bool."""

    probabilities: Floats
    verdicts: Flags

    @classmethod
    def of(cls, predictions: Iterable[Prediction]) -> Answers:
        """Of predictions, none of them failed."""
        pairs = np.array([(one.probability, one.blurred) for one in predictions], dtype=float)
        return cls(pairs[:, 0], pairs[:, 1] == 1)

    def at(self, rows: Ints) -> Answers:
        """Of some of the photos."""
        return Answers(self.probabilities[rows], self.verdicts[rows])


def calibration_bins(probabilities: Floats, bins: int) -> Ints:
    """Bin number of each probability, in `bins` equally wide bins from 0 to 1: int, shape (n,)."""
    return np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)


def ratio(above: Floats, below: Floats) -> Floats:
    """`above` / `below`, NaN where `below` is 0 or either is NaN."""
    defined = np.isfinite(above) & (below > 0)
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=defined)


def weighted_auc(labels: Ints, scores: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve for many weightings, by weighted ranks; ties count half.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 is sharp.
    scores : ndarray of float, shape (n,)
    weights : ndarray of float, shape (r, n)

    Returns
    -------
    ndarray of float, shape (r,)
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    ranked = weights[:, order]
    positive = np.add.reduceat(ranked * labels[order], starts, axis=1)
    negative = np.add.reduceat(ranked * (1 - labels[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return ratio((positive * below).sum(axis=1), pairs)


def weighted_metrics(
    labels: Ints, answers: Answers, weights: Floats, bins: int
) -> dict[str, Floats]:
    """All of `METRICS` for many weightings, as scikit-learn has them with `sample_weight`.

    The calibration error of P(blurred) is the gap between mean probability and proportion of
    blurred photos in each bin, averaged over photos (Guo et al., ICML 2017, for two classes).

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 is sharp.
    answers : Answers
        Of n photos.
    weights : ndarray of float, shape (r, n)
    bins : int
        Equally wide bins of the calibration error.

    Returns
    -------
    dict of ndarray of float, shape (r,)
    """
    probabilities, verdicts = answers.probabilities, answers.verdicts
    total, blurred = weights.sum(axis=1), weights @ labels
    recall = ratio(weights @ (labels * verdicts), blurred)
    false_alarms = ratio(weights @ ((1 - labels) * verdicts), total - blurred)
    tiny = np.finfo(np.float64).eps  # the clip of sklearn.metrics.log_loss
    sure = np.clip(probabilities, tiny, 1 - tiny)
    losses = -np.where(labels == 1, np.log(sure), np.log1p(-sure))
    gaps = np.zeros((len(labels), bins))
    gaps[np.arange(len(labels)), calibration_bins(probabilities, bins)] = probabilities - labels
    return {
        "accuracy": ratio(weights @ (verdicts == labels), total),
        "balanced_accuracy": (recall + 1 - false_alarms) / 2,
        "auc": weighted_auc(labels, probabilities, weights),
        "recall": recall,
        "false_alarm_rate": false_alarms,
        "log_loss": ratio(weights @ losses, total),
        "calibration_error": ratio(np.abs(weights @ gaps).sum(axis=1), total),
    }


def counts(labels: Ints, verdicts: Flags) -> dict[str, int]:
    """How many of n photos are `blurred` and `found`, `sharp` and `flagged`."""
    return {
        "blurred": int((labels == 1).sum()),
        "found": int((verdicts & (labels == 1)).sum()),
        "sharp": int((labels == 0).sum()),
        "flagged": int((verdicts & (labels == 0)).sum()),
    }


def worst_rows(labels: Ints, probabilities: Floats, verdicts: Flags, count: int) -> Ints:
    """Rows of the `count` worst mistakes, misses first, each group from the worst on.

    Half of them misses and half false alarms; where one group is short, the other fills up.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n,)
        P(blurred).
    verdicts : ndarray of bool, shape (n,)
    count : int
    """
    order = np.argsort(probabilities, kind="stable")
    misses = order[(labels[order] == 1) & ~verdicts[order]]
    order = np.argsort(-probabilities, kind="stable")
    alarms = order[(labels[order] == 0) & verdicts[order]]
    kept = min(len(misses), max(count // 2, count - len(alarms)))
    return np.concatenate([misses[:kept], alarms[: count - kept]])
