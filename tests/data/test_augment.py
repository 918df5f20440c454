"""Perturbed copies of training images, overlays and crops."""

import cv2
import numpy as np
import pytest

from blur_fusion.data.augment import augment_crop, detailed_crop, perturbed
from blur_fusion.data.overlays import overlay
from tiny_network import noise

X, Y = np.meshgrid(np.arange(300), np.arange(200))
PICTURE = (128 + 80 * np.sin(X / 7) * np.cos(Y / 11)).astype(np.uint8)


def test_copies_repeat_and_differ_by_seed() -> None:
    before = PICTURE.copy()
    copies = [[perturbed(PICTURE, np.random.default_rng(k)) for k in range(200)] for _ in range(2)]
    assert all(map(np.array_equal, *copies)) and (before == PICTURE).all()
    assert len({one.tobytes() for one in copies[0][:12]}) > 8
    assert all(one.dtype == np.uint8 and sorted(one.shape) == [200, 300] for one in copies[0])
    # Each change is drawn by itself, so now and then none is made.
    assert 0 < sum(np.array_equal(one, PICTURE) for one in copies[0]) < 100


def test_overlays_touch_a_part_of_the_picture_only() -> None:
    picture = np.random.default_rng(0).integers(90, 110, (300, 400, 3), dtype=np.uint8)
    before = picture.copy()
    for seed in range(30):
        result = overlay(picture, np.random.default_rng(seed))
        changed = (result != picture).any(axis=2).mean()
        assert result.shape == picture.shape and 0 < changed < 0.5
    assert (picture == before).all()


@pytest.mark.parametrize("shape", [(32, 32), (32, 200), (200, 32), (33, 47, 3), (300, 400)])
def test_overlays_keep_shape_and_type(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 100, np.uint8)
    for seed in range(60):
        result = overlay(picture, np.random.default_rng(seed))
        assert result.shape == shape and result.dtype == np.uint8


def test_detailed_crop_prefers_detail() -> None:
    image = np.full((200, 300), 120, np.uint8)
    image[:80, 220:] = noise(80, 80)
    rng = np.random.default_rng(0)
    for tries, rate in ((1, 0.5), (30, 0.95)):
        crops = [detailed_crop(image, 64, tries, rng) for _ in range(60)]
        assert all(crop.shape == (64, 64) and crop.dtype == np.uint8 for crop in crops)
        hit = np.mean([crop.std() > 1 for crop in crops])
        assert hit < rate if tries == 1 else hit >= rate
    best = detailed_crop(image, 64, 400, rng)
    assert (best != 120).mean() > 0.6
    for shape in ((20, 30), (64, 10), (1, 1)):  # smaller than the crop
        assert detailed_crop(noise(*shape), 64, 3, rng).shape == (64, 64)


def test_augment_keeps_shape_type_and_the_crop_given() -> None:
    crop = noise(48, 48)
    before = crop.copy()
    rng = np.random.default_rng(1)
    seen = [augment_crop(crop, rng) for _ in range(60)]
    assert all(new.shape == (48, 48) and new.dtype == np.uint8 for new in seen)
    assert len({np.ascontiguousarray(new).tobytes() for new in seen}) > 50
    assert np.array_equal(crop, before)
    again = augment_crop(crop, np.random.default_rng(7))
    assert np.array_equal(again, augment_crop(crop, np.random.default_rng(7)))


def test_augment_leaves_blurred_crops_blurred() -> None:
    """Measured at a scale where its noise and JPEG blocks weigh little."""
    edges = ((np.indices((96, 96)) // 24).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    soft = cv2.GaussianBlur(edges, (0, 0), 4)

    def steepness(image: np.ndarray) -> float:
        levels = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1)
        across = np.abs(np.diff(levels, axis=1))
        return float(np.percentile(across, 99) / max(np.ptp(levels), 1))

    for seed in range(40):
        sharp = steepness(augment_crop(edges, np.random.default_rng(seed)))
        assert steepness(augment_crop(soft, np.random.default_rng(seed))) < 0.75 * sharp
