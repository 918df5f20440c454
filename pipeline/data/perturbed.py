"""Training images turned, lettered, faded, noised, compressed: to be judged as before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.data.store import Store
from pipeline.overlays import overlay

Pixels = npt.NDArray[np.uint8]


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
    turned, lettered, faded, noised, compressed = rng.random(5) < (0.5, 0.3, 0.4, 0.4, 0.4)
    if turned:
        image = np.rot90(image, int(rng.integers(1, 4)))
    image = np.ascontiguousarray(image)
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


def perturbed_copies(store: Store, rows: Iterable[int], seed: int) -> Iterator[Pixels]:
    """One copy of each of `rows`; the same for each seed."""
    for row in rows:
        rng = np.random.default_rng([seed, 3, int(row)])
        yield perturbed(np.asarray(store.image(int(row))), rng)
