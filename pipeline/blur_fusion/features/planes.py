"""Differences between pixels of a plane, in 16 bits and into memory that is used again."""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.int16]  # grey levels times SCALE: half the memory of float32, twice as fast
SCALE = 16  # exact for two halvings by area averaging; second differences still fit 16 bits
MARGIN = 2  # the widest difference reaches two pixels to each side
HORIZONTAL, VERTICAL, FALLING, RISING = (0, 1), (1, 0), (1, 1), (1, -1)  # (down, right)


class Scratch:
    """Planes by name and shape, made once: fresh memory for each would cost half of the time.

    What lies in a plane holds until the same name is asked for again, in whatever shape.
    """

    def __init__(self) -> None:
        self._memory: dict[str, npt.NDArray[Any]] = {}
        self._planes: dict[tuple[str, tuple[int, ...]], npt.NDArray[Any]] = {}
        self._views: dict[tuple[int, int], tuple[Plane, list[Plane]]] = {}
        self._last: tuple[int, int] = (0, 0)

    def begin(self, height: int, width: int) -> None:
        """Forget planes of another size of image, so that memory stays that of one."""
        if (height, width) != self._last:
            self._memory.clear()
            self._planes.clear()
            self._views.clear()
            self._last = (height, width)

    def take(self, name: str, shape: tuple[int, ...], kind: type = np.int16) -> npt.NDArray[Any]:
        """The array `name` of `shape` and type `kind`, whatever lies in it."""
        plane = self._planes.get((name, shape))
        if plane is None:
            size = prod(shape)
            if name not in self._memory or self._memory[name].size < size:
                # Room for a margin more: one memory for all shapes stays in the processor's cache.
                self._memory[name] = np.empty(size * 9 // 8, dtype=kind)
            plane = self._planes[name, shape] = self._memory[name][:size].reshape(shape)
        return plane

    def cut(self, plane: Plane, places: tuple[tuple[slice, slice], ...]) -> list[Plane]:
        """Views of `plane`, which is one of these planes, at `places`; they are made once."""
        key = (id(plane), id(places))
        if key not in self._views:
            self._views[key] = (plane, [plane[place] for place in places])  # `plane` keeps its id
        return self._views[key][1]

    def subtract(self, left: Plane, right: Plane, name: str = "any") -> Plane:
        """`left - right` in the plane `name`."""
        result = self.take(name, left.shape)
        cv2.subtract(left, right, dst=result)
        return result

    def add(self, left: Plane, right: Plane, name: str = "any") -> Plane:
        """`left + right` in the plane `name`."""
        result = self.take(name, left.shape)
        cv2.add(left, right, dst=result)
        return result

    def difference(
        self, plane: Plane, step: tuple[int, int], name: str = "any", reach: int = 1
    ) -> Plane:
        """Central difference along `step`, `reach` steps to either side, without the margin."""
        down, right = step[0] * reach, step[1] * reach
        return self.subtract(_moved(plane, down, right), _moved(plane, -down, -right), name)

    def distance(self, plane: Plane, step: tuple[int, int], name: str) -> Plane:
        """Size of the central difference along `step`, without the margin."""
        ahead, behind = _moved(plane, *step), _moved(plane, -step[0], -step[1])
        result = self.take(name, ahead.shape)
        cv2.absdiff(ahead, behind, dst=result)
        return result

    def curvature(self, plane: Plane, step: tuple[int, int], name: str = "any") -> Plane:
        """Second difference along `step`, without the margin."""
        down, right = step
        height, width = plane.shape[0] - 2 * MARGIN, plane.shape[1] - 2 * MARGIN
        # First differences, also at the pixel behind: each serves two second differences.
        top, left = MARGIN - down, MARGIN - max(right, 0)
        rows, columns = slice(top, top + height + down), slice(left, left + width + abs(right))
        first = self.subtract(
            plane[
                rows.start + down : rows.stop + down, columns.start + right : columns.stop + right
            ],
            plane[rows, columns],
            "first",
        )
        aside = max(right, 0), max(-right, 0)
        ahead = first[down:, aside[0] : aside[0] + width]
        return self.subtract(ahead, first[:height, aside[1] : aside[1] + width], name)


_memory = threading.local()


def thread_scratch() -> Scratch:
    """Scratch planes of this thread, kept from image to image."""
    if not hasattr(_memory, "scratch"):
        _memory.scratch = Scratch()
    scratch: Scratch = _memory.scratch
    return scratch


def _moved(plane: Plane, down: int, right: int) -> Plane:
    """`plane` without its margin, moved by whole pixels (a view)."""
    height, width = plane.shape
    return plane[MARGIN + down : height - MARGIN + down, MARGIN + right : width - MARGIN + right]
