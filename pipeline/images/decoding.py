"""Files as 8-bit grey or RGB pictures, JPEGs at the scale that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError, require
from pipeline.images.depth import from_array, stretched
from pipeline.images.jpeg import GREY, jpeg_size, reduction
from pipeline.images.suffixes import RAW

Pixels = npt.NDArray[np.uint8]

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Decoded:
    """A picture whose pixels are means over `cell` x `cell` pixels of the file's.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w) or (h, w, 3)
        Oriented by EXIF.
    cell : int
        1 at full size; 2, 4 or 8 at reduced scale.
    width, height : int
        Of the picture that was decoded, oriented, at full size.
    photo : tuple of int, optional
        Width and height of the photo where something smaller was decoded: a RAW file's preview.
    """

    pixels: Pixels
    cell: int
    width: int
    height: int
    photo: tuple[int, int] | None = None


def whole(pixels: Pixels) -> Decoded:
    """A picture at full size."""
    return Decoded(pixels, 1, pixels.shape[1], pixels.shape[0])


def read_bytes(path: Path) -> npt.NDArray[np.uint8]:
    """Content of a file; cv2.imread fails silently, and on odd names."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    require(data.size > 0, f"{path}: is an empty file")
    return data


def _imdecode(data: Pixels, flag: int, path: Path) -> npt.NDArray[np.generic]:
    """Let OpenCV decode; whatever it dislikes is one line."""
    try:
        image = cv2.imdecode(data, flag)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # CV_IO_MAX_IMAGE_PIXELS, _WIDTH and _HEIGHT
            raise BlurError(f"{path}: has more than 2^30 pixels; make it smaller first") from None
        image = None
    if image is None:
        raise BlurError(f"{path}: is no image that OpenCV can decode, or is damaged")
    return np.asarray(image)


def _odd(head: bytes) -> bool:
    """Whether a picture may hold alpha or one deep channel, which OpenCV drops or darkens."""
    if head[:8] == _PNG:  # bit depth, colour type: 0 grey, 3 palette (may be clear), 4 and 6 alpha
        return head[25] in (4, 6) or (head[24] == 16 and head[25] == 0) or b"tRNS" in head
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 0x10) or head[12:16] == b"VP8L"
    return head[:3] != b"\xff\xd8\xff"


def _decode_odd(data: Pixels, path: Path) -> npt.NDArray[np.generic] | None:
    """The picture with all its channels; None where it turns out to be plain."""
    image = _imdecode(data, cv2.IMREAD_UNCHANGED, path)
    if image.ndim == 2 and image.dtype != np.uint8:
        # Decoded again, because only this honours EXIF; not every format then keeps its depth.
        deep = _imdecode(data, cv2.IMREAD_ANYDEPTH, path) if image.dtype == np.uint16 else image
        return stretched(deep if deep.ndim == 2 else image)
    if image.ndim == 3 and image.shape[2] == 4 and image.dtype in (np.uint8, np.uint16):
        return np.asarray(image[:, :, [2, 1, 0, 3]])
    return None


def decode_data(data: Pixels, path: Path, long_side: int, colour: bool = False) -> Decoded:
    """Decode the content of a file that OpenCV knows; see :func:`decode`."""
    head = data[:4096].tobytes()
    if _odd(head) and (special := _decode_odd(data, path)) is not None:
        return whole(from_array(special, colour))
    size = None if colour else jpeg_size(data)
    cell = reduction(size, long_side) if size else 1
    if size is None or cell == 1:
        flag = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
        return whole(np.asarray(_imdecode(data, flag, path), dtype=np.uint8))
    pixels = np.asarray(_imdecode(data, GREY[cell], path), dtype=np.uint8)
    return Decoded(pixels, cell, pixels.shape[1] * cell, pixels.shape[0] * cell)


def decode(path: Path, long_side: int, colour: bool = False) -> Decoded:
    """Read a file oriented by EXIF, as 8-bit grey or RGB.

    Grey JPEGs that are large enough are decoded at reduced scale (see `pipeline.images.jpeg`).
    HEIC and RAW need extras.

    Raises
    ------
    BlurError
        The file is missing, empty, damaged, too large or no image, or its extra is not installed.
    """
    if path.suffix.lower() in RAW:
        from pipeline.images.raw import decode_raw

        return decode_raw(path, long_side, colour)
    data = read_bytes(path)
    if data[4:8].tobytes() == b"ftyp" and data[8:12].tobytes() in _HEIC_BRANDS:
        from pipeline.images.heic import decode_heic

        return decode_heic(data.tobytes(), path, colour)
    return decode_data(data, path, long_side, colour)
