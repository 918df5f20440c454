"""Small JPEGs of photos, for the report."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.images.resize import area_average

Pixels = npt.NDArray[np.uint8]

SIDE = 240  # pixels; about 10 kB as JPEG
QUALITY = 75
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def _encoded(bgr: Pixels, side: int) -> bytes:
    height, width = bgr.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        bgr = area_average(bgr, (max(1, round(width * scale)), max(1, round(height * scale))))
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    require(bool(done), "OpenCV could not write a JPEG thumbnail")
    return data.tobytes()


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
    colour = pixels.ndim == 3
    bgr = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8) if colour else pixels
    return _encoded(bgr, side)


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
    flag = cv2.IMREAD_COLOR
    for divisor, reduced in _REDUCED if size else ():
        if size and max(size) // divisor >= side:
            flag = reduced
            break
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flag)
    except (OSError, cv2.error):
        return None
    return None if image is None else _encoded(np.asarray(image, np.uint8), side)
