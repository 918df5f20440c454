"""Differences between pixels of a plane, and their sums over the tiles of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.native.library import address, library

Tiles = npt.NDArray[np.float64]
Plane = npt.NDArray[np.int16]  # grey levels times SCALE: half the memory of float32, twice as fast
SCALE = 16  # exact for two halvings by area averaging; second differences still fit 16 bits
MARGIN = 2  # the widest difference reaches two pixels to each side
HORIZONTAL, VERTICAL, FALLING, RISING = (0, 1), (1, 0), (1, 1), (1, -1)  # (down, right)


def _moved(plane: Plane, down: int, right: int) -> Plane:
    """`plane` without its margin, moved by whole pixels (a view)."""
    height, width = plane.shape
    return plane[MARGIN + down : height - MARGIN + down, MARGIN + right : width - MARGIN + right]


def _slope(plane: Plane, step: tuple[int, int], reach: int = 1) -> Plane:
    """Central difference along `step`, `reach` steps to either side, without the margin."""
    down, right = step[0] * reach, step[1] * reach
    return _moved(plane, down, right) - _moved(plane, -down, -right)


def _bend(plane: Plane, step: tuple[int, int]) -> Plane:
    """Second difference along `step`, without the margin."""
    down, right = step
    around = _moved(plane, down, right) + _moved(plane, -down, -right)
    return around - 2 * _moved(plane, 0, 0)


def _slopes(plane: Plane, reach: int = 1) -> list[Plane]:
    return [_slope(plane, step, reach) for step in (HORIZONTAL, VERTICAL)]


def _bends(plane: Plane) -> list[Plane]:
    return [_bend(plane, step) for step in (HORIZONTAL, VERTICAL)]


def _straight(plane: Plane) -> list[Plane]:
    across, down = _bends(plane)
    return [*_slopes(plane), across, down, across + down]


def _diagonal(plane: Plane) -> list[Plane]:
    return [make(plane, step) for make in (_slope, _bend) for step in (FALLING, RISING)]


def _sobel_across(plane: Plane) -> list[Plane]:
    slope = _slope(plane, HORIZONTAL)
    return [slope[:-2] + 2 * slope[1:-1] + slope[2:]]


def _sobel_down(plane: Plane) -> list[Plane]:
    slope = _slope(plane, VERTICAL)
    return [slope[:, :-2] + 2 * slope[:, 1:-1] + slope[:, 2:]]


def _haar_columns(plane: Plane) -> list[Plane]:
    pairs = plane[0::2] + plane[1::2]
    return [pairs[:, 0::2] - pairs[:, 1::2]]


def _calm(plane: Plane) -> list[Plane]:
    across = _bend(plane, HORIZONTAL)
    return [across[:-2:2] - 2 * across[1:-1:2] + across[2::2]]


@dataclass(frozen=True)
class Grid:
    """`rows` x `columns` tiles, the same parts of the picture on every pyramid level."""

    rows: int
    columns: int

    @classmethod
    def over(cls, height: int, width: int, tiles: int) -> Grid:
        """Nearly square tiles of at least 16 pixels, `tiles` of them along the long side."""
        side = max(16.0, max(height, width) / tiles)
        return cls(max(1, round(height / side)), max(1, round(width / side)))


SQUARES, SIZES, PEAKS = "squares", "sizes", "peaks"  # mean square, mean size, largest size
_NORMS = {SQUARES: cv2.NORM_L2SQR, SIZES: cv2.NORM_L1, PEAKS: cv2.NORM_INF}


class Kind(Enum):
    """Differences of a plane whose squares, sizes or peaks are taken over each tile.

    `number` is the row in `native/tiles.c`; `count` is how many differences there are, and
    `differences` computes them without compiled code. They have `less` rows and columns fewer than
    the plane, and are `step` rows and columns of it apart.
    """

    STRAIGHT = 0, 5, _straight  # slopes, bends across and down, the sum of these (Laplacian)
    DIAGONAL = 1, 4, _diagonal  # slopes and bends, falling and rising
    SLOPES = 2, 2, _slopes  # across and down
    MIXED = 3, 1, lambda plane: [sum(_slopes(plane))]
    FAR = 4, 2, lambda plane: _slopes(plane, reach=2)
    STRAIGHT_SIZES = 5, 4, lambda plane: [*_slopes(plane), *_bends(plane)], SIZES
    STRAIGHT_PEAKS = 6, 3, lambda plane: [*_slopes(plane), sum(_bends(plane))], PEAKS
    SOBEL_ACROSS = 7, 1, _sobel_across, SQUARES, (2 * MARGIN + 2, 2 * MARGIN)
    SOBEL_DOWN = 8, 1, _sobel_down, SQUARES, (2 * MARGIN, 2 * MARGIN + 2)
    HAAR_ROWS = 9, 1, lambda plane: [plane[0::2] - plane[1::2]], SQUARES, (0, 0), (2, 1)
    HAAR_COLUMNS = 10, 1, _haar_columns, SQUARES, (0, 0), (2, 2)  # in sums of two rows
    CALM = 11, 1, _calm, SIZES, (2 * MARGIN + 2, 2 * MARGIN), (2, 1)  # Immerkaer's mask

    def __init__(
        self,
        number: int,
        count: int,
        differences: Callable[[Plane], list[Plane]],
        statistic: str = SQUARES,
        less: tuple[int, int] = (2 * MARGIN, 2 * MARGIN),
        step: tuple[int, int] = (1, 1),
    ) -> None:
        self.number, self.count, self.differences = number, count, differences
        self.statistic, self.less, self.step = statistic, less, step


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a plane lie, row by row: whole pixels, as even as possible."""

    places: tuple[tuple[slice, slice], ...]
    areas: Tiles  # (tiles,)
    edges: tuple[Any, ...]  # for compiled code: addresses and counts of rows and columns


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
    edges = address(rows), grid.rows, address(columns), grid.columns
    return Layout(places, areas, edges)


def tile_sums(plane: Plane, kind: Kind, grid: Grid) -> Tiles:
    """Mean square, mean size or peak of differences in each tile, (kind.count, tiles)."""
    (height, width), (above, beside), (down, across) = plane.shape, kind.less, kind.step
    place, compiled = layout(grid, (height - above) // down, (width - beside) // across), library()
    if compiled is None:
        norm = _NORMS[kind.statistic]
        tiles = ([one[spot] for spot in place.places] for one in kind.differences(plane))
        # OpenCV squares a root of squares.
        found = np.rint([[cv2.norm(tile, norm) for tile in row] for row in tiles])
    else:
        found = np.empty((kind.count, place.areas.size), np.uint64)
        table = kind.number, address(plane), width, *place.edges
        if compiled.blur_tile_sums(*table, address(found)):
            raise MemoryError
    if kind.statistic == PEAKS:
        return np.asarray(found / float(SCALE))
    return np.asarray(found / (place.areas * (SCALE**2 if kind.statistic == SQUARES else SCALE)))


def gradient_argmax(plane: Plane, step: tuple[int, int], grid: Grid) -> npt.NDArray[np.intp]:
    """Flat index in `plane` of each tile's largest central difference along `step`.

    The first one, row by row, where several are equal.
    """
    height, width = plane.shape
    place, compiled = layout(grid, height - 2 * MARGIN, width - 2 * MARGIN), library()
    found = np.empty((2, place.areas.size), np.int32)
    if compiled is None:
        sizes = np.abs(_slope(plane, step))
        for number, (rows, columns) in enumerate(place.places):
            row, column = divmod(int(sizes[rows, columns].argmax()), columns.stop - columns.start)
            found[:, number] = rows.start + row, columns.start + column
    else:
        reach = step[0] * width + step[1]
        if compiled.blur_gradient_argmax(
            address(plane), width, reach, *place.edges, address(found)
        ):
            raise MemoryError
    inside = found.astype(np.intp) + MARGIN
    return np.asarray(inside[0] * width + inside[1])


def lowest_tenth(values: Tiles | npt.NDArray[np.float32] | Sequence[float]) -> float:
    """Tenth percentile of `values` (n,), interpolated; numpy's is slow for few values."""
    ranked = np.sort(values)
    return float(np.interp((len(ranked) - 1) * 0.1, np.arange(len(ranked)), ranked))
