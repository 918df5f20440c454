"""When and how a photo was taken, from headers of many kinds of file."""

import struct
from dataclasses import replace
from datetime import UTC
from math import log2
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blur_fusion.bursts.capture import Capture, read_capture
from made_bursts import START, exif
from pictures import write_dng

SECONDS = START.replace(tzinfo=UTC).timestamp()
PHOTO = Image.fromarray(np.full((24, 32), 99, np.uint8))


def saved(path: Path, header: Image.Exif) -> str:
    PHOTO.save(path, exif=header.tobytes())
    return str(path)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif"])
def test_time_and_exposure_of_pictures(tmp_path: Path, ending: str) -> None:
    header = exif(3.25, exposure=0.01, iso=400, aperture=4.0, bias=-0.5, camera="A 1", serial="7")
    found = read_capture(saved(tmp_path / f"a.{ending}", header))
    assert found.exposure == pytest.approx(log2(0.01 * 400 / 16))
    assert replace(found, exposure=0) == Capture(SECONDS + 3.25, "A 1 7", 0, -0.5, False, True)


def test_time_of_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    path = tmp_path / "a.heic"
    heif.from_pillow(PHOTO.convert("RGB")).save(path, exif=exif(1.5).tobytes())
    assert read_capture(str(path)).time == SECONDS + 1.5


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        *(({"digits": "5"}, 0.5), ({"digits": "05"}, 0.05), ({"digits": "123456"}, 0.123456)),
        *(({}, 0), ({"digits": "x"}, 0)),
        *(({"offset": "+02:00"}, -7200), ({"offset": "-05:30"}, 19800), ({"offset": "Z"}, 0)),
    ],
)
def test_fractions_of_a_second_and_zones(
    tmp_path: Path, more: dict[str, str], seconds: float
) -> None:
    found = read_capture(saved(tmp_path / "a.jpg", exif(0, **{"digits": "", **more})))
    assert found.time == pytest.approx(SECONDS + seconds, abs=1e-5)
    assert found.fine == (0 < seconds < 1)


def test_a_camera_says_that_it_brackets(tmp_path: Path) -> None:
    assert read_capture(saved(tmp_path / "a.jpg", exif(0, mode=2))).bracket
    assert not read_capture(saved(tmp_path / "b.jpg", exif(0, mode=0))).bracket


def raw_files(tiff: bytes) -> dict[str, bytes]:
    """RAW files that begin with or hold a TIFF block, but no picture."""
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    fuji = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(jpeg)) + jpeg
    boxes = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0\0\0\0CMT1" + tiff + b"\0\0\0\0CMT2"
    return {"raf": fuji, "cr3": boxes + tiff, "orf": tiff[:2] + b"OR" + tiff[4:]}


@pytest.mark.parametrize("ending", ["raf", "cr3", "orf", "nef"])
def test_raw_files(tmp_path: Path, ending: str) -> None:
    tiff = exif(2.5, iso=200, exposure=0.5).tobytes().removeprefix(b"Exif\0\0")
    path = tmp_path / f"a.{ending}"
    path.write_bytes({"nef": tiff, **raw_files(tiff)}[ending])
    found = read_capture(str(path))
    assert (found.time, found.exposure) == (SECONDS + 2.5, log2(100))


def test_a_dng_without_a_time_still_names_its_camera(tmp_path: Path) -> None:
    path = write_dng(tmp_path / "a.dng", np.full((32, 48), 500, np.uint16), 1)
    assert read_capture(str(path)) == Capture(camera="Test Test")


@pytest.mark.parametrize(
    "date", ["    :  :     :  :  ", "0000:00:00 00:00:00", "2024:13:45 99:0:0"]
)
def test_clocks_that_were_never_set(tmp_path: Path, date: str) -> None:
    header = exif()
    header.get_ifd(0x8769)[0x9003] = date
    assert read_capture(saved(tmp_path / "a.jpg", header)) == Capture()


def test_damaged_headers_say_nothing(tmp_path: Path) -> None:
    whole = Path(saved(tmp_path / "a.jpg", exif(1, exposure=0.0, iso=100))).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "b.jpg"
    for trial in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(2, 200, 1 + trial % 20):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        read_capture(str(path))
    for content in (b"", b"\xff\xd8", b"II*\0", whole[:40]):
        for name in ("c.jpg", "c.cr2", "c.cr3", "c.raf", "c.heic"):
            (tmp_path / name).write_bytes(content)
            assert read_capture(str(tmp_path / name)) == Capture(), name
    assert read_capture(str(tmp_path / "none.jpg")) == Capture()
