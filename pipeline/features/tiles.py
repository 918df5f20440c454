"""A grid of tiles over one pyramid level, and what is summed or sought in each tile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import SCALE, Plane

Tiles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """`rows` x `columns` tiles, the same share of the picture on every pyramid level."""

    rows: int
    columns: int

    @classmethod
    def over(cls, height: int, width: int, tiles: int) -> Grid:
        """Square-ish tiles, `tiles` of them along the long side, of at least 16 pixels."""
        side = max(16.0, max(height, width) / tiles)
        return cls(max(1, round(height / side)), max(1, round(width / side)))

    @property
    def count(self) -> int:
        """Number of tiles."""
        return self.rows * self.columns

    def cut(self, plane: Plane) -> list[Plane]:
        """The tiles of `plane` as views, row by row."""
        return [plane[place] for place in _places(self, *plane.shape)]

    def energy(self, plane: Plane) -> Tiles:
        """Mean square of every tile in squared grey levels, shape (rows * columns,)."""
        means = [cv2.norm(tile, cv2.NORM_L2SQR) / tile.size for tile in self.cut(plane)]
        return np.asarray(means, dtype=np.float64) / SCALE**2

    def magnitude(self, plane: Plane) -> Tiles:
        """Mean absolute value of every tile in grey levels."""
        means = [cv2.norm(tile, cv2.NORM_L1) / tile.size for tile in self.cut(plane)]
        return np.asarray(means, dtype=np.float64) / SCALE

    def peak(self, plane: Plane) -> Tiles:
        """Largest absolute value of every tile in grey levels."""
        peaks = [cv2.norm(tile, cv2.NORM_INF) for tile in self.cut(plane)]
        return np.asarray(peaks, dtype=np.float64) / SCALE


@lru_cache(maxsize=64)
def _places(grid: Grid, height: int, width: int) -> tuple[tuple[slice, slice], ...]:
    """Where the tiles of a plane lie: parts of whole pixels, as even as can be."""
    rows = [height * row // grid.rows for row in range(grid.rows + 1)]
    columns = [width * column // grid.columns for column in range(grid.columns + 1)]
    return tuple(
        (slice(top, bottom), slice(left, right))
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    )
