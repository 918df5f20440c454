"""The middle of a working image: what is judged."""

from __future__ import annotations

import numpy as np
import pytest

from blur_fusion.features.summary import describe
from blur_fusion.images.photo import EDGE, SMALLEST, center_crop
from blur_fusion.params import load_params


@pytest.mark.parametrize("shape", [(1, 1), (300, 512), (512, 40), (16, 300)])
def test_small_pictures_are_judged_whole(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    assert center_crop(image).shape == shape


@pytest.mark.parametrize("shape", [(513, 400), (600, 450), (768, 512), (576, 768), (768, 30)])
def test_an_equal_edge_goes_on_every_side(shape: tuple[int, int]) -> None:
    rows, columns = (np.arange(extent) for extent in shape)
    image = ((rows[:, None] + columns[None, :]) % 251).astype(np.uint8)
    inner = center_crop(image)
    tops = [(whole - part) // 2 for whole, part in zip(shape, inner.shape, strict=True)]
    assert all(top <= EDGE * whole for top, whole in zip(tops, shape, strict=True))
    assert max(inner.shape) >= SMALLEST
    assert (inner == image[tops[0] : shape[0] - tops[0], tops[1] : shape[1] - tops[1]]).all()


def test_a_turned_picture_keeps_the_same_middle() -> None:
    image = np.random.default_rng(0).integers(0, 256, (576, 768), dtype=np.uint8)
    assert (np.rot90(center_crop(image), 2) == center_crop(np.rot90(image, 2))).all()


def test_what_stands_on_the_edge_has_no_say() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(90, 160, (576, 768), dtype=np.uint8)
    lettered = image.copy()
    lettered[-46:] = rng.integers(0, 2, (46, 768), dtype=np.uint8) * 255
    params = load_params().features
    assert (describe(image, params) == describe(lettered, params)).all()
