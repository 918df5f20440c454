"""Thumbnails, and pictures encoded for pages."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.images.formats import RAW, suffix
from blur_fusion.images.photo import InputSpec, Photo
from blur_fusion.images.resize import shrunk

Pixels = npt.NDArray[np.uint8]

SIDE = 240  # pixels
# Bytes: a page of 10,000 has at most 60 MB, base64 and text included. Most photos take 3,400.
LARGEST = 4100
_TRIES = ((1, 70), (1, 50), (1, 30), (2, 30), (4, 20))  # divisor and quality; the first that fits
_SETTINGS = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}
_REDUCED = {n: getattr(cv2, f"IMREAD_REDUCED_COLOR_{n}") for n in (8, 4, 2)}


def encoded(pixels: Pixels, ending: str = ".jpg", quality: int = 88) -> bytes:
    """Grey or RGB pixels as a JPEG, WebP (".webp") or PNG file (".png")."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    settings = [_SETTINGS[ending], quality] if ending in _SETTINGS else []
    done, data = cv2.imencode(ending, bgr, settings)
    require(bool(done), f"OpenCV could not write a {ending[1:].upper()} picture")
    return data.tobytes()


def data_uri(pixels: Pixels, ending: str = ".jpg") -> str:
    """Grey or RGB pixels as a data URI."""
    kind = "jpeg" if ending == ".jpg" else ending[1:]
    return f"data:image/{kind};base64,{base64.b64encode(encoded(pixels, ending)).decode()}"


def thumbnail(pixels: Pixels) -> bytes:
    """Grey or RGB pixels as a WebP file of at most `SIDE` pixels a side and `LARGEST` bytes.

    Half as large as a JPEG of the same quality.
    """
    for divisor, quality in _TRIES:
        data = encoded(shrunk(pixels, SIDE // divisor), ".webp", quality)
        if len(data) <= LARGEST:
            break
    return data


def small_photo(
    path: str | Path, size: tuple[int, int] | None = None, side: int = SIDE
) -> Pixels | None:
    """A small RGB picture of a photo file, oriented by EXIF; None where it cannot be read.

    For RAW files the embedded preview serves. If the `size` of the photo is given, a JPEG is
    decoded at a half, quarter or eighth, which is several times as fast. `side` is the largest
    height or width of the result.
    """
    fits = (flag for divisor, flag in _REDUCED.items() if size and max(size) // divisor >= side)
    image = None
    if suffix(str(path)) not in RAW:  # of which OpenCV takes some for TIFFs
        with suppress(OSError, cv2.error):
            flag = next(fits, cv2.IMREAD_COLOR)
            image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flag)
    if image is not None:
        small = shrunk(np.asarray(image, np.uint8), side)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
    try:
        return Photo(path).image(InputSpec(side, colour=True))
    except BlurError:
        return None
