"""Random crops of working images, the network's training material."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.augment import blur_series, resampled
from blur_fusion.images.resize import pad_to

Pixels = npt.NDArray[np.uint8]


def telling_crop(image: Pixels, side: int, tries: int, rng: np.random.Generator) -> Pixels:
    """The one of `tries` random crops with the most detail.

    A crop of a photo's blurred background would teach that it is blurred though its subject is
    sharp. Blurred images are cropped by the same rule, so the rule itself tells nothing.
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


def augment(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror and turn; now and then change gamma, contrast, noise and JPEG quality.

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
        noise = rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(rng.uniform(0.5, 7))
        crop = np.clip(crop + noise + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        data = cv2.imencode(".jpg", np.ascontiguousarray(crop), quality)[1]
        crop = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return crop


def ranked_pair(crop: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """`crop`, and `crop` further out of focus, under the same strength of noise."""
    radius = float(np.exp(rng.uniform(np.log(1.5), np.log(12))))
    return blur_series(crop, (0.0, radius), float(rng.uniform(0.3, 2.5)), rng)
