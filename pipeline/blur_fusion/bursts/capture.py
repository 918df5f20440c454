"""When and how a photo was taken, according to its header."""

from __future__ import annotations

import math
import re
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from blur_fusion.images.formats import RAW, suffix
from blur_fusion.images.headers import brand

_HEAD = 1 << 18  # bytes of a RAW file that hold its directories
_EXIF_IFD = 0x8769
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")  # of Pillow's, that hold EXIF
# TIFF 6.0 and EXIF 2.32
_MAKE, _MODEL, _DATE = 0x010F, 0x0110, 0x0132
_EXPOSURE, _F_NUMBER, _ISO, _BIAS, _MODE = 0x829A, 0x829D, 0x8827, 0x9204, 0xA402
_TAKEN, _SUBSECONDS, _OFFSET, _SERIAL = 0x9003, 0x9291, 0x9011, 0xA431
_BRACKET = 2  # of exposure modes
_TIME = re.compile(r"(\d{4})\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True, slots=True)
class Capture:
    """What the header says; None if it does not."""

    time: float | None = None  # seconds since 1970, by the camera's clock if it gives no offset
    camera: str = ""  # make, model and serial number
    exposure: float | None = None  # log 2 of exposure time times ISO over the aperture squared
    bias: float | None = None  # exposure bias, in stops
    bracket: bool = False  # whether the camera says that it varies the exposure
    fine: bool = False  # whether `time` has fractions of a second


def _of_bytes(tiff: bytes) -> dict[int, Any]:
    """Tags of a TIFF block, those of its EXIF directory among them."""
    from PIL import Image

    exif = Image.Exif()
    exif.load(b"Exif\0\0" + tiff)
    return {**exif, **exif.get_ifd(_EXIF_IFD)}


def _of_raw(path: str) -> dict[int, Any]:
    """Tags of a RAW file; most are TIFF files."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if head.startswith(b"FUJIFILM"):  # holds a JPEG file, at this offset
            (start,) = struct.unpack_from(">I", head, 84)
            file.seek(start)
            head = file.read(_HEAD)
            return _of_bytes(head[head.index(b"Exif\0\0") + 6 :])
    if head[4:8] == b"ftyp":  # Canon's CR3: a TIFF block for each directory
        blocks = [head[head.index(name) + 4 :] for name in (b"CMT1", b"CMT2")]
        return {tag: value for block in blocks for tag, value in _of_bytes(block).items()}
    order = b"*\0" if head.startswith(b"II") else b"\0*"  # instead of Olympus's or Panasonic's
    return _of_bytes(head[:2] + order + head[4:])


def _tags(path: str) -> dict[int, Any]:
    if suffix(path) in RAW:
        return _of_raw(path)
    from PIL import Image

    with open(path, "rb") as file:
        heic = brand(file.read(64)) == "heic"
    if heic:
        import pillow_heif

        block = pillow_heif.open_heif(path).info.get("exif") or b""
        return _of_bytes(block.removeprefix(b"Exif\0\0"))
    with Image.open(path, formats=_FORMATS) as image:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(_EXIF_IFD)}


def _seconds(tags: dict[int, Any]) -> tuple[float | None, bool]:
    """The time of capture, and whether it has fractions of a second."""
    found = _TIME.match(str(tags.get(_TAKEN) or tags.get(_DATE) or ""))
    if found is None:
        return None, False
    zone = _ZONE.match(str(tags.get(_OFFSET, "")))
    shift = timedelta(hours=int(zone[2]), minutes=int(zone[3])) if zone else timedelta()
    clock = timezone(-shift if zone and zone[1] == "-" else shift) if zone else UTC
    clocked = datetime.strptime(" ".join(found.groups()), "%Y %m %d %H %M %S")
    whole = clocked.replace(tzinfo=clock).timestamp()
    digits = re.match(r"\d+", str(tags.get(_SUBSECONDS, "")).strip())
    return (whole + float(f".{digits[0]}"), True) if digits else (whole, False)


def _number(value: Any) -> float | None:
    """The first or only number of a value; None if there is none, as in 0 / 0."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _exposure(tags: dict[int, Any]) -> float | None:
    time, aperture, iso = (_number(tags.get(tag)) for tag in (_EXPOSURE, _F_NUMBER, _ISO))
    if not time or time < 0:
        return None
    # A lens without contacts reports no aperture, which then stays the same.
    light = time * (iso if iso and iso > 0 else 100.0)
    return math.log2(light / (aperture if aperture and aperture > 0 else 1.0) ** 2)


def read_capture(path: str) -> Capture:
    """Read the EXIF header of a JPEG, TIFF, PNG, WebP, AVIF, HEIC or RAW file.

    A header that is missing or damaged says nothing; HEIC needs its extra.
    """
    tags: dict[int, Any] = {}
    # Damaged headers raise anything; the error is reported when the file is judged.
    with warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        tags = _tags(path)
    time, fine = None, False
    with suppress(ValueError, OverflowError):  # not a date
        time, fine = _seconds(tags)
    names = (str(tags.get(tag) or "").strip("\0 ") for tag in (_MAKE, _MODEL, _SERIAL))
    return Capture(
        time,
        " ".join(filter(None, names)),
        _exposure(tags),
        _number(tags.get(_BIAS)),
        tags.get(_MODE) == _BRACKET,
        fine,
    )
