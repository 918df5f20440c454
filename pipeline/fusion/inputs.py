"""What a dense network of the stack is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """Rows for one dense network.

    Attributes
    ----------
    values : ndarray of float32, shape (n, d)
        Standardised and clipped.
    base : ndarray of float32, shape (n,)
        The CNN's logit, or zeros.
    labels : ndarray of int, shape (n,)
    ranked : ndarray of float32, shape (r, steps, d)
        Series of images of growing blur; their logits should grow. May be empty.
    ranked_base : ndarray of float32, shape (r, steps)
    copies : ndarray of float32, shape (n, d)
        The same images perturbed: see `pipeline.data.perturbed`.
    copies_base : ndarray of float32, shape (n,)
    """

    values: Floats
    base: Floats
    labels: npt.NDArray[np.int64]
    ranked: Floats
    ranked_base: Floats
    copies: Floats
    copies_base: Floats

    def without_logits(self, count: int) -> Inputs:
        """The same rows without their first `count` columns, the CNN's, and without a base."""
        return Inputs(
            self.values[:, count:],
            np.zeros_like(self.base),
            self.labels,
            self.ranked[:, :, count:],
            np.zeros_like(self.ranked_base),
            self.copies[:, count:],
            np.zeros_like(self.copies_base),
        )

    @classmethod
    def plain(cls, values: Floats, base: Floats, labels: npt.NDArray[np.int64]) -> Inputs:
        """Rows without any series, each its own copy."""
        width = values.shape[1]
        none, no_base = np.zeros((0, 1, width), np.float32), np.zeros((0, 1), np.float32)
        return cls(values, base, labels, none, no_base, values, base)

    def pairs(self) -> tuple[Floats, Floats]:
        """Values (p, 2, d) and bases (p, 2) of neighbours in the series, less blurred first."""
        steps = range(self.ranked.shape[1] - 1)
        values = [self.ranked[:, step : step + 2] for step in steps]
        bases = [self.ranked_base[:, step : step + 2] for step in steps]
        if not values:
            width = self.values.shape[1]
            return np.zeros((0, 2, width), np.float32), np.zeros((0, 2), np.float32)
        return np.concatenate(values), np.concatenate(bases)
