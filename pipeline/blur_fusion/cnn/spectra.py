"""The network's fixed first layers: local spectra of small blocks, in C or in NumPy."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.native.library import address, library

SIDE, STRIDE = 8, 4  # pixels of a block, and from one to the next
FLOOR = 0.125  # grey levels
GAIN, OFFSET = 0.6, -0.3  # of the logarithm, to about -1..3

Floats = npt.NDArray[np.float32]


def waves() -> npt.NDArray[np.float64]:
    """Orthonormal cosines of a DCT, shape (SIDE, SIDE)."""
    place = np.arange(SIDE) + 0.5
    found = np.stack([np.cos(np.pi * f * place / SIDE) for f in range(SIDE)])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def lowest_patterns(count: int) -> list[tuple[int, int]]:
    """Frequencies (vertical, horizontal) of the `count` lowest patterns, without the constant."""
    pairs = product(range(SIDE), range(SIDE))
    return sorted(pairs, key=lambda p: (p[0] ** 2 + p[1] ** 2, p))[1 : count + 1]


def cosine_basis(count: int) -> Floats:
    """Orthonormal DCT kernels (SIDE, SIDE, 1, count) of the lowest patterns."""
    wave, pairs = waves(), lowest_patterns(count)
    kernels = np.stack([np.outer(wave[row], wave[column]) for row, column in pairs], axis=-1)
    return kernels[:, :, None, :].astype(np.float32)


@lru_cache(maxsize=4)
def _basis(count: int) -> tuple[Floats, npt.NDArray[np.int32]]:
    return waves().astype(np.float32), np.array(lowest_patterns(count), np.int32)


def _half_size(image: Floats) -> Floats:
    """Means of 2 x 2 pixels; means of two at an odd edge."""
    height, width = image.shape
    if height % 2 or width % 2:
        image = np.pad(image, [(0, height % 2), (0, width % 2)], "edge")
    size = image.shape[1] // 2, image.shape[0] // 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _combined(parts: Floats, waves: Floats) -> Floats:
    """Apply `waves` (n, SIDE) to `parts` (SIDE, ...), summing in pairs as the C loops do."""
    terms = waves.reshape(*waves.shape, *(1,) * (parts.ndim - 1)) * parts
    while terms.shape[1] > 1:
        terms = terms[:, ::2] + terms[:, 1::2]
    return terms[:, 0]


def _responses(image: Floats, count: int) -> Floats:
    """Compute the same as `native/local_spectrum.c`, except for rounding of the logarithm."""
    basis, patterns = _basis(count)
    down, across = (-(-extent // STRIDE) for extent in image.shape)
    around = [  # TensorFlow's "same"
        (total // 2, total - total // 2)
        for total in (SIDE - STRIDE + -extent % STRIDE for extent in image.shape)
    ]
    padded = np.pad(image, around)
    rows = np.stack([padded[k : k + STRIDE * down : STRIDE] for k in range(SIDE)])
    lines = _combined(rows, basis)
    parts = np.stack([lines[:, :, k : k + STRIDE * across : STRIDE] for k in range(SIDE)])
    found = [_combined(parts[:, row], basis[[column]])[0] for row, column in patterns]
    logarithms = np.log(np.abs(np.stack(found)) + np.float32(FLOOR))
    return np.asarray(logarithms + np.float32(OFFSET / GAIN))[None]


def _spectrum(image: Floats, count: int) -> Floats:
    compiled = library()
    if compiled is None:
        return _responses(image, count)
    basis, patterns = _basis(count)
    height, width = image.shape
    found = np.empty((1, count, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
    given = address(image), height, width, address(basis), address(patterns), count
    if compiled.blur_local_spectrum(*given, FLOOR, OFFSET / GAIN, address(found)):
        raise MemoryError
    return found


def local_spectra(image: Floats, count: int) -> tuple[Floats, Floats]:
    """Local spectra of an image at full and half size, divided by `GAIN`.

    They are those of `blur_fusion.cnn.network`, except for rounding.

    Parameters
    ----------
    image : ndarray of float32, shape (h, w)
        Grey levels, contiguous.
    count : int
        Patterns of the network.

    Returns
    -------
    fine : ndarray of float32, shape (1, count, ceil(h / 4), ceil(w / 4))
    coarse : ndarray of float32, shape (1, count, ceil(h / 8), ceil(w / 8))
    """
    return _spectrum(image, count), _spectrum(_half_size(image), count)
