"""Small pictures, files of them turned by EXIF, and a video."""

import importlib
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

RATE, SHARP = 10, (3, 18)  # of the video: frames per second, and the sharp frame of each second
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
    """Write `image`, with `segment` after a JPEG's first two bytes."""
    ok, data = cv2.imencode(path.suffix, image)
    assert ok
    path.write_bytes(data[:2].tobytes() + segment + data[2:].tobytes())
    return path


def quarters(height: int = 48, width: int = 80) -> np.ndarray:
    """Four grey levels in four quarters: every rotation or flip changes it."""
    levels = np.array([[40, 100], [170, 230]], np.uint8)
    return levels.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_dng(path: Path, bayer: np.ndarray, orientation: int) -> Path:
    """Write an uncompressed DNG of 16-bit RGGB data; Adobe's DNG specification 1.4."""
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the DNG")
    tags: dict[int, Any] = {274: orientation, 271: "Test", 272: "Test", 50708: "Test"}
    tags |= {33421: (2, 2), 33422: bytes([0, 1, 1, 2]), 50706: bytes([1, 4, 0, 0])}
    tags |= {50721: (1, 0, 0, 0, 1, 0, 0, 0, 1), 50728: (1, 1, 1)}
    directory = importlib.import_module("PIL.TiffImagePlugin").ImageFileDirectory_v2()
    directory.tagtype |= {50721: 10, 50728: 5}  # rationals, signed and not
    for tag, value in tags.items():
        directory[tag] = value
    image.fromarray(bayer).save(path, "TIFF", tiffinfo=directory)
    grey, mosaic = (struct.pack("<HHII", 262, 3, 1, value) for value in (1, 32803))
    path.write_bytes(path.read_bytes().replace(grey, mosaic))
    return path


def frame(number: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    image = cv2.GaussianBlur(noise(*size, 4), (0, 0), 1.2 if number in SHARP else 4)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def write_clip(path: Path) -> Path:
    """A video of two seconds."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (160, 120))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MJPG")
    for number in range(20):
        writer.write(frame(number))
    writer.release()
    return path
