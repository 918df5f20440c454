"""Formats beside JPEG and PNG: deep, grey, clear, CMYK, moving, HEIC and RAW."""

import importlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import InputSpec, Photo, working_image
from pictures import UPRIGHT, exif, noise, quarters, save, write_dng


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


def written(image: np.ndarray, name: str, mode: str | None = None, **more: Any) -> bytes:
    """A file as Pillow writes it."""
    from io import BytesIO

    pillow, buffer = pytest.importorskip("PIL.Image", reason="Pillow writes it"), BytesIO()
    pillow.fromarray(image).convert(mode).save(buffer, name, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("unit", [1, 30])  # 0..1, and beyond
@pytest.mark.parametrize("channels", [3, 4])
def test_float_tiff_in_colour(unit: float, channels: int) -> None:
    image = np.repeat(quarters()[:, :, None], channels, axis=2).astype(np.float32) / 255 * unit
    levels = grey_levels(working_image(cv2.imencode(".tiff", image)[1].tobytes(), 100))
    stretched = [0, 255 * 60 / 190, 255 * 130 / 190, 255]
    assert levels == pytest.approx([40, 100, 170, 230] if unit == 1 else stretched, abs=1)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_every_format_is_turned_as_seen(name: str, mode: str) -> None:
    """PNG and WebP by EXIF, which OpenCV leaves out where there is alpha; AVIF by its boxes."""
    stored, more = quarters(), {"lossless": True} if name == "WEBP" else {}
    for orientation, upright in UPRIGHT.items():
        block = exif(orientation, "<>"[orientation % 2])[10:]
        seen = Photo(written(stored, name, mode, exif=block, **more))
        image, expected = seen.image(InputSpec(1000)), upright(stored)
        assert image.shape == expected.shape == seen.size[::-1]
        assert grey_levels(image) == pytest.approx(grey_levels(expected), abs=3)


@pytest.mark.parametrize("brand", [b"mif1", b"miaf", b"heic"])
def test_avif_by_any_of_its_brands(brand: bytes) -> None:
    ok, data = cv2.imencode(".avif", cv2.cvtColor(quarters(), cv2.COLOR_GRAY2BGR))
    assert ok and data[4:12].tobytes() == b"ftypavif"
    data[8:12] = np.frombuffer(brand, np.uint8)
    assert grey_levels(working_image(data.tobytes(), 100)) == pytest.approx(
        [40, 100, 170, 230], abs=3
    )


def test_jpeg_2000_with_alpha_in_grey() -> None:
    data = written(quarters(), "JPEG2000", "LA")
    assert grey_levels(working_image(data, 100)) == pytest.approx([40, 100, 170, 230], abs=3)


def test_portable_floats() -> None:
    """OpenCV gives three channels where one was asked for."""
    rows = (np.repeat(quarters()[::-1, :, None], 3, axis=2) / 255).astype("<f4")
    image = working_image(b"PF\n80 48\n-1.0\n" + rows.tobytes(), 100)
    assert grey_levels(image) == pytest.approx([40, 100, 170, 230], abs=1)


def test_what_opencv_cannot_read_goes_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(quarters(), "PNG", exif=exif(6, "<")[10:])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    photo = Photo(data)
    assert grey_levels(photo.image(InputSpec(100))) == [170, 40, 230, 100]
    assert photo.size == (48, 80)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BlurError, match="bytes: is not an image that OpenCV can decode"):
        working_image(data, 100)


def test_what_opencv_cannot_read_of_a_cut_file_pillow_does_not_either() -> None:
    """Half a picture would be called blurred."""
    for name in ("PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM", "JPEG2000"):
        data = written(noise(90, 90), name, "RGB")
        for share in (0.3, 0.6, 0.9):
            with pytest.raises(BlurError, match="bytes: is not "):
                working_image(data[: int(len(data) * share)], 100)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM", "JPEG"])
def test_nothing_but_the_beginning(name: str) -> None:
    data = written(noise(9, 9), name, "RGBA" if name in ("PNG", "WEBP") else "RGB")
    for number in range(1, 64):
        with pytest.raises(BlurError, match="bytes: "):
            working_image(data[:number], 100)


def test_jpeg_xl(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="the extra 'jxl' is not installed")
    image = np.repeat(quarters()[:, :, None], 3, axis=2)
    photo = Photo(written(image, "JXL"))
    assert grey_levels(photo.image(InputSpec(100))) == pytest.approx([40, 100, 170, 230], abs=4)
    assert photo.size == (80, 48)
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(written(image, "JPEG", exif=exif(6, "<")[4:]))
    pillow = importlib.import_module("PIL.Image")
    pillow.open(turned).save(tmp_path / "turned.jxl", lossless_jpeg=True)
    photo = Photo(tmp_path / "turned.jxl")
    assert grey_levels(photo.image(InputSpec(100))) == pytest.approx([170, 40, 230, 100], abs=4)
    data = (tmp_path / "turned.jxl").read_bytes()
    with pytest.raises(BlurError, match="is not an image"):
        working_image(data[: len(data) // 2], 100)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    rgb = np.ascontiguousarray(np.repeat(quarters(240, 400)[:, :, None], 3, axis=2))
    coded = heif.from_bytes(mode="RGB", size=(400, 240), data=rgb.tobytes())
    coded.save(tmp_path / "phone.heic", quality=95)
    photo = Photo(tmp_path / "phone.heic", thumbnail=50)
    levels = grey_levels(photo.image(InputSpec(100)))
    assert photo.size == (400, 240)
    assert photo.small is not None  # colours are decoded once
    assert (photo.small == Photo(tmp_path / "phone.heic").image(InputSpec(50, colour=True))).all()
    assert levels == pytest.approx([40, 100, 170, 230], abs=4)
    misnamed = (tmp_path / "phone.heic").rename(tmp_path / "phone.jpg")
    assert working_image(misnamed, 100).shape == (60, 100)
    data = misnamed.read_bytes()
    for damaged in (data[:300], data[:366] + data):  # the second has no picture at all
        misnamed.write_bytes(damaged)
        with pytest.raises(BlurError, match=r"phone\.jpg: is not a HEIC picture, or is damaged"):
            working_image(misnamed, 100)


@pytest.mark.parametrize("error", ["LibRawUnsufficientMemoryError", "LibRawTooBigError"])
def test_raw_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    rawpy = pytest.importorskip("rawpy", reason="the extra 'raw' is not installed")
    (tmp_path / "camera.dng").write_bytes(b"II*\0")
    monkeypatch.setattr(rawpy, "imread", Mock(side_effect=getattr(rawpy, error)))
    with pytest.raises(BlurError, match=r"camera\.dng: is too large for the memory"):
        working_image(tmp_path / "camera.dng", 100)


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
