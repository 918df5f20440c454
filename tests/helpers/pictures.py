"""Small pictures, and files of them turned by EXIF."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

# What each EXIF orientation asks of a viewer, as turns and flips of the stored array.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: np.rot90(stored, 1),
}


def exif(orientation: int, order: str) -> bytes:
    """An APP1 segment that holds one tag, 0x0112; byte order "<" (II) or ">" (MM)."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(f"{order}HIH", 42, 8, 1) + entry + struct.pack(f"{order}I", 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def save(path: Path, image: np.ndarray, segment: bytes = b"") -> Path:
    ok, data = cv2.imencode(path.suffix, image)
    assert ok
    raw = data.tobytes()
    path.write_bytes(raw[:2] + segment + raw[2:])
    return path


def quarters(height: int = 48, width: int = 80) -> np.ndarray:
    """Four grey levels in four quarters: no turn or flip leaves it as it was."""
    image = np.zeros((height, width), np.uint8)
    image[: height // 2, : width // 2] = 40
    image[: height // 2, width // 2 :] = 100
    image[height // 2 :, : width // 2] = 170
    image[height // 2 :, width // 2 :] = 230
    return image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
