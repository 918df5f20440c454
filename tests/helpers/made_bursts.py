"""Synthetic photos of one scene: noise, shake, other focus, exposure and framing."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from blur_fusion.bursts.capture import read_capture
from blur_fusion.bursts.find import Burst, judge
from blur_fusion.bursts.groups import Shot

Plane = np.ndarray
START = datetime(2024, 5, 6, 7, 8, 9)


def scene(height: int = 360, width: int = 540, seed: int = 0) -> Plane:
    """Rectangles of all sizes with texture everywhere; float32 grey levels."""
    rng = np.random.default_rng(seed)
    plane = np.full((height, width), 128, np.float32)
    for side in (90, 40, 18, 8):
        number = 2 * height * width // side**2
        ys, xs = (rng.integers(-side, extent, number) for extent in (height, width))
        sizes = rng.integers(side // 2, side, (number, 2))
        levels = np.clip(rng.normal(128, 45, number), 35, 220)
        for y, x, (tall, wide), level in zip(ys, xs, sizes, levels, strict=True):
            ends = (int(x), int(y)), (int(x + wide), int(y + tall))
            cv2.rectangle(plane, *ends, float(level), -1)
    grain = cv2.GaussianBlur(rng.normal(0, 14, plane.shape).astype(np.float32), (0, 0), 0.8)
    return plane + grain


def soft(plane: Plane, sigma: float) -> Plane:
    return cv2.GaussianBlur(plane, (0, 0), sigma) if sigma else plane


def exposed(plane: Plane, noise: float = 2.0, seed: int = 0, gain: float = 1.0) -> Plane:
    """As a camera records it, in 8 bits."""
    noisy = plane * gain + np.random.default_rng(seed).normal(0, noise, plane.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def moved(plane: Plane, right: int, down: int, margin: int) -> Plane:
    """A crop of the scene, as a moving camera sees it."""
    height, width = plane.shape
    return plane[down : height - margin + down, right : width - margin + right]


def stack(plane: Plane, number: int) -> list[Plane]:
    """Focus moves from the left edge to the right; the rest is softer with distance."""
    width, sigmas = plane.shape[1], np.array([0, 1, 2, 3, 5, 8])
    layers = np.array([soft(plane, sigma) for sigma in sigmas])
    found = []
    for focus in np.linspace(0, 1, number):
        place = np.interp(10 * np.abs(np.linspace(0, 1, width) - focus), sigmas, range(6))
        below = np.minimum(place.astype(int), 4)
        share, columns = place - below, np.arange(width)
        mixed = layers[below, :, columns].T * (1 - share)
        found.append(mixed + layers[below + 1, :, columns].T * share)
    return found


def rank_photos(paths: Iterable[Path]) -> Burst:
    """Of photos that show one scene, in the order they were taken."""
    return judge([Shot((str(path),), read_capture(str(path))) for path in paths])


def exif(seconds: float | None = None, **more: object) -> Image.Exif:
    """A header; `more` are exposure (s), bias, mode, camera, digits (of the second), offset."""
    block = Image.Exif()
    tags = block.get_ifd(0x8769)
    if seconds is not None:
        time = START + timedelta(seconds=seconds)
        tags[0x9003] = time.strftime("%Y:%m:%d %H:%M:%S")
        tags[0x9291] = str(more.get("digits", f"{time.microsecond // 10_000:02d}"))
    names = {"exposure": 0x829A, "iso": 0x8827, "aperture": 0x829D, "bias": 0x9204, "mode": 0xA402}
    for name, tag in {**names, "offset": 0x9011, "serial": 0xA431}.items():
        if name in more:
            value = more[name]
            if isinstance(value, float):
                value = IFDRational(Fraction(value).limit_denominator(4000))
            tags[tag] = value
    if "camera" in more:
        block[0x0110] = more["camera"]
    return block


def write(
    folder: Path, planes: Iterable[Plane], headers: Sequence[Image.Exif] = (), first: int = 1
) -> list[Path]:
    """JPEGs of 8-bit planes, numbered as by a camera."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, plane in enumerate(planes):
        path = folder / f"IMG_{first + number:04d}.jpg"
        header = {"exif": headers[number]} if number < len(headers) else {}
        Image.fromarray(plane).save(path, quality=95, **header)
        paths.append(path)
    return paths
