"""Training images and crops changed: defocused, overlaid, turned, resampled, compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.overlays import overlay
from blur_fusion.data.store import Store
from blur_fusion.images.resize import pad_to

Pixels = npt.NDArray[np.uint8]

STEPS = 4  # pictures of a series: the image itself, then blurred more and more
PARTS = ("copied", "own", "ranked")
_GAMMA = 2.2  # a lens mixes linear light


def _disk(radius: float) -> npt.NDArray[np.float32]:
    """Point spread function of defocus, with an anti-aliased edge."""
    half = int(np.ceil(radius))
    line = np.arange(-half, half + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(line[:, None], line[None, :]), 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def defocused(image: Pixels, radius: float) -> npt.NDArray[np.float32]:
    """Blur grey levels (h, w) over a disk of `radius` pixels, in linear light."""
    if radius <= 0:
        return image.astype(np.float32)
    light = (np.arange(256, dtype=np.float32) / 255) ** np.float32(_GAMMA)
    linear = cv2.LUT(np.ascontiguousarray(image), light)
    mixed = cv2.filter2D(linear, -1, _disk(radius), borderType=cv2.BORDER_REFLECT)
    return np.asarray(255 * np.clip(mixed, 0, 1) ** np.float32(1 / _GAMMA), dtype=np.float32)


def _pattern(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A sensor's fixed pattern: odd and even columns apart, and bands of rows."""
    columns = (-1.0) ** np.arange(shape[1]) + 0.5 * rng.standard_normal(shape[1])
    rows = 0.5 * rng.standard_normal(shape[0])
    return (rows[:, None] + columns[None, :]).astype(np.float32)


def blur_series(
    image: Pixels, radii: tuple[float, ...], noise: float, rng: np.random.Generator
) -> list[Pixels]:
    """Defocus `image` by each of `radii`, with equally strong noise over all.

    Otherwise less noise would give away the more blurred one. Half of the series also get the same
    fixed pattern. `noise` is the standard deviation in grey levels.
    """
    series = []
    fixed = 0.4 * noise * _pattern(image.shape, rng) * (rng.random() < 0.5)
    for radius in radii:
        grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
        level = defocused(image, radius) + grain + fixed + 0.5
        series.append(np.clip(level, 0, 255).astype(np.uint8))
    return series


def resampled(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Make the finest detail of `image` (h, w) a little weaker or stronger.

    Ways of shrinking differ as much, such as decoding a JPEG at reduced scale; no verdict should
    depend on that.
    """
    side = rng.uniform(-0.025, 0.025)
    line = np.array([side, 1 - 2 * side, side], np.float32)
    return np.asarray(cv2.sepFilter2D(image, -1, line, line), dtype=np.uint8)


def _noisy(image: Pixels, least: float, rng: np.random.Generator) -> Pixels:
    """Add noise of `least` to 7 grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(rng.uniform(least, 7))
    return np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)


def _compressed(image: Pixels, quality: int) -> Pixels:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(".jpg", np.ascontiguousarray(image), settings)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def perturbed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Change `image` (h, w) in ways that do not change whether it is blurred; it may be turned."""
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
        image = _noisy(image, 1, rng)
    if compressed:
        image = _compressed(image, int(rng.integers(35, 90)))
    return image


def ranked_rows(store: Store, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw at most `count` training rows, ascending."""
    train = np.flatnonzero(store.splits == "train")
    return np.sort(np.random.default_rng([seed, 1]).permutation(train)[:count])


def _series(image: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """`STEPS` pictures, the least blurred first."""
    first = float(np.exp(rng.uniform(np.log(1.5), np.log(8))))
    radii = first * np.cumprod([1.0, *rng.uniform(1.2, 2.0, STEPS - 2)])
    return blur_series(image, (0.0, *radii.tolist()), float(rng.uniform(0.3, 2.0)), rng)


def pictures(store: Store, part: str, rows: Iterable[int], seed: int) -> Iterator[Pixels]:
    """Yield what the models learn from besides crops.

    Parameters
    ----------
    store : Store
    part : str
        One of `PARTS`: a perturbed copy of each image, the image itself, or its series of `STEPS`
        pictures, each more blurred than the last.
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


def detailed_crop(image: Pixels, side: int, tries: int, rng: np.random.Generator) -> Pixels:
    """Take the one of `tries` random crops with the most detail.

    A crop of a blurred background would teach that the photo is blurred though its subject is
    sharp. Blurred images are cropped by the same rule, so the rule itself gives nothing away.
    """
    image = pad_to(image, side)
    best, most, detail = image[:side, :side], -1.0, 0.0
    for _ in range(tries):
        row = int(rng.integers(image.shape[0] - side + 1))
        column = int(rng.integers(image.shape[1] - side + 1))
        crop = image[row : row + side, column : column + side]
        if tries > 1:  # at half size, where noise counts less
            half = cv2.resize(crop, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
            detail = float(cv2.meanStdDev(cv2.Laplacian(half, cv2.CV_16S))[1][0, 0])
        if detail > most:
            best, most = crop, detail
    return best


def augment_crop(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror and turn; sometimes change gamma, contrast, noise and JPEG quality.

    Nothing here changes how blurred the crop is.
    """
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        crop = crop[::-1]
    if rng.random() < 0.5:
        crop = crop.T
    if rng.random() < 0.5:
        crop = resampled(np.ascontiguousarray(crop), rng)
    if rng.random() < 0.6:
        level = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.35))
        scale = np.exp(rng.uniform(-1.0, 0.15))
        low = rng.uniform(0, max(0.0, 1 - scale))
        table = np.clip(255 * (low + scale * level), 0, 255).astype(np.uint8)
        crop = np.asarray(cv2.LUT(np.ascontiguousarray(crop), table), dtype=np.uint8)
    if rng.random() < 0.3:
        crop = _noisy(crop, 0.5, rng)
    if rng.random() < 0.25:
        crop = _compressed(crop, int(rng.integers(40, 96)))
    return crop


def ranked_pair(crop: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """`crop`, and `crop` further out of focus, with equally strong noise."""
    radius = float(np.exp(rng.uniform(np.log(1.5), np.log(12))))
    return blur_series(crop, (0.0, radius), float(rng.uniform(0.3, 2.5)), rng)
