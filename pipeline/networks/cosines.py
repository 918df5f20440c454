"""What the network's fixed beginning is made of, without TensorFlow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
