"""Exact area averages of a picture, decoded at full size or at a reduced scale."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.native.library import library

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Weights = npt.NDArray[np.int16]
Bands = tuple[tuple[slice, slice, Floats], ...]  # rows of a result, those they come from, weights

_BAND = 8  # rows of a result at a time: larger products make BLAS start threads
_LONGEST = 65_535  # side: beyond, sums over a column exceed single precision


def _product(bands: Bands, rows: npt.NDArray[Any], kind: type[np.floating]) -> Floats:
    """Weighted sums of rows, as given by `bands`."""
    result = np.empty((bands[-1][0].stop, rows.shape[1]), kind)
    for target, source, weights in bands:
        np.matmul(weights, rows[source].astype(kind, copy=False), out=result[target])
    return result


@lru_cache(maxsize=128)
def _overlaps(before: int, after: int, band: int, kind: type[np.floating]) -> Bands:
    """Overlap of each row before with each row after, in units of which the latter has `before`."""
    found = []
    for first in range(0, after, band):
        last = min(after, first + band)
        low, high = first * before // after, -(-last * before // after)
        top, row = np.arange(first, last)[:, None] * before, np.arange(low, high)[None, :] * after
        overlap = np.minimum(top + before, row + after) - np.maximum(top, row)
        weights = np.maximum(overlap, 0).astype(kind)
        found.append((slice(first, last), slice(low, high), weights))
    return tuple(found)


def _in_numpy(image: Pixels, size: tuple[int, int]) -> Pixels:
    """`image` (H, W, channels) averaged by matrix products.

    Sums over columns are integers below 2^24, exact in single precision; those over areas are exact
    in double precision. So the order of summation does not matter.
    """
    height, width, channels = image.shape
    flat, bands = image.reshape(height, -1), _overlaps(height, size[1], 2, np.float32)
    rows = _product(bands, flat, np.float32).reshape(-1, width, channels).swapaxes(0, 1)
    bands = _overlaps(width, size[0], _BAND, np.float64)
    totals = _product(bands, rows.reshape(width, -1), np.float64) * (1 / (height * width)) + 0.5
    return totals.astype(np.uint8).reshape(*size, channels).swapaxes(0, 1)


def area_average(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Shrink `image`, (H, W) or (H, W, 3), to (width, height) `size`; pixels are means over areas.

    As `cv2.resize` with `INTER_AREA`, but for rounding near halves. Compiled, an 8-MP photo takes 2
    ms, in numpy 8, in OpenCV 19. Halving first would be fast, but cost a quarter of the Laplacian
    variance of real photos. Raises BlurError where a side is longer than 65,535 pixels.
    """
    height, width = image.shape[:2]
    ratio = height / size[1]
    if ratio < 2 or (height % size[1] == 0 and width % size[0] == 0):  # OpenCV is fast there
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    require(
        max(height, width) <= _LONGEST, f"image of {width} x {height}: a side is over {_LONGEST}"
    )
    image = np.ascontiguousarray(image)
    compiled = library()
    if compiled is None:
        return _in_numpy(image.reshape(height, width, -1), size).reshape(
            *size[::-1], *image.shape[2:]
        )
    found = np.empty((*size[::-1], *image.shape[2:]), np.uint8)
    channels = image.size // (height * width)
    failed = compiled.blur_area_average(
        image.ctypes.data, width * channels, height, width, channels, *size[::-1], found.ctypes.data
    )
    if failed:
        raise MemoryError
    return found


def shrunk(image: Pixels, side: int) -> Pixels:
    """`image`, (h, w) or (h, w, 3), with at most `side` pixels a side; never enlarged."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    return area_average(image, (max(1, round(width * scale)), max(1, round(height * scale))))


_REACH = 2  # cells looked at on either side
_NOISE = 0.05  # of a cell, rounding and film, in units of the variance gained over one pixel
_ONE = 14  # bits of a weight of 1
_DROPPED = 8  # bits, between sums over rows and those over columns


def _gap(low: Floats, high: Floats, other_low: Floats, other_high: Floats) -> Floats:
    """Mean distance between a point of one interval and a point of another."""

    def cube(distance: Floats) -> Floats:
        return np.abs(distance) ** 3 / 6

    total = cube(other_high - low) - cube(other_low - low)
    total += cube(other_low - high) - cube(other_high - high)
    return np.asarray(total / ((high - low) * (other_high - other_low)))


@lru_cache(maxsize=64)
def _kriged(cells: int, cell: int, after: int) -> tuple[npt.NDArray[np.int32], Weights]:
    """First cell (after,) and integer weights (after, taps) of area averages."""
    step = cells * cell / after
    count = min(cells, 2 * _REACH + int(np.ceil(step / cell)) + 1)
    start = np.floor(np.arange(after) * step / cell).astype(int) - _REACH
    start = np.clip(start, 0, cells - count)
    low = ((start[:, None] + np.arange(count)) * cell).astype(float)
    high = low + cell
    # Ordinary kriging of a Brownian signal seen through noise; weights sum to one.
    system = np.ones((after, count + 1, count + 1))
    system[:, :count, :count] = -_gap(
        low[:, :, None], high[:, :, None], low[:, None, :], high[:, None, :]
    )
    system[:, range(count), range(count)] += _NOISE
    system[:, count, count] = 0
    wanted = np.ones((after, count + 1, 1))
    edge: Floats = (np.arange(after, dtype=np.float64) * step)[:, None]
    wanted[:, :count, 0] = -_gap(low, high, edge, np.asarray(edge + step, np.float64))
    exact = np.linalg.solve(system, wanted)[:, :count, 0] * (1 << _ONE)
    weights = np.rint(exact).astype(np.int16)
    rest = (1 << _ONE) - weights.sum(axis=1, dtype=np.int64)
    weights[np.arange(after), weights.argmax(axis=1)] += rest.astype(np.int16)
    return start.astype(np.int32), weights


def _sums(rows: npt.NDArray[Any], first: npt.NDArray[np.int32], weights: Weights) -> Any:
    """Weighted sums of rows (n, m), shape (after, m); within 32 bits."""
    taps = range(weights.shape[1])
    return sum(weights[:, tap, None].astype(np.int32) * rows[first + tap] for tap in taps)


def average_cells(image: Pixels, cell: int, size: tuple[int, int]) -> Pixels:
    """Shrink a picture whose pixels are means over `cell` x `cell` of the full picture to `size`.

    A JPEG decoded at half its size holds the means of 2 x 2 pixels (libjpeg's `jidctred.c`).
    Averaging those by area would smear: the working image of a 3-MP photo lost a quarter of its
    Laplacian variance. The best linear estimate of the true averages (ordinary kriging, Matheron
    1963) loses a few hundredths. Weights are integers, so that compiled code and numpy give the
    same bits.
    """
    if image.ndim == 3:
        return np.stack([average_cells(image[:, :, c], cell, size) for c in range(3)], axis=2)
    down, across = (
        _kriged(before, cell, after) for before, after in zip(image.shape, size[::-1], strict=True)
    )
    compiled = library()
    if compiled is None:
        half = 1 << (_DROPPED - 1)
        rows = (_sums(image, *down) + half) >> _DROPPED
        shift = 2 * _ONE - _DROPPED
        levels = (_sums(rows.T, *across).T + (1 << (shift - 1))) >> shift
        return np.clip(levels, 0, 255).astype(np.uint8, order="C")
    image, found = np.ascontiguousarray(image), np.empty(size[::-1], np.uint8)
    plans = [
        part
        for (first, weights), after in ((down, size[1]), (across, size[0]))
        for part in (first.ctypes.data, weights.ctypes.data, weights.shape[1], after)
    ]
    if compiled.blur_weighted_sums(image.ctypes.data, image.shape[1], *plans, found.ctypes.data):
        raise MemoryError
    return found


def pillow_nearest(image: Pixels, side: int) -> Pixels:
    """`image` (H, W, channels) as a square, by Pillow's NEAREST.

    Each pixel is the one at floor((i + 0.5) * length / side); positions are accumulated as in
    Pillow's `ImagingScaleAffine` (Geometry.c), so that rounding is the same.
    """
    for axis in (0, 1):
        step = image.shape[axis] / side
        positions = np.full(side, step)
        positions[0] = step * 0.5
        image = image.take(np.add.accumulate(positions).astype(np.intp), axis=axis)
    return image


SMALLEST_INPUT = 32  # pixels: smaller images are mirrored out to it before a network sees them


def pad_to(image: Pixels, side: int) -> Pixels:
    """Mirror `image` out to at least `side` x `side` pixels."""
    tall, wide = max(0, side - image.shape[0]), max(0, side - image.shape[1])
    if not (tall or wide):
        return image
    padded = cv2.copyMakeBorder(
        np.ascontiguousarray(image), 0, tall, 0, wide, cv2.BORDER_REFLECT_101
    )
    return np.asarray(padded, dtype=np.uint8)
