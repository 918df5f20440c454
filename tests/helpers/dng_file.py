"""A small RAW file, written without a camera."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def write_dng(path: Path, bayer: np.ndarray, orientation: int = 1) -> Path:
    """Write an uncompressed DNG of 16-bit RGGB data; Adobe's DNG specification 1.4."""
    height, width = bayer.shape
    identity = b"".join(struct.pack("<ii", value, 1) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    entries: list[tuple[int, int, int, bytes]] = [
        (254, 4, 1, struct.pack("<I", 0)),
        (256, 4, 1, struct.pack("<I", width)),
        (257, 4, 1, struct.pack("<I", height)),
        (258, 3, 1, struct.pack("<H", 16)),
        (259, 3, 1, struct.pack("<H", 1)),
        (262, 3, 1, struct.pack("<H", 32803)),
        (271, 2, 5, b"Test\0"),
        (272, 2, 5, b"Test\0"),
        (273, 4, 1, b"DATA"),
        (274, 3, 1, struct.pack("<H", orientation)),
        (277, 3, 1, struct.pack("<H", 1)),
        (278, 4, 1, struct.pack("<I", height)),
        (279, 4, 1, struct.pack("<I", bayer.nbytes)),
        (33421, 3, 2, struct.pack("<HH", 2, 2)),
        (33422, 1, 4, bytes([0, 1, 1, 2])),
        (50706, 1, 4, bytes([1, 4, 0, 0])),
        (50708, 2, 5, b"Test\0"),
        (50721, 10, 9, identity),
        (50728, 5, 3, struct.pack("<IIIIII", 1, 1, 1, 1, 1, 1)),
    ]
    extra_at = 8 + 2 + 12 * len(entries) + 4
    data_at = extra_at + sum(len(body) + len(body) % 2 for *_, body in entries if len(body) > 4)
    table, extra = b"", b""
    for tag, kind, count, body in entries:
        if body == b"DATA":
            body = struct.pack("<I", data_at)
        if len(body) > 4:
            value = struct.pack("<I", extra_at + len(extra))
            extra += body + b"\0" * (len(body) % 2)
        else:
            value = body.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + value
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    path.write_bytes(head + table + struct.pack("<I", 0) + extra + bayer.tobytes())
    return path
