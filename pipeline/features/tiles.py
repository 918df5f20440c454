"""A grid of tiles over one pyramid level, and what is summed or sought in each tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, repeat

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import SCALE, Plane, Scratch

Tiles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


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
        return [plane[place] for place in _layout(self, *plane.shape).places]


@dataclass(frozen=True)
class Tiling:
    """What is summed or sought in the tiles of a grid over planes of `scratch`."""

    grid: Grid
    scratch: Scratch

    def _norms(self, plane: Plane, kind: int) -> tuple[Tiles, Tiles]:
        """OpenCV's norm of every tile, and the tiles' areas."""
        layout = _layout(self.grid, *plane.shape)
        tiles = self.scratch.cut(plane, layout.places)
        return np.array(list(map(cv2.norm, tiles, repeat(kind))), dtype=np.float64), layout.areas

    def energy(self, plane: Plane) -> Tiles:
        """Mean square of every tile in squared grey levels, shape (rows * columns,)."""
        sums, areas = self._norms(plane, cv2.NORM_L2SQR)
        return sums / (areas * SCALE**2)

    def magnitude(self, plane: Plane) -> Tiles:
        """Mean absolute value of every tile in grey levels."""
        sums, areas = self._norms(plane, cv2.NORM_L1)
        return sums / (areas * SCALE)

    def peak(self, plane: Plane) -> Tiles:
        """Largest absolute value of every tile in grey levels."""
        return self._norms(plane, cv2.NORM_INF)[0] / SCALE

    def highest(self, plane: Plane) -> tuple[Indices, Indices]:
        """Row and column of every tile's largest value, the first of them row by row."""
        layout = _layout(self.grid, *plane.shape)
        by_row = np.maximum.reduceat(plane, layout.left, axis=1)  # (height, columns)
        largest = np.maximum.reduceat(by_row, layout.top, axis=0)
        numbers = np.arange(plane.shape[0], dtype=np.int32)[:, None]
        reached = np.where(by_row == largest[layout.row_of], numbers, np.int32(plane.shape[0]))
        rows = np.minimum.reduceat(reached, layout.top, axis=0).ravel()
        candidates = layout.columns_of  # (tiles, widest)
        found = plane[rows[:, None], candidates].argmax(axis=1)
        return rows, candidates[np.arange(len(rows)), found]


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of a plane lie: parts of whole pixels, as even as can be.

    Attributes
    ----------
    places : tuple of (slice, slice), row by row
    areas : ndarray, shape (tiles,)
    top, left : ndarray
        First rows and first columns of the grid's rows and columns.
    row_of : ndarray, shape (height,)
        Row of the grid in which a row of pixels lies.
    columns_of : ndarray, shape (tiles, widest)
        Columns of pixels of every tile; a narrow tile has its last one twice.
    """

    places: tuple[tuple[slice, slice], ...]
    areas: Tiles
    top: Indices
    left: Indices
    row_of: Indices
    columns_of: Indices


@lru_cache(maxsize=256)
def _layout(grid: Grid, height: int, width: int) -> _Layout:
    rows = np.array([height * row // grid.rows for row in range(grid.rows + 1)])
    columns = np.array([width * column // grid.columns for column in range(grid.columns + 1)])
    places = tuple(
        (slice(top, bottom), slice(left, right))
        for top, bottom in pairwise(rows.tolist())
        for left, right in pairwise(columns.tolist())
    )
    tall, wide = np.diff(rows), np.diff(columns)
    inside = np.minimum(columns[:-1, None] + np.arange(wide.max()), columns[1:, None] - 1)
    return _Layout(
        places,
        np.outer(tall, wide).ravel().astype(np.float64),
        rows[:-1],
        columns[:-1],
        np.repeat(np.arange(grid.rows), tall),
        np.tile(inside, (grid.rows, 1)),
    )


def lowest_tenth(values: Tiles | npt.NDArray[np.float32] | Sequence[float]) -> float:
    """Tenth percentile of `values` (n,), interpolated; numpy's takes longer than a plane."""
    ranked = np.sort(values)
    return float(np.interp((len(ranked) - 1) * 0.1, np.arange(len(ranked)), ranked))
