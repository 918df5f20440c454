"""Exact area averaging, twice as fast as OpenCV's at ratios that are no whole numbers."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float32]

# Two output rows at a time: larger products make BLAS start threads, which fight with the loader's.
_BAND = 2


@lru_cache(maxsize=64)
def _bands(before: int, after: int) -> tuple[tuple[int, int, int, int, Weights], ...]:
    """(first, last, source first, source last, weights) of bands of output rows."""
    step = before / after
    found = []
    for first in range(0, after, _BAND):
        last = min(after, first + _BAND)
        low, high = int(np.floor(first * step)), min(before, int(np.ceil(last * step - 1e-9)))
        top = np.arange(first, last)[:, None] * step
        row = np.arange(low, high)[None, :]
        overlap = np.minimum(top + step, row + 1) - np.maximum(top, row)
        weights = (np.clip(overlap, 0, 1) / step).astype(np.float32)
        found.append((first, last, low, high, weights))
    return tuple(found)


def area_average(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Shrink `image` to (width, height) `size`; each pixel is the mean of the area it covers.

    Rows are averaged by products with a band matrix, columns by OpenCV on the small rest. An 8-MP
    photo takes 9 ms instead of 19. Halving first would take 3, but smears what follows: it took a
    quarter of the Laplacian variance of real photos, half at CERTH's size.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
    size : tuple of int
        Width and height, at most those of `image`.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
        As `cv2.resize` with `INTER_AREA`, but for rounding at exact halves.
    """
    height, width = image.shape[:2]
    ratio = height / size[1]
    if ratio < 2 or (height % size[1] == 0 and width % size[0] == 0):  # OpenCV is fast there
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    flat = image.reshape(height, -1)
    rows = np.empty((size[1], flat.shape[1]), np.float32)
    for first, last, low, high, weights in _bands(height, size[1]):
        np.matmul(weights, flat[low:high].astype(np.float32), out=rows[first:last])
    rows = rows.reshape(size[1], *image.shape[1:])
    return np.rint(cv2.resize(rows, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)
