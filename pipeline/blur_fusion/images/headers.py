"""What files' headers say: their format, how the picture is turned, the memory it takes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

PNG = b"\x89PNG\r\n\x1a\n"
_JXL = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n(?:.*?jxl(?:c|p....)\xff\x0a)?", re.S)
_HEIC = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_AVIF = frozenset((b"avif", b"avis"))
_EXIF = re.compile(rb"(?:eXIf|EXIF....)(?:Exif\0\0)?(II\*\0|MM\0\*)", re.S)
_ORIENTATION = 0x0112

# How files begin, up to width and height, by the order of their octets.
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
    """The pixels of a PNG or WebP file, turned as its EXIF block asks."""
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
        except struct.error:  # as viewers do with a damaged block
            pass
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    across = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[:: -1 if orientation in (3, 4, 7, 8) else 1, across]


def turned_by_boxes(pixels: Pixels, head: bytes) -> Pixels:
    """The pixels of an AVIF file, turned and mirrored by its boxes; its EXIF does not count."""
    if turns := re.search(rb"\0\0\0\x09irot(.)", head, re.S):
        pixels = np.rot90(pixels, turns[1][0] & 3)
    if axis := re.search(rb"\0\0\0\x09imir(.)", head, re.S):
        pixels = pixels[:, ::-1] if axis[1][0] & 1 else pixels[::-1]
    return np.ascontiguousarray(pixels)


def _bits(value: int) -> Callable[[int], int]:
    """Takes so many bits off `value`, the lowest first."""

    def take(count: int) -> int:
        nonlocal value
        taken, value = value & (1 << count) - 1, value >> count
        return taken

    return take


def _jxl_pixels(head: bytes, start: int) -> int:
    """Of the codestream that starts there; ISO/IEC 18181-1, size header."""
    take = _bits(int.from_bytes(head[start : start + 16], "little"))
    small = take(1)

    def extent() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = extent()
    across, along = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return height * (height * across // along if across else extent())


def _tiff_octets(data: Pixels) -> int:
    """Of the first page."""
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
    """About how much memory the decoded picture and a copy of it take, as its header says.

    As much as the file where it does not say; JPEGs are the caller's.

    Parameters
    ----------
    data : ndarray of uint8
    head : bytes
        Its first few thousand.
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
