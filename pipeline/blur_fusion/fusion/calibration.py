"""From logits to probabilities that can be believed, and from those to a threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.fusion.stack import Calibration, Stack, sigmoid
from blur_fusion.params import ThresholdParams

_STEPS = 100
_FLATTEST = 1e-3  # a logit that is worth nothing or misleads is flattened, but keeps its order

Floats = npt.NDArray[np.float64]


def _fit(design: Floats, targets: Floats) -> Floats:
    """Logistic regression on soft targets by damped Newton steps."""

    def loss(weights: Floats) -> float:
        score = design @ weights
        return float((np.logaddexp(0, score) - targets * score).sum())

    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        fitted = sigmoid(design @ weights)
        gradient = design.T @ (fitted - targets)
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        size = 1.0
        while loss(weights - size * step) > loss(weights) and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    return weights


def fit_calibration(
    labels: npt.NDArray[np.integer], logits: npt.NDArray[np.floating]
) -> Calibration:
    """Fit temperature and bias by likelihood, on images that trained no network.

    Platt, "Probabilistic outputs for support vector machines", 1999, with his softened targets:
    they keep the temperature above zero where the logits separate the classes without an error.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    logits : ndarray of float, shape (n,)

    Raises
    ------
    BlurError
        One class only, or a logit that is not finite.
    """
    truth, values = np.asarray(labels) == 1, np.asarray(logits, dtype=np.float64)
    blurred, sharp = int(truth.sum()), int((~truth).sum())
    require(blurred > 0 and sharp > 0, "calibration: the validation images hold one class only")
    require(bool(np.isfinite(values).all()), "calibration: a logit is not finite; train again")
    targets = np.where(truth, (blurred + 1) / (blurred + 2), 1 / (sharp + 2))
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    standard = (values - centre) / spread
    slope, offset = _fit(np.stack([standard, np.ones_like(standard)], axis=1), targets)
    if slope < _FLATTEST:
        slope = _FLATTEST
        offset = float(np.log(targets.mean() / (1 - targets.mean())))
    slope /= spread
    return Calibration(float(1 / slope), float(offset - slope * centre))


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
    sharp, blurred = np.sort(scores[~truth]), np.sort(scores[truth])
    alarms = len(sharp) - np.searchsorted(sharp, distinct, side="right")
    found = len(blurred) - np.searchsorted(blurred, distinct, side="right")
    allowed = alarms <= max_false_alarm_rate * len(sharp)
    cut = min(np.flatnonzero(allowed).tolist(), key=lambda place: (-found[place], alarms[place]))
    below = float(distinct[cut])
    if cut + 1 == len(distinct):
        return (below + 1) / 2 if below < 1 else float(np.nextafter(below, np.inf))
    middle = (below + float(distinct[cut + 1])) / 2
    return middle if middle > below else float(distinct[cut + 1])  # neighbours in floating point


def doubt_band(
    labels: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.floating],
    threshold: float,
    costs: ThresholdParams,
) -> tuple[float, float]:
    """Probabilities between which a verdict is too often wrong to be given.

    Below the first an image is surely sharp: it is the largest at which at most
    `costs.max_miss_rate` of the blurred images lie below. From the second on it is surely blurred:
    at most `costs.max_sure_false_alarm_rate` of the sharp ones are. Both are chosen as
    :func:`choose_threshold` does, and moved to `threshold` where it lies outside.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 is blurred, 0 sharp.
    probabilities : ndarray of float, shape (n,)
    threshold : float
    costs : ThresholdParams

    Returns
    -------
    low, high : float

    Raises
    ------
    BlurError
        There is no sharp or no blurred image, or a probability is not finite.
    """
    truth, scores = np.asarray(labels), np.asarray(probabilities, np.float64)
    low = 1 - choose_threshold(1 - truth, 1 - scores, costs.max_miss_rate)
    high = choose_threshold(truth, scores, costs.max_sure_false_alarm_rate)
    return min(low, threshold), max(high, threshold)


LARGEST = 0.3  # beyond it a list of blurred photos is of no use


@dataclass(frozen=True)
class RateTable:
    """Thresholds of every rate up to `LARGEST`.

    Attributes
    ----------
    sharp, blurred : int
        Validation images behind the thresholds.
    steps : tuple of (int, float)
        Thresholds, each with the least number of false alarms among the sharp validation images
        that it needs to be admitted.

    Raises
    ------
    ValueError
        The steps cannot be.
    """

    sharp: int
    blurred: int
    steps: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        alarms = [step for step, _ in self.steps]
        rising = alarms == sorted(set(alarms)) and alarms[:1] == [0]
        sound = all(threshold >= 0 for _, threshold in self.steps)  # refuses NaN, too
        counted = self.sharp > 0 and self.blurred > 0
        if not (rising and sound and counted and alarms[-1] <= _alarms(LARGEST, self.sharp)):
            raise ValueError("thresholds_by_rate")

    @classmethod
    def fit(
        cls, labels: npt.NDArray[np.integer], probabilities: npt.NDArray[np.floating]
    ) -> RateTable:
        """Choose all thresholds, by `choose_threshold`, on validation rows (n,).

        Raises
        ------
        BlurError
            There is no sharp or no blurred row, or a probability is not finite.
        """
        sharp, blurred = int((labels == 0).sum()), int((labels == 1).sum())
        steps: list[tuple[int, float]] = []
        for alarms in range(_alarms(LARGEST, sharp) + 1):
            threshold = choose_threshold(labels, probabilities, (alarms + 0.5) / max(1, sharp))
            if not steps or steps[-1][1] != threshold:
                steps.append((alarms, threshold))
        return cls(sharp, blurred, tuple(steps))

    @property
    def share_blurred(self) -> float:
        """Of the validation images."""
        return self.blurred / (self.sharp + self.blurred)

    def threshold(self, rate: float) -> float:
        """Threshold for a false-alarm rate of at most `rate` on the validation images.

        Raises
        ------
        BlurError
            `rate` lies outside 0..0.3.
        """
        line = f"false-alarm rate: {rate:g} is outside 0..{LARGEST:g}; 0.01 is one in a hundred"
        require(0 <= rate <= LARGEST, line)
        allowed = _alarms(rate, self.sharp)
        return [threshold for alarms, threshold in self.steps if alarms <= allowed][-1]

    def as_json(self) -> dict[str, Any]:
        """Counts, and a row for each step, with its rate for people."""
        rows = [
            {"false_alarms": alarms, "rate": alarms / self.sharp, "threshold": threshold}
            for alarms, threshold in self.steps
        ]
        return {"sharp": self.sharp, "blurred": self.blurred, "thresholds_by_rate": rows}

    @classmethod
    def from_json(cls, lines: dict[str, Any]) -> RateTable:
        """Read what :meth:`as_json` wrote; ValueError, KeyError or TypeError if it is damaged."""
        rows = lines["thresholds_by_rate"]
        steps = ((int(row["false_alarms"]), float(row["threshold"])) for row in rows)
        return cls(int(lines["sharp"]), int(lines["blurred"]), tuple(steps))


def _alarms(rate: float, sharp: int) -> int:
    return int(rate * sharp + 1e-9)


@dataclass(frozen=True)
class Model:
    """A stack with what makes predictions of its logits.

    Attributes
    ----------
    stack : Stack
    calibrations : dict of Calibration
        Of each of `JUDGES`.
    thresholds : dict of float
        Probabilities from which each of `JUDGES` calls a photo blurred.
    rates : RateTable
        Thresholds of the fused judge by false-alarm rate.
    bands : dict of (float, float)
        Of judges that know doubt: probabilities between which they are unsure, around their
        threshold.
    """

    stack: Stack
    calibrations: dict[str, Calibration]
    thresholds: dict[str, float]
    rates: RateTable
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
