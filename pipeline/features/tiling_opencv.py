"""Sums over tiles by OpenCV and numpy, a plane for each difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

import cv2
import numpy as np

from pipeline.features import tiles
from pipeline.features.planes import FALLING, HORIZONTAL, RISING, VERTICAL, Plane, Scratch
from pipeline.features.tiles import Grid, Indices, Kind, Tiles, layout

_NORMS = {tiles.SQUARES: cv2.NORM_L2SQR, tiles.SIZES: cv2.NORM_L1, tiles.PEAKS: cv2.NORM_INF}
Planes = Iterator[Plane]


def _slopes(plane: Plane, scratch: Scratch) -> tuple[Plane, Plane]:
    """g(x + 1) - g(x - 1), g(y + 1) - g(y - 1)."""
    across = scratch.difference(plane, HORIZONTAL, "slope across")
    return across, scratch.difference(plane, VERTICAL, "slope down")


def _bent(plane: Plane, scratch: Scratch) -> tuple[Plane, Plane]:
    """Horizontal and vertical second differences."""
    across = scratch.curvature(plane, HORIZONTAL, "bent across")
    return across, scratch.curvature(plane, VERTICAL, "bent down")


def _straight(plane: Plane, scratch: Scratch) -> Planes:
    yield from _slopes(plane, scratch)
    bent = _bent(plane, scratch)
    yield from bent
    yield scratch.add(*bent)


def _straight_sizes(plane: Plane, scratch: Scratch) -> Planes:
    yield from _slopes(plane, scratch)
    yield from _bent(plane, scratch)


def _straight_peaks(plane: Plane, scratch: Scratch) -> Planes:
    yield from _slopes(plane, scratch)
    yield scratch.add(*_bent(plane, scratch))


def _diagonal(plane: Plane, scratch: Scratch) -> Planes:
    yield from (scratch.difference(plane, step) for step in (FALLING, RISING))
    yield from (scratch.curvature(plane, step) for step in (FALLING, RISING))


def _only_slopes(plane: Plane, scratch: Scratch) -> Planes:
    yield from _slopes(plane, scratch)


def _mixed(plane: Plane, scratch: Scratch) -> Planes:
    yield scratch.add(*_slopes(plane, scratch))


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
    tiles.STRAIGHT: _straight,
    tiles.DIAGONAL: _diagonal,
    tiles.SLOPES: _only_slopes,
    tiles.MIXED: _mixed,
    tiles.FAR: _far,
    tiles.STRAIGHT_SIZES: _straight_sizes,
    tiles.STRAIGHT_PEAKS: _straight_peaks,
    tiles.SOBEL_ACROSS: _sobel(0),
    tiles.SOBEL_DOWN: _sobel(1),
    tiles.HAAR_ROWS: _haar_rows,
    tiles.HAAR_COLUMNS: _haar_columns,
    tiles.CALM: _calm,
}


@dataclass(frozen=True)
class OpenCvTiling:
    """See `pipeline.features.tiles.Tiling`; differences lie in planes of `scratch`."""

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

    def steepest(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
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
