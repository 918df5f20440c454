"""Perturbed copies of training images."""

from __future__ import annotations

import numpy as np

from blur_fusion.data.augment import perturbed


def _picture() -> np.ndarray:
    x, y = np.meshgrid(np.arange(300), np.arange(200))
    return (128 + 80 * np.sin(x / 7) * np.cos(y / 11)).astype(np.uint8)


def test_copies_repeat_and_differ_by_seed() -> None:
    image = _picture()
    before = image.copy()
    first, again = (perturbed(image, np.random.default_rng(4)) for _ in range(2))
    assert (first == again).all() and (image == before).all()
    others = [perturbed(image, np.random.default_rng(seed)) for seed in range(30)]
    assert len({one.tobytes() for one in others[:12]}) > 8
    assert all(one.dtype == np.uint8 and sorted(one.shape) == [200, 300] for one in others)


def test_some_copies_are_the_picture_itself() -> None:
    """Each change is drawn by itself, so now and then none is made."""
    image = _picture()
    same = [np.array_equal(perturbed(image, np.random.default_rng(s)), image) for s in range(200)]
    assert 0 < sum(same) < 100
