"""A network small enough to train in a test."""

import dataclasses

import numpy as np

from blur_fusion.params import CnnParams

CROPS = {"crop_side": 32, "crops": 4, "wide_crop_side": 48, "wide_crops": 2, "wide_every": 3}
SIZE = {"patterns": 6, "filters": (4, 6), "epochs": 2, "steps_per_epoch": 3, "check_images": 8}
TINY = dataclasses.replace(CnnParams(), **CROPS, **SIZE)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
