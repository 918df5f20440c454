"""From a picture decoded at reduced scale to the area averages of the full picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

_REACH = 5  # cells looked at on either side
_NOISE = 0.05  # of a cell, rounding and film, in units of the variance gained over one pixel
_BAND = 8  # output rows at a time: larger products make BLAS start threads


def _gap(low: Floats, high: Floats, other_low: Floats, other_high: Floats) -> Floats:
    """Mean distance between a point of one interval and a point of another."""

    def cube(distance: Floats) -> Floats:
        return np.abs(distance) ** 3 / 6

    total = cube(other_high - low) - cube(other_low - low)
    total += cube(other_low - high) - cube(other_high - high)
    return np.asarray(total / ((high - low) * (other_high - other_low)))


@lru_cache(maxsize=64)
def _bands(full: int, cell: int, after: int) -> tuple[tuple[int, int, int, int, Weights], ...]:
    """(first, last, source first, source last, weights) of bands of output rows."""
    cells, step = full // cell, full / after
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
    solved = np.linalg.solve(system, wanted)[:, :count, 0]
    found = []
    for first in range(0, after, _BAND):
        last = min(after, first + _BAND)
        begin, end = int(start[first]), int(start[last - 1]) + count
        weights = np.zeros((last - first, end - begin), np.float32)
        for row in range(first, last):
            place = int(start[row]) - begin
            weights[row - first, place : place + count] = solved[row]
        found.append((first, last, begin, end, weights))
    return tuple(found)


def _remap(image: Weights, full: int, cell: int, after: int) -> Weights:
    """Turn rows of cells into `after` rows of area averages."""
    result = np.empty((after, image.shape[1]), np.float32)
    for first, last, begin, end, weights in _bands(full, cell, after):
        np.matmul(weights, image[begin:end], out=result[first:last])
    return result


def average_cells(image: Pixels, cell: int, full: tuple[int, int], size: tuple[int, int]) -> Pixels:
    """Area averages of a picture of which only means over square cells are known.

    A JPEG decoded at half its size holds the means of 2 x 2 pixels (libjpeg's `jidctred.c`). To
    average those again by area would smear: the working image of a 3-MP photo lost a quarter of
    its Laplacian variance. The best linear estimate of the true averages (ordinary kriging,
    Matheron 1963) leaves a few hundredths.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
        Means over cells of the full picture.
    cell : int
        Side of a cell in pixels of the full picture.
    full, size : tuple of int
        Width and height of the full picture, whole multiples of `cell`, and of the result.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
    """
    if image.ndim == 3:
        channels = [average_cells(image[:, :, c], cell, full, size) for c in range(3)]
        return np.stack(channels, axis=2)
    rows = _remap(image.astype(np.float32), full[1], cell, size[1])
    columns = _remap(np.ascontiguousarray(rows.T), full[0], cell, size[0])
    return np.clip(np.rint(columns.T), 0, 255).astype(np.uint8, order="C")
