"""What files' headers say: format, size, orientation, memory; what is left of a cut-off JPEG."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

PNG = b"\x89PNG\r\n\x1a\n"
_JXL = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n(?:.*?jxl(?:c|p....)\xff\x0a)?", re.S)
_HEIC = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_AVIF = frozenset((b"avif", b"avis"))
_EXIF = re.compile(rb"(?:eXIf|EXIF....)(?:Exif\0\0)?(II\*\0|MM\0\*)", re.S)
_ORIENTATION = 0x0112

# How files begin, up to width and height, by byte order.
_SIZES: dict[Literal["big", "little"], re.Pattern[bytes]] = {
    "big": re.compile(
        rb"(?:\x89PNG.{12}|\xff\x4f\xff\x51.{4}|....(?:jP  |ftyp).*?(?:ihdr|ispe....))(.{4})(.{4})",
        re.S,
    ),
    "little": re.compile(
        rb"GIF8..(..)(..)|BM.{16}(.{4})(.{4})|RIFF.{4}WEBPVP8X.{8}(...)(...)", re.S
    ),
}
_SAMPLES = {0: 1, 2: 3}  # of a PNG's pixel as decoded, by colour type; 4 of any other


def is_jxl(head: bytes) -> bool:
    """Whether a file that begins so is JPEG XL."""
    return _JXL.match(head) is not None


def brand(head: bytes) -> str:
    """Which of "avif" and "heic" an ISO file is; empty if neither."""
    if head[4:8] != b"ftyp":
        return ""
    (length,) = struct.unpack_from(">I", head)
    brands = {head[at : at + 4] for at in (8, *range(16, min(length, len(head)), 4))}
    return "avif" if brands & _AVIF else "heic" if brands & _HEIC else ""


def turned_by_exif(pixels: npt.NDArray[np.generic], data: bytes) -> npt.NDArray[np.generic]:
    """The pixels of a PNG or WebP file, oriented by its EXIF block."""
    found, orientation = _EXIF.search(data), 1
    if found:
        exif, order = data[found.start(1) :], ">" if found[1][:1] == b"M" else "<"
        try:
            (place,) = struct.unpack_from(f"{order}I", exif, 4)
            (count,) = struct.unpack_from(f"{order}H", exif, place)
            for entry in range(place + 2, place + 2 + 12 * count, 12):
                tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
                if tag == _ORIENTATION:
                    orientation = value
        except struct.error:  # ignored, as viewers do
            pass
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    across = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[:: -1 if orientation in (3, 4, 7, 8) else 1, across]


def turned_by_boxes(pixels: Pixels, head: bytes) -> Pixels:
    """The pixels of an AVIF file, rotated and mirrored by its boxes; its EXIF does not count."""
    if turns := re.search(rb"\0\0\0\x09irot(.)", head, re.S):
        pixels = np.rot90(pixels, turns[1][0] & 3)
    if axis := re.search(rb"\0\0\0\x09imir(.)", head, re.S):
        pixels = pixels[:, ::-1] if axis[1][0] & 1 else pixels[::-1]
    return np.ascontiguousarray(pixels)


def _bits(value: int) -> Callable[[int], int]:
    """A function that takes bits off `value`, the lowest first."""

    def take(count: int) -> int:
        nonlocal value
        taken, value = value & (1 << count) - 1, value >> count
        return taken

    return take


def _jxl_pixels(head: bytes, start: int) -> int:
    """Pixels of the codestream that starts there; ISO/IEC 18181-1, size header."""
    take = _bits(int.from_bytes(head[start : start + 16], "little"))
    small = take(1)

    def extent() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = extent()
    across, along = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return height * (height * across // along if across else extent())


def _tiff_octets(data: Pixels) -> int:
    """Bytes of the first page."""
    order, facts = "<" if data[0] == 0x49 else ">", {258: 8, 277: 1}
    view: memoryview = data.data
    (place,) = struct.unpack_from(f"{order}I", view, 4)
    (count,) = struct.unpack_from(f"{order}H", view, place)
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", view, entry)
        if tag in (256, 257, 258, 277) and (number == 1 or tag == 258):
            form = "H" if kind == 3 else "I"
            at = entry + 8
            if number * struct.calcsize(form) > 4:
                (at,) = struct.unpack_from(f"{order}I", view, at)
            (facts[tag],) = struct.unpack_from(f"{order}{form}", view, at)
    return facts[256] * facts[257] * facts[277] * facts[258] // 8


def octets_needed(data: Pixels, head: bytes) -> int:
    """About how many bytes the decoded picture and a copy of it take, by its header.

    The file's size where the header does not say. `head` is the beginning of `data`; JPEGs are
    handled by the caller.
    """
    try:
        if head[:4] in (b"II*\0", b"MM\0*"):
            return 2 * _tiff_octets(data)
        if found := _JXL.match(head):
            return 8 * _jxl_pixels(head, found.end())
        for order, pattern in _SIZES.items():
            if found := pattern.match(head):
                sides = (int.from_bytes(side, order) for side in found.groups() if side)
                width, height = (min(side, 2**32 - side) for side in sides)  # BMP's may be negative
                of_png = head[:8] == PNG
                octets = _SAMPLES.get(head[25], 4) * max(1, head[24] // 8) if of_png else 4
                return 2 * octets * width * height
    except (struct.error, IndexError, KeyError):
        pass
    return data.size


# Frame headers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}
_BARE = frozenset(range(0xFFD0, 0xFFD8)) | {0xFF01}  # markers without a length
_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda\0[\x08\x0a\x0c\x0e]([\1-\4])", re.S)

# What is left must be this much larger than the working image. Below it photos gain little, as
# Huffman's code is most of the work with detailed ones, and probabilities move by up to .07.
MARGIN = 2.0

REDUCED = {n: getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{n}") for n in (8, 4, 2)}

_STEP = 256  # bytes; about a row of blocks of a photo


class Part(NamedTuple):
    """The upper rows of a picture as a file, and their share of all rows."""

    data: Pixels
    share: float


class Frame(NamedTuple):
    """What a JPEG's frame header says; all 0 where there is none.

    `place` is the offset of its marker, `size` the width and height before EXIF orientation. A
    progressive picture comes in several scans, all of which the decoder keeps in memory.
    """

    place: int = 0
    size: tuple[int, int] = (0, 0)
    progressive: bool = False


def jpeg_frame(data: bytes | Pixels) -> Frame:
    """The frame header of a JPEG file, or of its beginning."""
    view: Any = data  # whose type mypy does not know as a buffer
    if len(data) < 2 or struct.unpack_from(">H", view) != (0xFFD8,):
        return Frame()
    place = 2
    while place + 9 <= len(data):
        marker, length = struct.unpack_from(">HH", view, place)
        if marker == 0xFFFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", view, place + 5)
            size = (width, height) if width and height else (0, 0)
            return Frame(place, size, marker & 3 == 2)
        elif marker < 0xFF00:
            break
        else:
            place += 2 + length
    return Frame()


def reduction(size: tuple[int, int], long_side: int) -> int:
    """Largest of 8, 4, 2, 1 that leaves `MARGIN` times the working image."""
    return next((cell for cell in REDUCED if max(size) >= cell * MARGIN * long_side), 1)


def without_zeros(data: Pixels, frame: Frame) -> Pixels:
    """A JPEG without trailing zeros, which stand for data that was never written.

    They would be decoded as part of the picture. A file with an end marker is left alone.
    """
    if data[-64:].any() or not frame.place:
        return data
    filled = data.size - int(np.argmax(data[::-1] != 0))
    return data if _END in data[frame.place : filled].tobytes() else data[:filled]


def _fine(scans: bytes, luma: int) -> bool:
    """Whether the last scans of all frequencies of a progressive JPEG have begun."""
    seen: set[int] = set()
    for found in _SCAN.finditer(scans):
        at, count = found.end(), found[1][0]
        bands = scans[at + 2 * count : at + 2 * count + 3]
        if luma in scans[at : at + 2 * count : 2] and len(bands) == 3 and not bands[2] & 15:
            seen |= set(range(bands[0], bands[1] + 1))
    return len(seen) == 64


def _grey(data: Pixels) -> npt.NDArray[Any] | None:
    """The picture of a JPEG without end marker; the decoder fills in what is missing."""
    whole = np.append(data, np.frombuffer(_END, np.uint8))
    try:
        return cv2.imdecode(whole, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def whole_rows(data: Pixels) -> Part | None:
    """What is left of a cut-off JPEG; None where nothing can be decoded.

    A decode with a few bytes less differs from the row where they run out. Where the last scans of
    a progressive file have not begun, no row is complete.
    """
    place, size, progressive = jpeg_frame(data)
    if not size[0] or place + 19 > data.size:
        return None
    factors = data[place + 11 : place + 11 + 3 * int(data[place + 9]) : 3]
    step = 8 * max(int(factor) & 15 for factor in (1, *factors))
    end = data.size - int(np.argmax((data[::-1] != 0xFF) & (data[::-1] != 0)))
    coded, rows = data[:end], 0  # erased flash memory is full of either
    whole, less = _grey(coded), _STEP
    if whole is None:
        return None
    if not progressive or _fine(coded[place:].tobytes(), int(data[place + 10])):
        while not rows and less < coded.size - place:
            shorter = _grey(coded[:-less])
            if shorter is None:
                break
            differs = (whole != shorter).any(axis=1)
            rows, less = int(np.argmax(differs)) // step * step, less * 4
    if rows == size[0]:  # not square: its sides tell whether it was rotated
        rows -= step
    file = np.append(coded, np.frombuffer(_END, np.uint8))
    file[place + 5 : place + 7] = rows >> 8, rows & 255
    return Part(file, rows / size[1])
