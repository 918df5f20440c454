"""The working image: what every model sees of a file or an array."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.images.photo import working_image
from pictures import UPRIGHT, exif, noise, quarters, save


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("colour", [False, True])
def test_files_are_oriented_by_exif(tmp_path: Path, orientation: int, colour: bool) -> None:
    order = "<" if orientation % 2 else ">"
    path = save(tmp_path / "turned.jpg", quarters(), exif(orientation, order))
    expected = UPRIGHT[orientation](quarters())
    seen = working_image(path, 1000, colour)
    if colour:
        assert seen.shape == (*expected.shape, 3)
        seen = seen[:, :, 1]
    assert seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).max() <= 3


def test_long_side_is_measured_after_turning(tmp_path: Path) -> None:
    path = save(tmp_path / "turned.jpg", quarters(60, 100), exif(6, "<"))
    assert working_image(path, 50).shape == (50, 30)


@pytest.mark.parametrize(
    ("shape", "long_side", "expected"),
    [
        ((300, 400), 100, (75, 100)),
        ((401, 303), 100, (100, 76)),
        ((333, 777), 256, (110, 256)),
        ((5000, 3), 100, (100, 1)),
        ((100, 60), 99, (99, 59)),
    ],
)
def test_long_side_is_exact(
    shape: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    assert working_image(noise(*shape), long_side).shape == expected


@pytest.mark.parametrize("shape", [(30, 40), (64, 10), (64, 64), (1, 1)])
def test_nothing_is_enlarged(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = noise(*shape)
    assert np.array_equal(working_image(image, 64, colour=True), image)
    path = save(tmp_path / "small.png", image[:, :, ::-1])  # OpenCV writes BGR
    assert np.array_equal(working_image(path, 64, colour=True), image)


def test_shrinking_averages_areas() -> None:
    image = noise(240, 320)[:, :, 0]
    blocks = image.reshape(60, 4, 80, 4).mean(axis=(1, 3))
    shrunk = working_image(image, 80)
    assert np.abs(shrunk - blocks).max() <= 0.5 + 1e-6
    odd = working_image(image, 77)
    assert odd.mean() == pytest.approx(image.mean(), abs=0.5)
    # One pixel in 64 of a lattice: nearest neighbours or interpolation would miss or inflate it.
    lattice = np.zeros((256, 256), np.uint8)
    lattice[::8, ::8] = 255
    assert np.unique(working_image(lattice, 32)).tolist() == [4]


@pytest.mark.parametrize("side", [150, 97, 64, 33])
@pytest.mark.parametrize("colour", [False, True])
def test_shrinking_is_exact_at_odd_ratios(side: int, colour: bool) -> None:
    image = noise(241, 333) if colour else noise(241, 333)[:, :, 0]
    shrunk = working_image(image, side, colour).astype(int)
    exact = cv2.resize(image, shrunk.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - exact).max() <= 1
    assert np.mean(shrunk != exact) < 0.001


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_file_and_array_agree(tmp_path: Path, ending: str) -> None:
    smooth = cv2.GaussianBlur(noise(120, 160), (0, 0), 2)
    path = save(tmp_path / f"photo{ending}", smooth)
    rgb = working_image(path, 10_000, colour=True)
    for long_side in (10_000, 64):
        from_file = working_image(path, long_side).astype(int)
        from_array = working_image(rgb, long_side).astype(int)
        assert from_file.shape == from_array.shape
        assert np.abs(from_file - from_array).max() <= 2
    assert np.array_equal(working_image(path, 64), working_image(str(path), 64))


def test_grey_is_luma_of_rgb() -> None:
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        image = np.zeros((4, 4, 3), np.uint8)
        image[:, :, channel] = 200
        assert np.abs(working_image(image, 64) - 200 * weight).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits(tmp_path: Path, channels: int) -> None:
    eight = noise(40, 50)[:, :, :channels].squeeze()
    deep = (eight.astype(np.uint16) << 8) | 0x7F
    path = save(tmp_path / "deep.png", deep)
    seen = working_image(path, 64)
    assert seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - working_image(save(tmp_path / "8.png", eight), 64)).max() <= 2
    array = deep if channels == 1 else deep[:, :, ::-1]
    assert np.abs(seen.astype(int) - working_image(array, 64)).max() <= 2


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    image = noise(30, 40)
    opaque = np.concatenate([image, np.full((30, 40, 1), 255, np.uint8)], axis=2)
    assert np.array_equal(working_image(opaque, 64), working_image(image, 64))
    assert np.array_equal(working_image(opaque, 20, colour=True), working_image(image, 20, True))
    alpha = noise(30, 40, seed=9)[:, :, :1]
    rgba = np.concatenate([image, alpha], axis=2)
    share = alpha / 255.0
    expected = np.rint(image * share + 255 * (1 - share))
    assert np.abs(working_image(rgba, 64, colour=True) - expected).max() <= 1
    bgra = np.concatenate([image[:, :, ::-1], alpha], axis=2)
    for ending in (".png", ".tiff"):
        path = save(tmp_path / f"clear{ending}", bgra)
        assert np.abs(working_image(path, 64, colour=True) - expected).max() <= 1
    path = save(tmp_path / "opaque.png", opaque[:, :, [2, 1, 0, 3]])
    assert np.array_equal(working_image(path, 64, colour=True), image)


def test_grey_arrays_and_files(tmp_path: Path) -> None:
    grey = noise(30, 40)[:, :, 0]
    assert np.array_equal(working_image(grey, 64), grey)
    assert np.array_equal(working_image(grey[:, :, None], 64), grey)
    path = save(tmp_path / "grey.png", grey)
    assert np.array_equal(working_image(path, 64), grey)
    for source in (grey, path):
        colour = working_image(source, 64, colour=True)
        assert colour.shape == (30, 40, 3)
        assert all(np.array_equal(colour[:, :, c], grey) for c in range(3))


def test_the_array_given_is_not_changed() -> None:
    image = noise(30, 40)
    before = image.copy()
    working_image(image, 16)
    working_image(image[::-1, ::-1], 64)  # negative strides serve too
    assert np.array_equal(image, before)
