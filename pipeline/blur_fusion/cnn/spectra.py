"""The network's fixed beginning without TensorFlow: local spectra of small blocks."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.native.library import address

SIDE, STRIDE = 8, 4  # pixels of a block, and from one to the next
FLOOR = 0.125  # grey levels
GAIN, OFFSET = 0.6, -0.3  # of the logarithm, to about -1..3


def waves(side: int) -> npt.NDArray[np.float64]:
    """Cosines of a DCT of `side` places, each of length one, shape (side, side)."""
    place = np.arange(side) + 0.5
    found = np.stack([np.cos(np.pi * f * place / side) for f in range(side)])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def lowest_patterns(side: int, count: int) -> list[tuple[int, int]]:
    """Vertical and horizontal frequency of the `count` lowest patterns but the constant one."""
    pairs = [(row, column) for row in range(side) for column in range(side)]
    return sorted(pairs, key=lambda p: (p[0] ** 2 + p[1] ** 2, p))[1 : count + 1]


def cosine_basis(side: int, count: int) -> npt.NDArray[np.float32]:
    """The `count` lowest patterns of a two-dimensional DCT but the constant one.

    Returns
    -------
    ndarray of float32, shape (side, side, 1, count)
        Orthonormal convolution kernels.
    """
    wave, pairs = waves(side), lowest_patterns(side, count)
    kernels = np.stack([np.outer(wave[row], wave[column]) for row, column in pairs], axis=-1)
    return kernels[:, :, None, :].astype(np.float32)


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
        From `blur_fusion.native.library`.
    image : ndarray of float32, shape (h, w)
        Grey levels, in one piece.
    count : int
        Patterns of the network.

    Returns
    -------
    fine : ndarray of float32, shape (1, count, ceil(h / 4), ceil(w / 4))
    coarse : ndarray of float32, shape (1, count, ceil(h / 8), ceil(w / 8))
        As `blur_fusion.cnn.network` gives them, but for rounding.
    """
    return _spectrum(compiled, image, count), _spectrum(compiled, _half_size(image), count)
