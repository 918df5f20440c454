"""Standardise inputs of the dense networks by median and quartiles of the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require

_NORMAL = 1.349  # interquartile range of the standard normal distribution

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standardiser:
    """`(values - centre) / scale`, held within `clip` to both sides.

    Clipping bounds what a photo unlike any in training can do to the verdict.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating], clip: float) -> Standardiser:
        """Fit on training rows, shape (n, d); a constant column gets scale 1."""
        table = np.asarray(values, dtype=np.float64)
        require(bool(np.isfinite(table).all()), "fuse: an input is not finite; run features again")
        low, centre, high = np.percentile(table, [25, 50, 75], axis=0)
        scale = (high - low) / _NORMAL
        scale = np.where(scale > 1e-6, scale, table.std(axis=0))
        scale = np.where(scale > 1e-6, scale, 1.0)
        return cls(tuple(centre.tolist()), tuple(scale.tolist()), clip)

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.array(self.centre), np.array(self.scale)

    def apply(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Standardise, shape (n, d)."""
        width = np.asarray(values).shape[1]
        require(width == len(self.centre), f"fuse: {width} inputs, trained on {len(self.centre)}")
        centre, scale = self._arrays
        standard = (np.asarray(values, np.float64) - centre) / scale
        return np.clip(standard, -self.clip, self.clip).astype(np.float32)
