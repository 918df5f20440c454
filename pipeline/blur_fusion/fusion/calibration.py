"""From logits to calibrated probabilities, and from those to thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.fusion.stack import Calibration, Stack, sigmoid
from blur_fusion.params import ThresholdParams

_STEPS = 100
_FLATTEST = 1e-3  # a useless or misleading logit is flattened, but keeps its order

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

    Platt, "Probabilistic outputs for support vector machines", 1999: his softened targets keep the
    temperature above zero where the logits separate the classes perfectly. Raises BlurError if
    there is only one class, or a logit is not finite.
    """
    truth, values = np.asarray(labels) == 1, np.asarray(logits, dtype=np.float64)
    blurred, sharp = int(truth.sum()), int((~truth).sum())
    require(blurred > 0 and sharp > 0, "calibration: the validation images contain only one class")
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
    """The threshold that finds most blurred images at an accepted false-alarm rate.

    Labels (n,) are 1 for blurred and 0 for sharp. An image is called blurred where its probability
    is at least the threshold, which lies midway between neighbouring scores. Of thresholds that
    find equally many blurred images, the one with the fewest false alarms is taken; it never flags
    all images. BlurError if there is no sharp or no blurred image, or a probability is not finite.
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
    """Probabilities between which the verdict is "unsure".

    The lower one is the largest at which at most `costs.max_miss_rate` of the blurred images lie
    below; from the upper one on, at most `costs.max_sure_false_alarm_rate` of the sharp images lie.
    Both are chosen as in :func:`choose_threshold`, and clipped so that they enclose `threshold`.
    """
    truth, scores = np.asarray(labels), np.asarray(probabilities, np.float64)
    low = 1 - choose_threshold(1 - truth, 1 - scores, costs.max_miss_rate)
    high = choose_threshold(truth, scores, costs.max_sure_false_alarm_rate)
    return min(low, threshold), max(high, threshold)


LARGEST = 0.3  # beyond it, a list of blurred photos is useless


@dataclass(frozen=True)
class RateTable:
    """Thresholds for false-alarm rates up to `LARGEST`; ValueError if they are inconsistent."""

    sharp: int  # validation images
    blurred: int
    steps: tuple[tuple[int, float], ...]  # false alarms needed for a threshold, and the threshold

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
        """Choose all thresholds on validation rows (n,), by :func:`choose_threshold`."""
        sharp, blurred = int((labels == 0).sum()), int((labels == 1).sum())
        steps: list[tuple[int, float]] = []
        for alarms in range(_alarms(LARGEST, sharp) + 1):
            threshold = choose_threshold(labels, probabilities, (alarms + 0.5) / max(1, sharp))
            if not steps or steps[-1][1] != threshold:
                steps.append((alarms, threshold))
        return cls(sharp, blurred, tuple(steps))

    @property
    def share_blurred(self) -> float:
        """Proportion of blurred validation images."""
        return self.blurred / (self.sharp + self.blurred)

    def threshold(self, rate: float) -> float:
        """Threshold for a false-alarm rate of at most `rate` on the validation images.

        Raises BlurError where `rate` lies outside 0..0.3.
        """
        line = f"false-alarm rate: {rate:g} is outside 0..{LARGEST:g}; 0.01 is one in a hundred"
        require(0 <= rate <= LARGEST, line)
        allowed = _alarms(rate, self.sharp)
        return [threshold for alarms, threshold in self.steps if alarms <= allowed][-1]

    def as_json(self) -> dict[str, Any]:
        """Counts, and a row for each step."""
        rows = [
            {"false_alarms": alarms, "rate": alarms / self.sharp, "threshold": threshold}
            for alarms, threshold in self.steps
        ]
        return {"sharp": self.sharp, "blurred": self.blurred, "thresholds_by_rate": rows}

    @classmethod
    def from_json(cls, lines: dict[str, Any]) -> RateTable:
        """Undo :meth:`as_json`; ValueError, KeyError or TypeError if `lines` are damaged."""
        rows = lines["thresholds_by_rate"]
        steps = ((int(row["false_alarms"]), float(row["threshold"])) for row in rows)
        return cls(int(lines["sharp"]), int(lines["blurred"]), tuple(steps))


def _alarms(rate: float, sharp: int) -> int:
    return int(rate * sharp + 1e-9)


@dataclass(frozen=True)
class Model:
    """A stack, and what turns its logits into predictions, by judge."""

    stack: Stack
    calibrations: dict[str, Calibration]
    thresholds: dict[str, float]  # probabilities from which a photo is called blurred
    rates: RateTable  # of the fused judge
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
