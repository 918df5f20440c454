"""Sums over tiles by `pipeline/native/tiles.c`."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from pipeline.features.planes import MARGIN, Plane
from pipeline.features.tiles import Grid, Indices, Kind, Tiles, layout


@dataclass(frozen=True)
class CompiledTiling:
    """See `pipeline.features.tiles.Tiling`; no plane of differences is ever written."""

    grid: Grid
    compiled: ctypes.CDLL

    def sums(self, plane: Plane, kind: Kind) -> Tiles:
        """Of each difference and tile."""
        place = kind.layout(self.grid, plane)
        found = np.empty((kind.count, self.grid.count), np.uint64)
        failed = self.compiled.blur_tile_sums(
            kind.number,
            plane.ctypes.data,
            plane.shape[1],
            place.rows.ctypes.data,
            self.grid.rows,
            place.columns.ctypes.data,
            self.grid.columns,
            found.ctypes.data,
        )
        if failed:
            raise MemoryError
        return kind.in_grey_levels(found, place.areas)

    def steepest(self, plane: Plane, step: tuple[int, int]) -> tuple[Indices, Indices]:
        """Row and column in each tile."""
        place = layout(self.grid, *(extent - 2 * MARGIN for extent in plane.shape))
        found = np.empty((2, self.grid.count), np.int32)
        failed = self.compiled.blur_steepest(
            plane.ctypes.data,
            plane.shape[1],
            step[0] * plane.shape[1] + step[1],
            place.rows.ctypes.data,
            self.grid.rows,
            place.columns.ctypes.data,
            self.grid.columns,
            found.ctypes.data,
        )
        if failed:
            raise MemoryError
        rows, columns = found.astype(np.intp)
        return rows, columns
