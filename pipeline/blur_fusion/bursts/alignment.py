"""How two photos of a scene lie to one another, and whether they show the same at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.images.resize import shrunk

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 128  # pixels of the long side of a small picture: blur that photos have is gone there
_COARSE = 8.0  # pixels; shading coarser than this moves no peak
_OVERLAP = 0.3  # share of the smaller picture that both must hold
_HASHED, _KEPT = 32, 8  # sides of the picture that is hashed, and of its lowest frequencies
_FLAT = 1e-3  # share of all energy; a part of a picture with less holds nothing to align


class Shift(NamedTuple):
    """Where a photo lies against another.

    Attributes
    ----------
    right, down : float
        Of the same thing, its place in the second less that in the first, as shares of the width
        and of the height.
    likeness : float
        Correlation of what both hold, -1..1.
    """

    right: float
    down: float
    likeness: float

    @property
    def size(self) -> float:
        """The larger of the two, without sign."""
        return max(abs(self.right), abs(self.down))


def small_picture(image: Pixels) -> Pixels:
    """A grey picture (h, w) with a long side of `SIDE`, or as it is where that is shorter."""
    return shrunk(image, SIDE)


def perceptual_hash(image: Pixels) -> int:
    """64 bits that pictures of one scene nearly share, whatever their size, blur and exposure.

    Signs of the lowest frequencies of a cosine transform against their median: Zauner,
    "Implementation and benchmarking of perceptual image hash functions" (2010).

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)

    Examples
    --------
    >>> ramp = np.add.outer(np.arange(64), np.arange(0, 128, 2)).astype(np.uint8)
    >>> distance(perceptual_hash(ramp), perceptual_hash(ramp // 2))
    0
    """
    square = cv2.resize(image, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(square.astype(np.float32))[:_KEPT, :_KEPT].ravel()
    waves[0] = 0  # the mean, which is exposure
    bits = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(first: int, second: int) -> int:
    """How many bits of two hashes differ; about 32 for pictures that have nothing in common."""
    return (first ^ second).bit_count()


@lru_cache(maxsize=32)
def _ones(height: int, width: int, rows: int, columns: int) -> Any:
    return np.fft.rfft2(np.ones((height, width)), (rows, columns))


def _detail(image: Pixels) -> npt.NDArray[np.float64]:
    plane = image.astype(np.float32)
    return np.asarray(plane - cv2.GaussianBlur(plane, (0, 0), _COARSE), np.float64)


def align(first: Pixels, second: Pixels) -> Shift:
    """Find the shift under which two small pictures are most alike.

    Normalised correlation of what they share, for all shifts at once: Padfield, "Masked object
    registration in the Fourier domain", IEEE TIP 21 (2012). It withstands other exposure, blur
    and what moves in the scene.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (h, w)
        Of :func:`small_picture`.

    Returns
    -------
    Shift
        Its `likeness` is 0 where one of them holds nothing.

    Examples
    --------
    >>> scene = np.random.default_rng(0).integers(0, 255, (64, 96)).astype(np.uint8)
    >>> scene = cv2.GaussianBlur(scene, (0, 0), 2)
    >>> found = align(scene[:, :80], scene[:, 8:88])
    >>> round(found.right, 2), round(found.down, 2)
    (-0.1, 0.0)
    """
    (high, wide), (tall, broad) = first.shape, second.shape
    shape = cv2.getOptimalDFTSize(high + tall), cv2.getOptimalDFTSize(wide + broad)
    one, two = _detail(first), _detail(second)

    def lay(over: Any, under: Any) -> npt.NDArray[np.float64]:
        """For each shift, the sum of products of `over` with `under`, both transformed."""
        return np.fft.irfft2(over * under.conj(), shape)

    a, b = np.fft.rfft2(one, shape), np.fft.rfft2(two, shape)
    aa, bb = np.fft.rfft2(one**2, shape), np.fft.rfft2(two**2, shape)
    m, n = _ones(high, wide, *shape), _ones(tall, broad, *shape)
    count = np.maximum(np.rint(lay(n, m)), 1.0)
    sum_one, sum_two = lay(n, a), lay(b, m)
    spread_one = lay(n, aa) - sum_one**2 / count
    spread_two = lay(bb, m) - sum_two**2 / count
    floor = _FLAT * max(float(np.square(one).sum()) * float(np.square(two).sum()), 1.0)
    product = np.maximum(spread_one, 0) * np.maximum(spread_two, 0)
    joint = lay(b, a) - sum_one * sum_two / count
    enough = (count >= _OVERLAP * min(one.size, two.size)) & (product > floor)
    likeness = np.where(enough, joint / np.sqrt(np.maximum(product, floor)), 0.0)
    row, column = (int(place) for place in np.unravel_index(likeness.argmax(), shape))
    best = float(likeness[row, column])
    down = _signed(row + _vertex(likeness[:, column], row), shape[0])
    right = _signed(column + _vertex(likeness[row], column), shape[1])
    return Shift(2 * right / (wide + broad), 2 * down / (high + tall), min(best, 1.0))


def _vertex(line: npt.NDArray[np.float64], peak: int) -> float:
    """Where the parabola through a peak and its neighbours has its own, less `peak`."""
    before, here, after = (float(line[(peak + step) % line.size]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    return (before - after) / (2 * bend) if bend < 0 else 0.0


def _signed(shift: float, extent: int) -> float:
    return shift - extent if shift > extent / 2 else shift
