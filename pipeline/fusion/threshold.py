"""One threshold for a stated cost: the share of sharp images that may be called blurred."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require


def choose_threshold(
    labels: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.floating],
    max_false_alarm_rate: float,
) -> float:
    """The threshold that finds most blurred images at an admissible false-alarm rate.

    An image is called blurred where its probability is at least the threshold. Thresholds lie
    midway between neighbouring scores, so that a slight change of a score changes no verdict. Of
    those that find equally many blurred images the one with the fewest false alarms is taken, in
    the middle of its gap; it never flags everything.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 sharp.
    probabilities : ndarray of float, shape (n,)
    max_false_alarm_rate : float
        Largest admissible share of sharp images called blurred, 0..1.

    Returns
    -------
    float

    Raises
    ------
    BlurError
        There is no sharp or no blurred image, or a probability is not finite.
    """
    truth = np.asarray(labels).astype(bool)
    scores = np.asarray(probabilities, dtype=np.float64)
    require(bool((~truth).any()), "threshold: no sharp validation image; add some")
    require(bool(truth.any()), "threshold: no blurred validation image; add some")
    require(bool(np.isfinite(scores).all()), "threshold: a validation probability is not finite")
    distinct = np.unique(scores)
    # Cut i flags the scores from distinct[i + 1] on; the last one flags none.
    sharp = np.sort(scores[~truth])
    blurred = np.sort(scores[truth])
    alarms = len(sharp) - np.searchsorted(sharp, distinct, side="right")
    found = len(blurred) - np.searchsorted(blurred, distinct, side="right")
    allowed = alarms <= max_false_alarm_rate * len(sharp)
    most = found[allowed].max()
    best = np.flatnonzero(allowed & (found == most))
    fewest = alarms[best].min()
    cut = int(best[alarms[best] == fewest][0])
    below = float(distinct[cut])
    if cut + 1 == len(distinct):
        return (below + 1) / 2 if below < 1 else float(np.nextafter(below, np.inf))
    middle = (below + float(distinct[cut + 1])) / 2
    return middle if middle > below else float(distinct[cut + 1])  # neighbours in floating point
