"""Where a picture is sharpest, and pictures that hold nothing to judge."""

import doctest

import cv2
import numpy as np
import pytest

from blur_fusion.features import content
from blur_fusion.features.content import sharpest_place

SIZE = 576, 768


def _leaves(size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """Rectangles of every size: large ones too, so that structure outlives any blur."""
    rng, (height, width) = np.random.default_rng(seed), size
    image = np.full(size, 120, np.uint8)
    for _ in range(150):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        reach = int(width * rng.uniform(0.01, 0.2))
        cv2.rectangle(image, (x, y), (x + reach, y + reach), int(rng.integers(256)), -1)
    return image


def _noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def test_examples_run() -> None:
    assert doctest.testmod(content).failed == 0


@pytest.mark.parametrize("size", [SIZE, (768, 512), (240, 320)])
@pytest.mark.parametrize(("x", "y"), [(0.2, 0.25), (0.8, 0.25), (0.2, 0.75), (0.8, 0.7)])
def test_the_sharp_corner_of_a_blurred_picture_is_found(
    size: tuple[int, int], x: float, y: float
) -> None:
    crisp, (height, width) = _leaves(size), size
    crisp[:] = _noisy(crisp, 20)  # texture, so that every part of it has detail
    image = cv2.GaussianBlur(crisp, (0, 0), width / 60)
    left, top = int((x - 0.08) * width), int((y - 0.08) * height)
    part = slice(top, top + int(0.16 * height)), slice(left, left + int(0.16 * width))
    image[part] = crisp[part]
    found = sharpest_place(_noisy(image, 2))
    assert found == pytest.approx((x, y), abs=0.1)


def test_what_lies_in_the_margin_has_no_say() -> None:
    """A caption is the sharpest thing there is, and no part of the photo."""
    image = cv2.GaussianBlur(_leaves(), (0, 0), 3)
    cv2.putText(image, "12:30 27 NOV 2026", (20, 560), 0, 1.2, 255, 2)
    found = sharpest_place(image)
    assert found is not None and found[1] < 0.9
    black = np.zeros(SIZE, np.uint8)
    cv2.putText(black, "12:30 27 NOV 2026", (20, 560), 0, 1.2, 255, 2)
    assert sharpest_place(black) is None


def _sky() -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] / 768
    return (120 + 70 * rows + 30 * columns).astype(np.uint8)


@pytest.mark.parametrize("deviation", [0, 2, 3.5])
@pytest.mark.parametrize("plain", [np.zeros(SIZE, np.uint8), np.full(SIZE, 200, np.uint8), _sky()])
def test_nothing_to_judge(plain: np.ndarray, deviation: float) -> None:
    assert sharpest_place(_noisy(plain, deviation)) is None


@pytest.mark.parametrize("sigma", [0, 2, 8, 24, 48])
@pytest.mark.parametrize("seed", range(3))
def test_however_blurred_a_picture_with_structure_is_judged(sigma: int, seed: int) -> None:
    image = _leaves(seed=seed)
    image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image
    assert sharpest_place(_noisy(image, 2)) is not None


def test_fine_detail_counts_where_nothing_is_coarse() -> None:
    weave = (110 + 30 * (np.indices(SIZE).sum(axis=0) % 2)).astype(np.uint8)
    assert sharpest_place(weave) is not None


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 5), (33, 2000), (520, 513)])
def test_any_size_has_an_answer(size: tuple[int, int]) -> None:
    found = sharpest_place(np.random.default_rng(0).integers(0, 256, size).astype(np.uint8))
    assert found is None or 0 <= min(found) <= max(found) <= 1
    assert sharpest_place(np.full(size, 77, np.uint8)) is None
