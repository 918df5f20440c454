"""The photographs bundled with scikit-image and scikit-learn, as scenes.

A photograph with all its crops is one scene, in one half of the data set.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from blur_fusion.errors import BlurError
from blur_fusion.sample.textures import Field, Size

# Sharp at full size; blurred, retouched or drawn ones are left out.
TRAINING_PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png"),
    *("grass.png", "hubble_deep_field.jpg", "motorcycle_left.png", "china.jpg"),
)
EVALUATION_PHOTOGRAPHS = ("coins.png", "gravel.png", "ihc.png", "rocket.jpg", "flower.jpg")


@lru_cache(maxsize=4)
def _linear(name: str) -> Field:
    """The photograph as linear luminance in 0..1 (sRGB decoding, approximately)."""
    import skimage.data
    import sklearn.datasets

    first, second = (Path(str(one.__file__)).parent for one in (skimage.data, sklearn.datasets))
    for place in (first / name, second / "images" / name):
        if place.is_file():
            pixels = np.asarray(cv2.imread(str(place), cv2.IMREAD_GRAYSCALE), np.float32)
            return ((pixels / 255) ** 2.2).astype(np.float32)
    raise BlurError(f"{name}: not among the photographs of scikit-image and scikit-learn")


def photograph(name: str, size: Size, rng: np.random.Generator) -> Field:
    """A random crop of photograph `name`, padded by reflection to `size`.

    Shrinking by 0.55 to 0.9 makes sure that it is sharp.
    """
    source = _linear(name)
    scale = rng.uniform(0.55, 0.9)
    small = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small = small[:, ::-1]
    height, width = small.shape
    tall, wide = max(0, size[0] - height), max(0, size[1] - width)
    top, left = (int(rng.integers(extra + 1)) for extra in (tall, wide))
    padded = cv2.copyMakeBorder(
        np.ascontiguousarray(small), top, tall - top, left, wide - left, cv2.BORDER_REFLECT_101
    )
    row = int(rng.integers(padded.shape[0] - size[0] + 1))
    column = int(rng.integers(padded.shape[1] - size[1] + 1))
    return np.ascontiguousarray(padded[row : row + size[0], column : column + size[1]])
