"""Perturbed copies of training images, and what is written over pictures."""

import numpy as np
import pytest

from blur_fusion.data.augment import perturbed
from blur_fusion.data.overlays import overlay

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
