"""Formats beside JPEG and PNG: deep, grey, clear, CMYK, moving, HEIC and RAW."""

import importlib
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import InputSpec, Photo, working_image
from pictures import UPRIGHT, exif, noise, quarters, write_dng

LEVELS = [40, 100, 170, 230]  # of the quarters
COLOUR = np.dstack([quarters()] * 3)
FLOATS = (COLOUR / 255).astype("<f4")
BRANDS = ("avif", "mif1", "miaf", "heic")


def grey_levels(image: np.ndarray) -> list[float]:
    """Grey level of each quarter."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return [float(image[y : y + h, x : x + w].mean()) for y in (0, h) for x in (0, w)]


def written(image: np.ndarray, name: str, mode: str | None = None, **more: Any) -> bytes:
    """A file as Pillow writes it."""
    pillow, buffer = pytest.importorskip("PIL.Image", reason="Pillow writes it"), BytesIO()
    pillow.fromarray(image).convert(mode).save(buffer, name, **more)
    return buffer.getvalue()


def opencv(ending: str, image: np.ndarray) -> bytes:
    """A file as OpenCV writes it."""
    try:
        ok, data = cv2.imencode(ending, image)
    except cv2.error:
        ok = False
    return data.tobytes() if ok else pytest.skip(f"this OpenCV writes no {ending}")


def branded(brand: str) -> bytes:
    data = opencv(".avif", COLOUR)
    assert data[4:12] == b"ftypavif"
    return data[:8] + brand.encode() + data[12:]


FORMATS: dict[str, Callable[[], bytes]] = {
    "BMP": lambda: opencv(".bmp", COLOUR),
    "GIF": lambda: opencv(".gif", COLOUR),
    **{f"AVIF as {brand}": lambda brand=brand: branded(brand) for brand in BRANDS},
    "JPEG 2000 with alpha": lambda: written(quarters(), "JPEG2000", "LA"),
    # OpenCV gives three channels where one was asked for.
    "portable floats": lambda: b"PF\n80 48\n-1.0\n" + FLOATS[::-1].tobytes(),
    "RGB floats": lambda: opencv(".tiff", FLOATS),
    "RGBA floats": lambda: opencv(".tiff", FLOATS[:, :, [0, 1, 2, 2]]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    photo = Photo(FORMATS[name]())
    levels = pytest.approx(LEVELS, abs=3 if "AVIF" in name else 1)
    assert grey_levels(photo.image(InputSpec(100))) == levels
    assert photo.size == (80, 48)


@pytest.mark.parametrize(
    ("ending", "kind", "channels"),
    [
        *((".png", np.uint16, 1), (".tiff", np.uint16, 1), (".tiff", np.float32, 1)),
        *((".tiff", np.float32, 3), (".tiff", np.float32, 4)),  # floats beyond 0..1
    ],
)
def test_deep_channels_are_stretched(ending: str, kind: type, channels: int) -> None:
    deep = ((quarters().astype(np.uint16) - 40) * 4 + 1000).astype(kind)  # 1000 to 1760
    expected = pytest.approx([0, 255 * 60 / 190, 255 * 130 / 190, 255], abs=1)
    if kind == np.uint16:
        assert grey_levels(working_image(deep, 1000)) == expected
    elif channels == 1:
        deep[0, 0] = np.nan
    deep = np.dstack([deep] * channels)
    assert grey_levels(working_image(opencv(ending, deep), 1000)) == expected


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
        assert grey_levels(photo.image(InputSpec(side))) == pytest.approx([55, 55, 255, 255], abs=4)
        assert photo.size == (800, 480)


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


def test_what_opencv_cannot_read_goes_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(quarters(), "PNG", exif=exif(6, "<")[10:])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    photo = Photo(data)
    assert grey_levels(photo.image(InputSpec(100))) == [170, 40, 230, 100]
    assert photo.size == (48, 80)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BlurError, match="bytes: is not an image that OpenCV can decode"):
        working_image(data, 100)


@pytest.mark.parametrize(
    "name", ["PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM", "JPEG2000", "JPEG"]
)
def test_of_a_cut_file_nothing_is_judged(name: str) -> None:
    """Half a picture would be called blurred; of a JPEG more is said in test_headers.py."""
    for mode in ("RGB", "RGBA") if name in ("PNG", "WEBP") else ("RGB",):
        data = written(noise(90, 90), name, mode)
        shares = () if name == "JPEG" else (0.3, 0.6, 0.9)
        for length in (*range(1, 64), *(int(len(data) * share) for share in shares)):
            with pytest.raises(BlurError, match="bytes: "):
                working_image(data[:length], 100)


def test_jpeg_xl(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="the extra 'jxl' is not installed")
    photo = Photo(written(COLOUR, "JXL"))
    assert grey_levels(photo.image(InputSpec(100))) == pytest.approx(LEVELS, abs=4)
    assert photo.size == (80, 48)
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(written(COLOUR, "JPEG", exif=exif(6, "<")[4:]))
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
    assert grey_levels(photo.image(InputSpec(100))) == pytest.approx(LEVELS, abs=4)
    assert photo.size == (400, 240)
    assert photo.small is not None  # colours are decoded once
    assert (photo.small == Photo(tmp_path / "phone.heic").image(InputSpec(50, colour=True))).all()
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
    ranks = np.argsort(np.argsort(grey_levels(photo.image(InputSpec(100)))))
    long_first = (800, 480) if orientation == 1 else (480, 800)
    assert np.abs(np.subtract(photo.size, long_first)).max() <= 8
    assert ranks.tolist() == ([0, 1, 2, 3] if orientation == 1 else [2, 0, 3, 1])


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
