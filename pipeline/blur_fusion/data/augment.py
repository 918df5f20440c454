"""Training images changed: further out of focus, lettered, turned, resampled, compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.overlays import overlay
from blur_fusion.data.store import Store

Pixels = npt.NDArray[np.uint8]

_GAMMA = 2.2  # of the linear light that a lens mixes


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


def resampled(image: Pixels, rng: np.random.Generator) -> Pixels:
    """`image` (h, w), its finest detail a little weaker or stronger.

    So do ways of shrinking differ, such as decoding a JPEG at reduced scale: by up to a tenth of
    what one pixel holds. No verdict should rest on that.
    """
    side = rng.uniform(-0.025, 0.025)
    line = np.array([side, 1 - 2 * side, side], np.float32)
    return np.asarray(cv2.sepFilter2D(image, -1, line, line), dtype=np.uint8)


def perturbed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """`image` after a few harmless changes; none of them makes it sharp or blurred.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
    rng : Generator

    Returns
    -------
    ndarray of uint8, shape (h, w) or (w, h)
    """
    chances = 0.5, 0.3, 0.5, 0.4, 0.4, 0.4
    turned, lettered, shrunk, faded, noised, compressed = rng.random(6) < chances
    if turned:
        image = np.rot90(image, int(rng.integers(1, 4)))
    image = np.ascontiguousarray(image)
    if shrunk:
        image = resampled(image, rng)
    if lettered:
        image = overlay(image, rng)
    if faded:
        contrast = rng.uniform(0.35, 1)
        image = np.rint(contrast * image + rng.uniform(0, 1 - contrast) * 255).astype(np.uint8)
    if noised:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, 7))
        image = np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)
    if compressed:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
        data = cv2.imencode(".jpg", image, quality)[1]
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return image


STEPS = 4  # pictures of a series: as it is, blurred, blurred more and more
PARTS = ("copied", "own", "ranked")


def ranked_rows(store: Store, count: int, seed: int) -> npt.NDArray[np.int64]:
    """At most `count` training rows, drawn once for each seed, ascending."""
    train = np.flatnonzero(store.splits == "train")
    return np.sort(np.random.default_rng([seed, 1]).permutation(train)[:count])


def _series(image: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """`STEPS` pictures, less blurred first."""
    first = float(np.exp(rng.uniform(np.log(1.5), np.log(8))))
    radii = first * np.cumprod([1.0, *rng.uniform(1.2, 2.0, STEPS - 2)])
    return blur_series(image, (0.0, *radii.tolist()), float(rng.uniform(0.3, 2.0)), rng)


def pictures(store: Store, part: str, rows: Iterable[int], seed: int) -> Iterator[Pixels]:
    """What the models learn from beside crops; the same for each seed.

    Parameters
    ----------
    store : Store
    part : str
        One of `PARTS`: a perturbed copy of each image, the image itself, or its series of `STEPS`
        pictures, each blurred further.
    rows : iterable of int
    seed : int
    """
    for row in rows:
        image = store.image(row)
        if part == "own":
            yield image
        elif part == "copied":
            yield perturbed(image, np.random.default_rng([seed, 3, row]))
        else:
            yield from _series(image, np.random.default_rng([seed, 2, row]))
