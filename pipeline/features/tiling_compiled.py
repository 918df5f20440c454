"""Sums over tiles by `pipeline/native/tiles.c`."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.features.planes import MARGIN, Plane
from pipeline.features.tiles import KINDS, Grid, Indices, Kind, Layout, Tiles, layout
from pipeline.native import address


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
    """See `pipeline.features.tiles.Tiling`; no plane of differences is ever written."""

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

    def steepest(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
        """Row and column in each tile."""
        ready = _for_slopes(self.grid.rows, self.grid.columns, *plane.shape)
        found = np.empty((2, len(ready.place.areas)), np.int32)
        reach = step[0] * plane.shape[1] + step[1]
        failed = self.compiled.blur_steepest(
            address(plane), plane.shape[1], reach, *ready.edges, address(found)
        )
        if failed:
            raise MemoryError
        rows, columns = found.astype(np.intp)
        return rows, columns
