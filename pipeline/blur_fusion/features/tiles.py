"""A grid of tiles over one pyramid level, and the kinds of sums over each tile."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, repeat
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.planes import (
    FALLING,
    HORIZONTAL,
    MARGIN,
    RISING,
    SCALE,
    VERTICAL,
    Plane,
    Scratch,
)
from blur_fusion.native.library import address

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

    def gradient_argmax(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
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


_NORMS = {SQUARES: cv2.NORM_L2SQR, SIZES: cv2.NORM_L1, PEAKS: cv2.NORM_INF}
Planes = Iterable[Plane]  # where one is made anew in the memory of the last, a generator


def _slopes(plane: Plane, scratch: Scratch) -> tuple[Plane, Plane]:
    """g(x + 1) - g(x - 1), g(y + 1) - g(y - 1)."""
    across = scratch.difference(plane, HORIZONTAL, "slope across")
    return across, scratch.difference(plane, VERTICAL, "slope down")


def _bent(plane: Plane, scratch: Scratch) -> tuple[Plane, Plane]:
    """Horizontal and vertical second differences."""
    across = scratch.curvature(plane, HORIZONTAL, "bent across")
    return across, scratch.curvature(plane, VERTICAL, "bent down")


def _straight(plane: Plane, scratch: Scratch) -> Planes:
    bent = _bent(plane, scratch)
    return (*_slopes(plane, scratch), *bent, scratch.add(*bent))


def _straight_sizes(plane: Plane, scratch: Scratch) -> Planes:
    return (*_slopes(plane, scratch), *_bent(plane, scratch))


def _straight_peaks(plane: Plane, scratch: Scratch) -> Planes:
    return (*_slopes(plane, scratch), scratch.add(*_bent(plane, scratch)))


def _diagonal(plane: Plane, scratch: Scratch) -> Planes:
    yield from (scratch.difference(plane, step) for step in (FALLING, RISING))
    yield from (scratch.curvature(plane, step) for step in (FALLING, RISING))


def _mixed(plane: Plane, scratch: Scratch) -> Planes:
    return (scratch.add(*_slopes(plane, scratch)),)


def _far(plane: Plane, scratch: Scratch) -> Planes:
    yield from (scratch.difference(plane, step, reach=2) for step in (HORIZONTAL, VERTICAL))


def _sobel(number: int) -> Callable[[Plane, Scratch], Planes]:
    def planes(plane: Plane, scratch: Scratch) -> Planes:
        slope, (down, right) = _slopes(plane, scratch)[number], ((1, 0), (0, 1))[number]
        height, width = slope.shape[0] - 2 * down, slope.shape[1] - 2 * right
        # (1, 2, 1) is (1, 1) twice.
        pairs = scratch.add(slope[: height + down, : width + right], slope[down:, right:], "first")
        yield scratch.add(pairs[:height, :width], pairs[down:, right:])

    return planes


def _haar_rows(plane: Plane, scratch: Scratch) -> Planes:
    yield scratch.subtract(plane[0::2], plane[1::2])


def _haar_columns(plane: Plane, scratch: Scratch) -> Planes:
    total = scratch.add(plane[0::2], plane[1::2], "ahead")
    height, width = total.shape[0], total.shape[1] // 2
    columns = scratch.take("left", (height, width)), scratch.take("right", (height, width))
    cv2.split(total.reshape(height, width, 2), columns)
    yield scratch.subtract(*columns)


def _calm(plane: Plane, scratch: Scratch) -> Planes:
    across = scratch.curvature(plane, HORIZONTAL, "bent across")
    above, middle, below = across[:-2:2], across[1:-1:2], across[2::2]
    rise = scratch.subtract(below, middle, "ahead")
    yield scratch.subtract(rise, scratch.subtract(middle, above, "behind"))


_PLANES: dict[Kind, Callable[[Plane, Scratch], Planes]] = {
    STRAIGHT: _straight,
    DIAGONAL: _diagonal,
    SLOPES: _slopes,
    MIXED: _mixed,
    FAR: _far,
    STRAIGHT_SIZES: _straight_sizes,
    STRAIGHT_PEAKS: _straight_peaks,
    SOBEL_ACROSS: _sobel(0),
    SOBEL_DOWN: _sobel(1),
    HAAR_ROWS: _haar_rows,
    HAAR_COLUMNS: _haar_columns,
    CALM: _calm,
}


@dataclass(frozen=True)
class OpenCvTiling:
    """See `blur_fusion.features.tiles.Tiling`; differences lie in planes of `scratch`."""

    grid: Grid
    scratch: Scratch

    def sums(self, plane: Plane, kind: Kind) -> Tiles:
        """Of each difference and tile."""
        place = kind.layout(self.grid, (plane.shape[0], plane.shape[1]))
        norm = repeat(_NORMS[kind.statistic])
        found = np.array(
            [
                list(map(cv2.norm, self.scratch.cut(difference, place.places), norm))
                for difference in _PLANES[kind](plane, self.scratch)
            ]
        )
        # OpenCV squares a root of squares.
        return np.asarray(np.rint(found) / kind.units(place.areas))

    def gradient_argmax(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
        """Row and column in each tile."""
        sizes = self.scratch.distance(plane, step, "sizes")
        place = layout(self.grid, *sizes.shape)
        tops, tall = place.rows[:-1].astype(np.intp), np.diff(place.rows)
        by_row = np.maximum.reduceat(sizes, place.columns[:-1], axis=1)  # (height, columns)
        largest = np.maximum.reduceat(by_row, tops, axis=0)
        numbers = np.arange(len(sizes))[:, None]
        reached = by_row == np.repeat(largest, tall, axis=0)
        rows = np.minimum.reduceat(np.where(reached, numbers, len(sizes)), tops, axis=0).ravel()
        ends = np.tile(place.columns, (self.grid.rows, 1))
        spans = zip(rows.tolist(), ends[:, :-1].ravel(), ends[:, 1:].ravel(), strict=True)
        columns = [left + int(sizes[row, left:right].argmax()) for row, left, right in spans]
        return rows, np.array(columns, np.intp)


@dataclass(frozen=True)
class _Prepared:
    """What calls for planes of one shape share: a layout, and where its edges lie in memory."""

    place: Layout
    edges: tuple[int, int, int, int]  # rows and their number, columns and their number
    units: Tiles | float = 1.0  # of the kind's sums, in grey levels

    @classmethod
    def of(cls, place: Layout, grid: Grid, units: Tiles | float = 1.0) -> _Prepared:
        edges = address(place.rows), grid.rows, address(place.columns), grid.columns
        return cls(place, edges, units)


@lru_cache(maxsize=256)
def _for_sums(kind: int, rows: int, columns: int, height: int, width: int) -> _Prepared:
    """Hashing numbers takes less time than hashing what they stand for."""
    grid = Grid(rows, columns)
    place = KINDS[kind].layout(grid, (height, width))
    return _Prepared.of(place, grid, KINDS[kind].units(place.areas))


@lru_cache(maxsize=64)
def _for_slopes(rows: int, columns: int, height: int, width: int) -> _Prepared:
    grid = Grid(rows, columns)
    return _Prepared.of(layout(grid, height - 2 * MARGIN, width - 2 * MARGIN), grid)


@dataclass(frozen=True)
class CompiledTiling:
    """See `blur_fusion.features.tiles.Tiling`; no plane of differences is ever written."""

    grid: Grid
    compiled: ctypes.CDLL

    def sums(self, plane: Plane, kind: Kind) -> Tiles:
        """Of each difference and tile."""
        ready = _for_sums(kind.number, self.grid.rows, self.grid.columns, *plane.shape)
        found = np.empty((kind.count, len(ready.place.areas)), np.uint64)
        failed = self.compiled.blur_tile_sums(
            kind.number, address(plane), plane.shape[1], *ready.edges, address(found)
        )
        if failed:
            raise MemoryError
        return np.asarray(found / ready.units)

    def gradient_argmax(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
        """Row and column in each tile."""
        ready = _for_slopes(self.grid.rows, self.grid.columns, *plane.shape)
        found = np.empty((2, len(ready.place.areas)), np.int32)
        reach = step[0] * plane.shape[1] + step[1]
        failed = self.compiled.blur_gradient_argmax(
            address(plane), plane.shape[1], reach, *ready.edges, address(found)
        )
        if failed:
            raise MemoryError
        rows, columns = found.astype(np.intp)
        return rows, columns
