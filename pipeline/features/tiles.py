"""A grid of tiles over one pyramid level, and the kinds of sums over each tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.features.planes import MARGIN, SCALE, Plane

Tiles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
SQUARES, SIZES, PEAKS = "squares", "sizes", "peaks"  # mean square, mean size, largest size


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
        return [plane[place] for place in layout(self, *plane.shape).places]


@dataclass(frozen=True)
class Kind:
    """Differences of a plane whose squares, sizes or peaks are wanted of each tile.

    Attributes
    ----------
    number : int
        Place in the table of `pipeline/native/tiles.c`.
    count : int
        Of differences.
    statistic : str
        SQUARES, SIZES or PEAKS.
    less : tuple of int
        Rows and columns that the differences lose.
    step : tuple of int
        Rows and columns of the plane for each of theirs.
    """

    number: int
    count: int
    statistic: str = SQUARES
    less: tuple[int, int] = (2 * MARGIN, 2 * MARGIN)
    step: tuple[int, int] = (1, 1)

    def layout(self, grid: Grid, shape: tuple[int, int]) -> Layout:
        """Where tiles lie in the differences of a plane of `shape` (h, w)."""
        extents = zip(shape, self.less, self.step, strict=True)
        return layout(grid, *((extent - less) // step for extent, less, step in extents))

    def units(self, areas: Tiles) -> Tiles | float:
        """What sums over tiles of so many pixels, or peaks, are divided by for grey levels."""
        if self.statistic == PEAKS:
            return float(SCALE)
        return areas * (SCALE**2 if self.statistic == SQUARES else SCALE)


STRAIGHT = Kind(0, 5)  # central differences across and down, second ones, their sum (Laplacian)
DIAGONAL = Kind(1, 4)  # central differences falling and rising, second ones
SLOPES = Kind(2, 2)  # central differences across and down
MIXED = Kind(3, 1)  # the sum of both
FAR = Kind(4, 2)  # differences at four pixels, across and down
STRAIGHT_SIZES = Kind(5, 4, SIZES)  # central differences across and down, second ones
STRAIGHT_PEAKS = Kind(6, 3, PEAKS)  # central differences across and down, Laplacian
SOBEL_ACROSS = Kind(7, 1, less=(2 * MARGIN + 2, 2 * MARGIN))
SOBEL_DOWN = Kind(8, 1, less=(2 * MARGIN, 2 * MARGIN + 2))
HAAR_ROWS = Kind(9, 1, less=(0, 0), step=(2, 1))  # even rows less odd rows
HAAR_COLUMNS = Kind(10, 1, less=(0, 0), step=(2, 2))  # the same of columns, in sums of two rows
CALM = Kind(11, 1, SIZES, less=(2 * MARGIN + 2, 2 * MARGIN), step=(2, 1))  # Immerkaer's mask

KINDS = (
    *(STRAIGHT, DIAGONAL, SLOPES, MIXED, FAR, STRAIGHT_SIZES, STRAIGHT_PEAKS),
    *(SOBEL_ACROSS, SOBEL_DOWN, HAAR_ROWS, HAAR_COLUMNS, CALM),
)


class Tiling(Protocol):
    """What is summed or sought in the tiles of a grid; all ways to do so answer alike."""

    def sums(self, plane: Plane, kind: Kind) -> Tiles:
        """Of each difference and tile, grey levels or their squares, shape (count, tiles)."""

    def steepest(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
        """Row and column in each tile of the largest central difference along `step`.

        Counted without the margin; of equal ones the first, row by row.
        """


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a plane lie: parts of whole pixels, as even as can be.

    Attributes
    ----------
    places : tuple of (slice, slice), row by row
    areas : ndarray, shape (tiles,)
    rows, columns : ndarray of int32
        Where the grid's rows and columns begin, and where the last one ends.
    """

    places: tuple[tuple[slice, slice], ...]
    areas: Tiles
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]


@lru_cache(maxsize=256)
def layout(grid: Grid, height: int, width: int) -> Layout:
    """The tiles of `grid` over a plane."""
    rows = np.array([height * row // grid.rows for row in range(grid.rows + 1)], np.int32)
    columns = np.array([width * at // grid.columns for at in range(grid.columns + 1)], np.int32)
    places = tuple(
        (slice(top, bottom), slice(left, right))
        for top, bottom in pairwise(rows.tolist())
        for left, right in pairwise(columns.tolist())
    )
    areas = np.outer(np.diff(rows), np.diff(columns)).ravel().astype(np.float64)
    return Layout(places, areas, rows, columns)


def lowest_tenth(values: Tiles | npt.NDArray[np.float32] | Sequence[float]) -> float:
    """Tenth percentile of `values` (n,), interpolated; numpy's takes longer than a plane."""
    ranked = np.sort(values)
    return float(np.interp((len(ranked) - 1) * 0.1, np.arange(len(ranked)), ranked))
