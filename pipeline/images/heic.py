"""HEIC, the format of iPhones, with the extra `heic` (pillow-heif)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.config.errors import BlurError
from pipeline.images.decoding import Decoded, whole
from pipeline.images.depth import from_array


def decode_heic(data: bytes, path: Path, colour: bool) -> Decoded:
    """Decode the main picture, turned as the file says.

    Raises
    ------
    BlurError
        The extra is not installed, or the file is damaged.
    """
    try:
        import pillow_heif
    except ImportError:
        raise BlurError(f"{path}: HEIC needs an extra: pip install 'blur-fusion[heic]'") from None
    try:
        array = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
    except (ValueError, RuntimeError, OSError, EOFError, SyntaxError):
        raise BlurError(f"{path}: is no HEIC picture, or is damaged") from None
    return whole(from_array(array, colour))
