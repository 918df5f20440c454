"""Pictures as files in memory: small JPEGs of photos, and data URIs for pages."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.images.resize import area_average

Pixels = npt.NDArray[np.uint8]

SIDE = 240  # pixels; about 10 kB as JPEG
QUALITY = 75
_REDUCED = {n: getattr(cv2, f"IMREAD_REDUCED_COLOR_{n}") for n in (8, 4, 2)}


def encoded(pixels: Pixels, ending: str = ".jpg", quality: int = 88) -> bytes:
    """Grey or RGB pixels as a JPEG or, with the ending ".png", a PNG file."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if ending == ".jpg" else []
    done, data = cv2.imencode(ending, bgr, settings)
    require(bool(done), f"OpenCV could not write a {ending[1:].upper()} picture")
    return data.tobytes()


def data_uri(pixels: Pixels, ending: str = ".jpg") -> str:
    """Grey or RGB pixels as the address of themselves, for a page that needs no other file."""
    kind = "jpeg" if ending == ".jpg" else ending[1:]
    return f"data:image/{kind};base64,{base64.b64encode(encoded(pixels, ending)).decode()}"


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    return area_average(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))


def thumbnail(pixels: Pixels, side: int = SIDE) -> bytes:
    """Shrink `pixels` by area averaging, as a JPEG.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w) or (h, w, 3) RGB
        Grey, such as the working image, or colour; already oriented.
    side : int
        Largest height or width of the result, in pixels; nothing is enlarged.

    Returns
    -------
    bytes
        A JPEG file.
    """
    return encoded(_shrunk(pixels, side), quality=QUALITY)


def file_thumbnail(
    path: str | Path, size: tuple[int, int] | None = None, side: int = SIDE
) -> bytes | None:
    """A thumbnail in colour, straight from the file and oriented by EXIF.

    Parameters
    ----------
    path : str or Path
    size : tuple of int, optional
        Width and height of the photo. Where given, a JPEG is decoded at a half, a quarter or an
        eighth, never below `side`, which is several times as fast.
    side : int
        Largest height or width of the result, in pixels.

    Returns
    -------
    bytes or None
        A JPEG file; None where OpenCV cannot read the file: `thumbnail` of the working image serves
        for those.
    """
    fits = (flag for divisor, flag in _REDUCED.items() if size and max(size) // divisor >= side)
    flag = next(fits, cv2.IMREAD_COLOR)
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flag)
    except (OSError, cv2.error):
        return None
    if image is None:
        return None
    small = cv2.cvtColor(_shrunk(np.asarray(image, np.uint8), side), cv2.COLOR_BGR2RGB)
    return encoded(np.asarray(small, np.uint8), quality=QUALITY)
