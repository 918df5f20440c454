"""Thresholds of the fused judge by the false-alarm rate that they cost on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require
from pipeline.fusion.threshold import choose_threshold

LARGEST = 0.3  # beyond it a list of blurred photos is of no use


@dataclass(frozen=True)
class RateTable:
    """Every threshold that a rate up to `LARGEST` can ask for.

    Attributes
    ----------
    sharp, blurred : int
        Validation images behind the thresholds.
    thresholds : tuple of float
        Entry k for at most k false alarms among the sharp validation images.
    """

    sharp: int
    blurred: int
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        whole = len(self.thresholds) == int(LARGEST * self.sharp + 1e-9) + 1
        sound = all(value >= 0 for value in self.thresholds)  # refuses NaN, too
        require(
            whole and sound and self.sharp > 0 and self.blurred > 0,
            f"thresholds: {len(self.thresholds)} for {self.sharp} sharp validation images",
        )

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
        thresholds = [
            choose_threshold(labels, probabilities, (alarms + 0.5) / max(1, sharp))
            for alarms in range(int(LARGEST * sharp + 1e-9) + 1)
        ]
        return cls(sharp, blurred, tuple(thresholds))

    def threshold(self, rate: float) -> float:
        """Threshold for a false-alarm rate of at most `rate` on the validation images.

        Raises
        ------
        BlurError
            `rate` lies outside 0..0.3.
        """
        line = f"false-alarm rate: {rate:g} is outside 0..{LARGEST:g}; 0.01 is one in a hundred"
        require(0 <= rate <= LARGEST, line)
        return self.thresholds[int(rate * self.sharp + 1e-9)]

    def as_json(self) -> dict[str, Any]:
        """Counts, and a row for each step: the least rate that a threshold needs."""
        rows: list[dict[str, float]] = []
        for alarms, threshold in enumerate(self.thresholds):
            if not rows or rows[-1]["threshold"] != threshold:
                rate = alarms / self.sharp  # for people; the count is what is read again
                rows.append({"false_alarms": alarms, "rate": rate, "threshold": threshold})
        return {"sharp": self.sharp, "blurred": self.blurred, "thresholds_by_rate": rows}

    @classmethod
    def from_json(cls, lines: dict[str, Any]) -> RateTable:
        """Read what :meth:`as_json` wrote; ValueError, KeyError or TypeError if it is damaged."""
        sharp, rows = int(lines["sharp"]), lines["thresholds_by_rate"]
        starts = [int(row["false_alarms"]) for row in rows]
        last = int(LARGEST * sharp + 1e-9)
        if not starts or starts[0] != 0 or starts != sorted(set(starts)) or starts[-1] > last:
            raise ValueError("thresholds_by_rate")
        ends = [*starts[1:], last + 1]
        thresholds: list[float] = []
        for row, start, end in zip(rows, starts, ends, strict=True):
            thresholds += [float(row["threshold"])] * (end - start)
        return cls(sharp, int(lines["blurred"]), tuple(thresholds))
