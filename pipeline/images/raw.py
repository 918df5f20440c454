"""RAW files of cameras, with the extra `raw` (rawpy)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.config.errors import BlurError
from pipeline.images.decoding import Decoded, decode_data, read_bytes, whole
from pipeline.images.depth import from_array


def _preview(raw: Any, rawpy: Any, path: Path, long_side: int, colour: bool) -> Decoded | None:
    """The embedded JPEG, where it is at least as large as the working image."""
    try:
        found = raw.extract_thumb()
    except (rawpy.LibRawError, ValueError):
        return None
    if found.format != rawpy.ThumbFormat.JPEG:
        return None
    try:
        seen = decode_data(np.frombuffer(found.data, np.uint8), path, long_side, colour)
    except BlurError:
        return None
    return seen if max(seen.width, seen.height) >= long_side else None


def _developed(raw: Any, long_side: int, colour: bool) -> Decoded:
    """Developed at half size, which needs no demosaicing, or in full where that is too small."""
    half = max(raw.sizes.iwidth, raw.sizes.iheight) >= 2 * long_side
    return whole(from_array(raw.postprocess(half_size=half, use_camera_wb=True), colour))


def decode_raw(path: Path, long_side: int, colour: bool) -> Decoded:
    """Decode the camera's own preview, else develop the file.

    Raises
    ------
    BlurError
        The extra is not installed, or the file is missing or damaged.
    """
    try:
        import rawpy
    except ImportError:
        raise BlurError(f"{path}: RAW needs an extra: pip install 'blur-fusion[raw]'") from None
    read_bytes(path)  # says why where it cannot
    try:
        with rawpy.imread(str(path)) as raw:
            width, height = raw.sizes.iwidth, raw.sizes.iheight
            if raw.sizes.flip in (5, 6):  # LibRaw's sizes are those before it turns the picture
                width, height = height, width
            seen = _preview(raw, rawpy, path, long_side, colour) or _developed(
                raw, long_side, colour
            )
    except (rawpy.LibRawError, OSError):
        raise BlurError(f"{path}: is no RAW file that LibRaw can read, or is damaged") from None
    photo = width, height
    if (seen.width > seen.height) == (width > height):
        return Decoded(seen.pixels, seen.cell, seen.width, seen.height, photo)
    turned = np.asarray(cv2.rotate(seen.pixels, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
    return Decoded(turned, seen.cell, seen.height, seen.width, photo)
