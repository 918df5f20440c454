"""Temperature and bias that turn a logit into a probability that can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require

_STEPS = 100
_FLATTEST = 1e-3  # a logit that is worth nothing or misleads is flattened, but keeps its order

Floats = npt.NDArray[np.float64]


def sigmoid(logit: npt.NDArray[np.floating]) -> Floats:
    """Logistic function without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """`probability = sigmoid(logit / temperature + bias)`; it never changes the order."""

    temperature: float
    bias: float

    def __post_init__(self) -> None:
        sound = 0 < self.temperature < float("inf") and np.isfinite(self.bias)
        require(bool(sound), f"calibration: temperature {self.temperature}, bias {self.bias}")

    def scaled(self, logit: npt.NDArray[np.floating]) -> Floats:
        """Calibrated logit, same shape."""
        return np.asarray(np.asarray(logit, np.float64) / self.temperature + self.bias)

    def probability(self, logit: npt.NDArray[np.floating]) -> Floats:
        """Calibrated probability of blurred, same shape, float64."""
        return sigmoid(self.scaled(logit))


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
    truth = np.asarray(labels) == 1
    values = np.asarray(logits, dtype=np.float64)
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
