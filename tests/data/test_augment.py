"""Perturbed copies of training images, overlays and crops."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from blur_fusion.data.augment import augment_crop, detailed_crop, perturbed
from blur_fusion.data.overlays import overlay
from tiny_network import noise

X, Y = np.meshgrid(np.arange(300), np.arange(200))
PICTURE = (128 + 80 * np.sin(X / 7) * np.cos(Y / 11)).astype(np.uint8)
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.mark.parametrize("change", [perturbed, augment_crop])
def test_changes_repeat_by_seed_and_differ(change: Change) -> None:
    before = PICTURE.copy()
    copies = [[change(PICTURE, np.random.default_rng(k)) for k in range(150)] for _ in range(2)]
    assert all(map(np.array_equal, *copies)) and (before == PICTURE).all()
    assert all(one.dtype == np.uint8 and sorted(one.shape) == [200, 300] for one in copies[0])
    assert len({one.tobytes() for one in copies[0]}) > 100
    # Each change is drawn by itself, so now and then none is made.
    assert 0 < sum(np.array_equal(one, PICTURE) for one in copies[0]) < 50


@pytest.mark.parametrize("shape", [(300, 400, 3), (300, 400), (32, 32), (33, 200, 3), (200, 32)])
def test_overlays_touch_a_part_of_the_picture_only(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(90, 110, shape, dtype=np.uint8)
    before = picture.copy()
    for seed in range(40):
        result = overlay(picture, np.random.default_rng(seed))
        changed = (result != picture).reshape(*shape[:2], -1).any(axis=2).mean()
        assert result.shape == shape and result.dtype == np.uint8
        assert 0 < changed < (0.5 if max(shape) == 400 else 1)
    assert (picture == before).all()


def test_detailed_crop_prefers_detail() -> None:
    image = np.full((200, 300), 120, np.uint8)
    image[:80, 220:] = noise(80, 80)
    rng = np.random.default_rng(0)
    for tries, least, most in ((1, 0, 0.5), (30, 0.95, 1)):
        crops = [detailed_crop(image, 64, tries, rng) for _ in range(60)]
        assert all(crop.shape == (64, 64) and crop.dtype == np.uint8 for crop in crops)
        assert least <= np.mean([crop.std() > 1 for crop in crops]) <= most
    assert (detailed_crop(image, 64, 400, rng) != 120).mean() > 0.6
    for shape in ((20, 30), (64, 10), (1, 1)):  # smaller than the crop
        assert detailed_crop(noise(*shape), 64, 3, rng).shape == (64, 64)


def test_augment_leaves_blurred_crops_blurred() -> None:
    """Measured at a scale where its noise and JPEG blocks weigh little."""
    edges = ((np.indices((96, 96)) // 24).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    soft = cv2.GaussianBlur(edges, (0, 0), 4)

    def steepness(crop: np.ndarray, seed: int) -> float:
        image = augment_crop(crop, np.random.default_rng(seed))
        levels = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1)
        across = np.abs(np.diff(levels, axis=1))
        return float(np.percentile(across, 99) / max(np.ptp(levels), 1))

    for seed in range(40):
        assert steepness(soft, seed) < 0.75 * steepness(edges, seed)
