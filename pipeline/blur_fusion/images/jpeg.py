"""JPEG files: their header, the scale that is needed, and what is there of one that is cut off."""

from __future__ import annotations

import re
from struct import unpack_from
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# Frame headers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}
_BARE = frozenset(range(0xFFD0, 0xFFD8)) | {0xFF01}  # markers without a length
_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda\0[\x08\x0a\x0c\x0e]([\1-\4])", re.S)

# What is left must be this much larger than the working image. Below it photos gain little, as
# Huffman's code is most of the work with detailed ones, and probabilities move by up to .07.
MARGIN = 2.0

REDUCED = {n: getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{n}") for n in (8, 4, 2)}

_STEP = 256  # octets; about a row of blocks of a photo


class Part(NamedTuple):
    """The upper rows of a picture as a file of their own, and what share of all rows they are."""

    data: Pixels
    share: float


def jpeg_frame(data: bytes | Pixels) -> int | None:
    """Place of the frame header's marker; None where `data` is no JPEG."""
    view: Any = data  # whose type mypy does not know as a buffer
    if len(data) < 2 or unpack_from(">H", view) != (0xFFD8,):
        return None
    place = 2
    while place + 9 <= len(data):
        marker, length = unpack_from(">HH", view, place)
        if marker == 0xFFFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            return place
        elif marker < 0xFF00:
            return None
        else:
            place += 2 + length
    return None


def jpeg_size(data: bytes | Pixels) -> tuple[int, int] | None:
    """Width and height as stored, before EXIF turns them; None where `data` is no JPEG.

    Parameters
    ----------
    data : bytes, or ndarray of uint8
        The file, or its beginning up to the frame header.
    """
    place = jpeg_frame(data)
    view: Any = data
    if place is None:
        return None
    height, width = unpack_from(">HH", view, place + 5)
    return (width, height) if width and height else None


def progressive(data: Pixels) -> bool:
    """Whether a JPEG comes in several scans, all of which the decoder keeps."""
    place = jpeg_frame(data)
    return place is not None and int(data[place + 1]) & 3 == 2


def reduction(size: tuple[int, int], long_side: int) -> int:
    """Largest of 8, 4, 2, 1 that leaves `MARGIN` times the working image."""
    return next((cell for cell in REDUCED if max(size) >= cell * MARGIN * long_side), 1)


def without_zeros(data: Pixels) -> Pixels:
    """A JPEG without the zeros that fill the place of what was never written.

    They would be decoded as picture. A file that has its end marker stays as it is.
    """
    if data[-64:].any() or (place := jpeg_frame(data)) is None:
        return data
    filled = data.size - int(np.argmax(data[::-1] != 0))
    return data if _END in data[place:filled].tobytes() else data[:filled]


def _fine(scans: bytes, luma: int) -> bool:
    """Whether a progressive JPEG's last scans of each frequency have begun, as far as seen."""
    seen: set[int] = set()
    for found in _SCAN.finditer(scans):
        at, count = found.end(), found[1][0]
        bands = scans[at + 2 * count : at + 2 * count + 3]
        if luma in scans[at : at + 2 * count : 2] and len(bands) == 3 and not bands[2] & 15:
            seen |= set(range(bands[0], bands[1] + 1))
    return len(seen) == 64


def _grey(data: Pixels) -> npt.NDArray[Any] | None:
    """The stored picture of a JPEG without its end marker; the decoder fills what is missing."""
    whole = np.append(data, np.frombuffer(_END, np.uint8))
    try:
        return cv2.imdecode(whole, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def whole_rows(data: Pixels) -> Part | None:
    """What is there of a JPEG that is cut off; None where nothing can be decoded.

    With a few octets less, the picture differs from the row on at which they run out. Where a
    progressive file's last scans have not begun, all of it is coarse, and no row is whole.
    """
    place = jpeg_frame(data)
    size = jpeg_size(data)
    if place is None or size is None or place + 19 > data.size:
        return None
    factors = data[place + 11 : place + 11 + 3 * int(data[place + 9]) : 3]
    step = 8 * max(int(factor) & 15 for factor in (1, *factors))
    end = data.size - int(np.argmax((data[::-1] != 0xFF) & (data[::-1] != 0)))
    coded, rows = data[:end], 0  # erased flash memory is full of either
    whole, less = _grey(coded), _STEP
    if whole is None:
        return None
    if not progressive(data) or _fine(coded[place:].tobytes(), int(data[place + 10])):
        while not rows and less < coded.size - place:
            shorter = _grey(coded[:-less])
            if shorter is None:
                break
            differs = (whole != shorter).any(axis=1)
            rows, less = int(np.argmax(differs)) // step * step, less * 4
    if rows == size[0]:  # no square: its sides tell whether it was turned
        rows -= step
    file = np.append(coded, np.frombuffer(_END, np.uint8))
    file[place + 5 : place + 7] = rows >> 8, rows & 255
    return Part(file, rows / size[1])
