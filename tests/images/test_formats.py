"""Formats beside JPEG and PNG: deep, grey, clear, CMYK, moving, HEIC and RAW."""

import importlib
import struct
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import InputSpec, Photo, working_image
from pictures import noise, quarters, save


def grey_levels(image: np.ndarray) -> list[float]:
    """Grey level of each quarter."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return [float(image[y : y + h, x : x + w].mean()) for y in (0, h) for x in (0, w)]


@pytest.mark.parametrize("ending", [".png", ".webp", ".tiff", ".bmp", ".gif", ".avif"])
def test_formats(tmp_path: Path, ending: str) -> None:
    try:
        path = save(tmp_path / f"a{ending}", cv2.cvtColor(quarters(), cv2.COLOR_GRAY2BGR))
    except (cv2.error, AssertionError):
        pytest.skip(f"this OpenCV writes no {ending}")
    photo = Photo(path)
    levels = grey_levels(photo.image(InputSpec(1000)))
    assert photo.size == (80, 48)
    assert levels == pytest.approx([40, 100, 170, 230], abs=3)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", np.uint16), ("a.tiff", np.uint16), ("a.tiff", np.float32)]
)
def test_one_deep_channel_is_stretched(tmp_path: Path, name: str, kind: type) -> None:
    deep = ((quarters().astype(np.uint16) - 40) * 4 + 1000).astype(kind)  # 1000 to 1760
    expected = [0, 255 * 60 / 190, 255 * 130 / 190, 255]
    if kind == np.uint16:
        assert grey_levels(working_image(deep, 1000)) == pytest.approx(expected, abs=1)
    else:
        deep[0, 0] = np.nan
    path = save(tmp_path / name, deep)
    assert grey_levels(working_image(path, 1000)) == pytest.approx(expected, abs=1)


def test_one_hot_pixel_does_not_darken_the_rest() -> None:
    deep = (noise(60, 60)[:, :, 0].astype(np.uint16)) * 4
    deep[3, 3] = 65535
    assert working_image(deep, 100).std() > 60
    assert np.unique(working_image(np.full((9, 9), 700, np.uint16), 100)).tolist() == [0]


def test_palette_with_clear_colour_lies_over_white(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the palette")
    palette = image.fromarray((quarters() > 100).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 90, 90, 90])
    palette.save(tmp_path / "clear.png", transparency=0)
    seen = grey_levels(working_image(tmp_path / "clear.png", 100))
    assert seen == pytest.approx([255, 255, 90, 90], abs=1)


def test_cmyk(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes CMYK")
    plates = np.zeros((480, 800, 4), np.uint8)
    plates[:240, :, 3] = 200  # black ink
    image.fromarray(plates, "CMYK").save(tmp_path / "print.jpg")
    for side in (1000, 100):  # full and reduced
        photo = Photo(tmp_path / "print.jpg")
        levels = grey_levels(photo.image(InputSpec(side)))
        assert photo.size == (800, 480)
        assert levels == pytest.approx([55, 55, 255, 255], abs=4)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    rgb = np.ascontiguousarray(np.repeat(quarters(240, 400)[:, :, None], 3, axis=2))
    coded = heif.from_bytes(mode="RGB", size=(400, 240), data=rgb.tobytes())
    coded.save(tmp_path / "phone.heic", quality=95)
    photo = Photo(tmp_path / "phone.heic")
    levels = grey_levels(photo.image(InputSpec(100)))
    assert photo.size == (400, 240)
    assert levels == pytest.approx([40, 100, 170, 230], abs=4)
    misnamed = (tmp_path / "phone.heic").rename(tmp_path / "phone.jpg")
    assert working_image(misnamed, 100).shape == (60, 100)
    misnamed.write_bytes(misnamed.read_bytes()[:300])
    with pytest.raises(BlurError, match=r"phone\.jpg: is no HEIC picture, or is damaged"):
        working_image(misnamed, 100)


def write_dng(path: Path, bayer: np.ndarray, orientation: int) -> Path:
    """Write an uncompressed DNG of 16-bit RGGB data; Adobe's DNG specification 1.4."""
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the DNG")
    tags: dict[int, Any] = {274: orientation, 271: "Test", 272: "Test", 50708: "Test"}
    tags |= {33421: (2, 2), 33422: bytes([0, 1, 1, 2]), 50706: bytes([1, 4, 0, 0])}
    tags |= {50721: (1, 0, 0, 0, 1, 0, 0, 0, 1), 50728: (1, 1, 1)}
    directory = importlib.import_module("PIL.TiffImagePlugin").ImageFileDirectory_v2()
    directory.tagtype |= {50721: 10, 50728: 5}  # rationals, signed and not
    for tag, value in tags.items():
        directory[tag] = value
    image.fromarray(bayer).save(path, "TIFF", tiffinfo=directory)
    grey, mosaic = (struct.pack("<HHII", 262, 3, 1, value) for value in (1, 32803))
    path.write_bytes(path.read_bytes().replace(grey, mosaic))
    return path


@pytest.mark.parametrize("orientation", [1, 6])
def test_raw_without_a_preview_is_developed(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("rawpy", reason="the extra 'raw' is not installed")
    bayer = quarters(480, 800).astype(np.uint16) * 200
    path = write_dng(tmp_path / "camera.dng", bayer, orientation)
    photo = Photo(path)
    levels = grey_levels(photo.image(InputSpec(100)))
    long_first = (800, 480) if orientation == 1 else (480, 800)
    assert np.abs(np.subtract(photo.size, long_first)).max() <= 8
    expected = [0, 1, 2, 3] if orientation == 1 else [2, 0, 3, 1]
    assert np.argsort(np.argsort(levels)).tolist() == np.argsort(np.argsort(expected)).tolist()


@pytest.mark.parametrize(
    ("name", "head", "module", "extra"),
    [
        ("phone.heic", b"\0\0\0\x18ftypheic", "pillow_heif", "heic"),
        ("camera.cr2", b"II*\0", "rawpy", "raw"),
    ],
)
def test_without_the_extra_a_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, head: bytes, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(head + bytes(40))
    with pytest.raises(BlurError, match=rf"pip install 'blur-fusion\[{extra}\]'"):
        working_image(tmp_path / name, 100)
