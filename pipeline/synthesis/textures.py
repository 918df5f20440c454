"""Random fields that scenes are made of; all float32 of shape (height, width), mean about zero."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Size = tuple[int, int]


def enlarge(field: npt.NDArray[np.floating], size: Size) -> Field:
    """Smoothly interpolate `field` to (height, width) `size`."""
    result = cv2.resize(field, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(result, dtype=np.float32)


def fractal(size: Size, roughness: float, rng: np.random.Generator, coarsest: int = 6) -> Field:
    """Sum of octaves of noise, of unit standard deviation.

    An octave's amplitude is `roughness` times that of the next coarser one: 0.5 gives clouds (the
    1/f^2 of natural images), 0.9 sand.
    """
    total = np.zeros(size, np.float32)
    amplitude = 1.0
    for octave in range(coarsest, -1, -1):
        grid = (max(2, -(-size[0] >> octave)), max(2, -(-size[1] >> octave)))
        noise = rng.random(grid, dtype=np.float32)
        noise -= 0.5
        field = noise if grid == size else enlarge(noise, size)
        field *= amplitude
        total += field
        amplitude *= roughness
    total /= max(float(total.std()), 1e-6)
    return total


def stripes(size: Size, period: float, angle: float, rng: np.random.Generator) -> Field:
    """Parallel stripes of `period` pixels in direction `angle`, their edges soft or hard."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    wave = columns * np.cos(angle) + rows * np.sin(angle)
    wave *= np.float32(2 * np.pi / period)
    wave += rng.uniform(0, 6.3)
    np.sin(wave, out=wave)
    wave *= rng.choice([1.0, 3.0, 8.0])
    return np.clip(wave, -1, 1, out=wave).astype(np.float32)


def strands(size: Size, rng: np.random.Generator, count: int, length: float) -> Field:
    """Hair, fur or grass: `count` thin curved strokes that follow a slowly turning direction."""
    canvas = np.full(size, 110, np.uint8)
    flow = enlarge(rng.standard_normal((4, 4)).astype(np.float32), size) * rng.uniform(0.2, 1.2)
    heading = rng.uniform(0, 2 * np.pi)
    starts = rng.random((count, 2)) * size
    tones = rng.integers(20, 235, count)
    lengths = length * rng.uniform(0.4, 1.6, count)
    bends = rng.normal(0, 0.3, count)
    angles = heading + flow[tuple(starts.astype(int).T)]
    steps = np.linspace(0, 1, 5)
    turns = angles[:, None] + bends[:, None] * steps
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2)
    offsets = (lengths[:, None] * steps)[:, :, None] * waves
    strokes = np.round((starts[:, None, ::-1] + offsets) * 16).astype(np.int32)
    for stroke, tone in zip(strokes, tones.tolist(), strict=True):
        cv2.polylines(canvas, [stroke], False, tone, 1, cv2.LINE_AA, shift=4)
    return np.asarray((canvas.astype(np.float32) - 110) / 60, dtype=np.float32)
