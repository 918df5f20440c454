"""A picture further out of focus than it was: which of two is more blurred is known without labels.

Learning from such pairs follows Liu, van de Weijer and Bagdanov, "RankIQA: Learning from rankings
for no-reference image quality assessment", ICCV 2017.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.images.working import Pixels

_GAMMA = 2.2  # of the linear light that a lens mixes
_LEVELS = 4096


def _disk(radius: float) -> npt.NDArray[np.float32]:
    """Point spread function of defocus, its rim anti-aliased."""
    half = int(np.ceil(radius))
    line = np.arange(-half, half + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(line[:, None], line[None, :]), 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def defocused(image: Pixels, radius: float) -> npt.NDArray[np.float32]:
    """Grey levels of `image` (h, w) mixed over a disk of `radius` pixels in linear light."""
    if radius <= 0:
        return image.astype(np.float32)
    light = (np.arange(256, dtype=np.float32) / 255) ** np.float32(_GAMMA)
    linear = cv2.LUT(np.ascontiguousarray(image), light)
    mixed = cv2.filter2D(linear, -1, _disk(radius), borderType=cv2.BORDER_REFLECT)
    return np.asarray(255 * np.clip(mixed, 0, 1) ** np.float32(1 / _GAMMA), dtype=np.float32)


def _pattern(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Odd and even columns apart, and bands of rows."""
    columns = (-1.0) ** np.arange(shape[1]) + 0.5 * rng.standard_normal(shape[1])
    rows = 0.5 * rng.standard_normal(shape[0])
    return (rows[:, None] + columns[None, :]).astype(np.float32)


def blur_series(
    image: Pixels, radii: tuple[float, ...], noise: float, rng: np.random.Generator
) -> list[Pixels]:
    """`image` defocused by each of `radii`, with the same strength of noise laid over all.

    Half of the series also get a sensor's fixed pattern, the same for all.

    Without it less noise would give away the more blurred one; a camera's noise stays.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
    radii : tuple of float
        Pixels; 0 leaves the picture as it is.
    noise : float
        Standard deviation in grey levels.
    rng : Generator

    Returns
    -------
    list of ndarray of uint8, shape (h, w)
    """
    series = []
    fixed = 0.4 * noise * _pattern(image.shape, rng) * (rng.random() < 0.5)
    for radius in radii:
        grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
        level = defocused(image, radius) + grain + fixed + 0.5
        series.append(np.clip(level, 0, 255).astype(np.uint8))
    return series
