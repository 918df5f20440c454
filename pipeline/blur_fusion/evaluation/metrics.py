"""What is measured of probabilities and verdicts; blurred is the positive class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

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


def calibration_bins(probabilities: Floats, bins: int) -> Ints:
    """Bin number of each probability, in `bins` equally wide bins from 0 to 1.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n,)
    bins : int

    Returns
    -------
    ndarray of int, shape (n,), values 0 .. bins - 1
    """
    return np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)


def calibration_error(labels: Ints, probabilities: Floats, bins: int) -> float:
    """Expected calibration error of P(blurred), as in Guo et al., ICML 2017, for two classes.

    The gap between the mean probability and the share of blurred images in each of `bins` equally
    wide bins, averaged over images.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 is sharp.
    probabilities : ndarray of float, shape (n,)
        P(blurred).
    bins : int

    Returns
    -------
    float
    """
    gaps = np.bincount(
        calibration_bins(probabilities, bins), weights=probabilities - labels, minlength=bins
    )
    return float(np.abs(gaps).sum() / len(labels))


def measure(
    labels: Ints, probabilities: Floats, verdicts: Flags, bins: int
) -> dict[str, float | None]:
    """All of `METRICS`; None where the classes present leave one undefined.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 is sharp.
    probabilities : ndarray of float, shape (n,)
        P(blurred), for AUC, log-loss and calibration.
    verdicts : ndarray of bool, shape (n,)
        True is "blurred".
    bins : int
        Bins of the calibration error.

    Returns
    -------
    dict
        `auc` and `balanced_accuracy` need both classes, `recall` a blurred image,
        `false_alarm_rate` a sharp one.
    """
    if len(labels) == 0:
        return dict.fromkeys(METRICS)
    blurred, sharp = bool((labels == 1).any()), bool((labels == 0).any())
    both = blurred and sharp
    answers = verdicts.astype(np.int64)
    return {
        "accuracy": float(sk.accuracy_score(labels, answers)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(labels, answers)) if both else None,
        "auc": float(sk.roc_auc_score(labels, probabilities)) if both else None,
        "recall": float(sk.recall_score(labels, answers)) if blurred else None,
        "false_alarm_rate": float(answers[labels == 0].mean()) if sharp else None,
        "log_loss": float(sk.log_loss(labels, probabilities, labels=[0, 1])),
        "calibration_error": calibration_error(labels, probabilities, bins),
    }


def counts(labels: Ints, verdicts: Flags) -> dict[str, int]:
    """How many are blurred and found, sharp and flagged.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    verdicts : ndarray of bool, shape (n,)

    Returns
    -------
    dict with `blurred`, `found`, `sharp`, `flagged`
    """
    return {
        "blurred": int((labels == 1).sum()),
        "found": int((verdicts & (labels == 1)).sum()),
        "sharp": int((labels == 0).sum()),
        "flagged": int((verdicts & (labels == 0)).sum()),
    }
