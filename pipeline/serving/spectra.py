"""The network's fixed beginning, compiled: onnxruntime takes twice as long, most of it for log."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.native import address
from pipeline.networks.cosines import FLOOR, GAIN, OFFSET, SIDE, STRIDE, lowest_patterns, waves

Floats = npt.NDArray[np.float32]


@lru_cache(maxsize=4)
def _basis(count: int) -> tuple[Floats, npt.NDArray[np.int32]]:
    return waves(SIDE).astype(np.float32), np.array(lowest_patterns(SIDE, count), np.int32)


def _half_size(image: Floats) -> Floats:
    """Means of 2 x 2 pixels; an odd edge has means of two."""
    height, width = image.shape
    if height % 2 or width % 2:
        image = np.asarray(
            cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        )
    size = image.shape[1] // 2, image.shape[0] // 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _spectrum(compiled: ctypes.CDLL, image: Floats, count: int) -> Floats:
    basis, patterns = _basis(count)
    height, width = image.shape
    found = np.empty((1, count, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
    failed = compiled.blur_local_spectrum(
        *(address(image), height, width),
        *(address(basis), address(patterns), count),
        *(FLOOR, OFFSET / GAIN, address(found)),
    )
    if failed:
        raise MemoryError
    return found


def local_spectra(compiled: ctypes.CDLL, image: Floats, count: int) -> tuple[Floats, Floats]:
    """Local spectra of an image and of it at half size, each divided by `GAIN`.

    Parameters
    ----------
    compiled : CDLL
        From `pipeline.native.library`.
    image : ndarray of float32, shape (h, w)
        Grey levels, in one piece.
    count : int
        Patterns of the network.

    Returns
    -------
    fine : ndarray of float32, shape (1, count, ceil(h / 4), ceil(w / 4))
    coarse : ndarray of float32, shape (1, count, ceil(h / 8), ceil(w / 8))
        As `pipeline.networks.local_spectrum` gives them, but for rounding.
    """
    return _spectrum(compiled, image, count), _spectrum(compiled, _half_size(image), count)
