"""Grey levels of ordinary JPEGs by compiled code, bit for bit as libjpeg gives them but faster."""

from __future__ import annotations

from functools import lru_cache
from struct import error, unpack_from
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.images.headers import turned
from blur_fusion.native.library import address, library

Pixels = npt.NDArray[np.uint8]

# Kinds of segments: a frame that may come in one scan, Huffman codes, steps, restarts, colour.
_FRAMES, _DHT, _SOS, _DQT, _DRI, _JFIF, _ADOBE = (0xC0, 0xC1), 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE
_EXIF = 0xE1
_PLAIN = frozenset(range(0xE0, 0xF0)) | {0xFE, _DHT, _DQT, _DRI, _SOS, *_FRAMES}
_CODE = 16 + 256  # octets: how many symbols have each length, and the symbols
_BLOCKS = 10  # of a unit at most
_MANY = 1 << 30  # pixels; OpenCV refuses more
_LANES = 8  # blocks that are transformed at a time


@lru_cache(maxsize=1)
def _zigzag() -> npt.NDArray[np.intp]:
    """Places in a block of 8 x 8, row by row, of its coefficients in the order of the file."""
    down, across = np.divmod(np.arange(64), 8)
    return np.lexsort((np.where((down + across) % 2, down, across), down + across))


class _Header:
    """What a file says before its scan, which begins at `place`."""

    def __init__(self, data: Pixels) -> None:
        self.codes = np.zeros((2, 4, _CODE), np.uint8)  # DC, AC
        self.known: set[int] = set()
        self.steps: dict[int, bytes] = {}
        self.found: dict[int, bytes] = {}
        self.exif = b""  # all of these segments
        view: Any = memoryview(data.data)
        kind, self.place = 0, 2
        while kind != _SOS:
            begin, kind, length = unpack_from(">BBH", view, self.place)
            end = self.place + 2 + length
            require(begin == 0xFF and kind in _PLAIN and length >= 2 and end <= len(view), "odd")
            body = view[self.place + 4 : end].tobytes()
            if kind == _DHT:
                self._codes(body)
            elif kind == _DQT:
                for start in range(0, len(body), 65):
                    require(body[start] < 4, "of 16 bits")
                    self.steps[body[start]] = body[start + 1 : start + 65]
            elif kind == _EXIF:
                self.exif += view[self.place : end].tobytes()
            elif kind != _JFIF or body[:5] == b"JFIF\0":
                self.found[kind] = body
            self.place = end

    def _codes(self, body: bytes) -> None:
        while body:
            count = 17 + sum(body[1:17])
            require(body[0] & ~0x13 == 0 and 17 <= count <= min(17 + 256, len(body)), "odd")
            code = body[1:count].ljust(_CODE, b"\0")
            self.codes[body[0] >> 4, body[0] & 3] = np.frombuffer(code, np.uint8)
            self.known.add(body[0])
            body = body[count:]

    def luma_first(self, ids: bytes) -> bool:
        """Whether the first component is grey, as libjpeg takes it to be."""
        adobe = self.found.get(_ADOBE, b"")
        if len(ids) == 1 or _JFIF in self.found:
            return True
        return adobe[11] != 0 if adobe[:5] == b"Adobe" else ids != b"RGB"


def _plan(data: Pixels, cell: int) -> tuple[Any, ...]:
    """What the compiled decoder wants; an error where it must not see the file."""
    header = _Header(data)
    (frame,) = (header.found[kind] for kind in _FRAMES if kind in header.found)
    scan, (bits, height, width, count) = header.found[_SOS], unpack_from(">BHHB", frame)
    parts = [unpack_from("3B", frame, 6 + 3 * k) for k in range(count)]
    ids, coded = bytes(part[0] for part in parts), scan[2 : 2 + 2 * count : 2]
    require(bits == 8 and count in (1, 3) and 0 < height * width <= _MANY, "odd")
    require(scan[0] == count and scan[1 : 1 + 2 * count : 2] == ids, "several scans")
    require(scan[1 + 2 * count :] == b"\0\x3f\0" and header.luma_first(ids), "odd")
    sides = [divmod(part[1], 16) for part in parts]
    require(all(0 < extent < 5 for side in sides for extent in side), "odd")
    if count == 1:  # then blocks come one by one
        sides = [(1, 1)]
    across, down = (max(side[k] for side in sides) for k in (0, 1))
    require(sides[0] == (across, down) and _LANES % across == 0, "odd")
    require(sum(a * b for a, b in sides) <= _BLOCKS, "odd")
    tables = [divmod(both, 16) for both in coded]
    require({k for dc, ac in tables for k in (dc, 16 + ac)} <= header.known, "no code")
    components = np.array([[*side, *table] for side, table in zip(sides, tables, strict=True)])
    first, *_ = [header.steps[part[2]] for part in parts]  # all are there
    steps = np.array([[*first], _zigzag()], np.int16)
    (restart,) = unpack_from(">H", header.found.get(_DRI, b"\0\0"))
    units = -(-width // (8 * across)), -(-height // (8 * down))
    size = -(-height // cell), -(-width // cell)
    return header, components.astype(np.int32), steps, (restart, *units, 8 // cell), size


@lru_cache(maxsize=1)
def _sample() -> tuple[bytes, Pixels]:
    """A small JPEG that no turn leaves as it was, and its pixels."""
    pixels = np.kron([[40, 100], [170, 230]], np.ones((8, 8))).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels)[1]
    return data.tobytes(), np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _orientation(segments: bytes) -> int:
    """EXIF's number by which OpenCV turns a file with these segments: it is asked."""
    if b"\x01\x12" not in segments and b"\x12\x01" not in segments:
        return 1
    data, plain = _sample()
    file = np.frombuffer(data[:2] + segments + data[2:], np.uint8)
    seen = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
    return next(n for n in range(1, 9) if np.array_equal(turned(plain, n), np.asarray(seen)))


def luma(data: Pixels, cell: int) -> Pixels | None:
    """Grey levels of a JPEG, turned by EXIF; None where libjpeg has to see it.

    That is where nothing was compiled, and where a file is progressive, in several scans, of
    other colours than luma and chroma, cut off, damaged or otherwise out of the ordinary.

    Most of the time that detailed photos take goes into their Huffman code. Here two codes and the
    bits behind them are looked up at once, and of chroma nothing is kept. The transforms are
    libjpeg's; only where a damaged file asks for levels far beyond 0..255 may the bits differ.

    Parameters
    ----------
    data : ndarray of uint8, shape (n,)
        The file.
    cell : int
        1 at full size; 2 or 4 for means over as many pixels across and down.

    Returns
    -------
    ndarray of uint8, shape (ceil(height / cell), ceil(width / cell))
        Before it is turned.
    """
    compiled = library()
    if compiled is None or cell not in (1, 2, 4):
        return None
    try:
        header, components, steps, numbers, size = _plan(data, cell)
        orientation = _orientation(header.exif)
    except (BlurError, error, LookupError, ValueError, StopIteration, cv2.error):  # odd or damaged
        return None
    found = np.empty(size, np.uint8)
    scan = data[header.place :]
    failed = compiled.blur_luma(
        *(scan.ctypes.data, scan.size, address(header.codes), address(components)),
        *(len(components), address(steps), *numbers, *size, address(found)),
    )
    return None if failed else np.asarray(turned(found, orientation), np.uint8)
