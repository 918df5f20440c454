"""Random fields and dead leaves, of which scenes are made."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Size = tuple[int, int]


def enlarge(field: npt.NDArray[np.floating], size: Size) -> Field:
    """Interpolate `field` bicubically to `size`."""
    result = cv2.resize(field, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(result, dtype=np.float32)


def axes(size: Size) -> tuple[Field, Field]:
    """Coordinates of rows (h, 1) and columns (1, w), each from -1 to 1."""
    rows, columns = (np.linspace(-1, 1, extent, dtype=np.float32) for extent in size)
    return rows[:, None], columns[None, :]


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
    """Parallel stripes of `period` pixels in direction `angle`, with soft or hard edges."""
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


Outline = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeafStyle:
    """Number of leaves, power law of their radii in pixels, spread of tone, texture."""

    count: int = 900
    smallest: float = 3.0
    largest: float = 260.0
    exponent: float = 2.6
    tone: float = 0.8
    texture: float = 0.3


def _radii(style: LeafStyle, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw radii from the power law r^-exponent by inverse sampling."""
    power = 1 - style.exponent
    low, high = style.smallest**power, style.largest**power
    return np.asarray((low + rng.random(style.count) * (high - low)) ** (1 / power))


def outline(rng: np.random.Generator) -> Outline:
    """One shape of about unit radius: ellipse, polygon, bar or blob."""
    sort = rng.integers(4)
    corners = 24 if sort in (0, 3) else int(rng.integers(3, 7))
    turn = np.sort(rng.random(corners)) if sort == 1 else np.arange(corners) / corners
    reach = np.ones(corners)
    if sort == 3:
        reach += 0.25 * np.sin(2 * np.pi * turn * rng.integers(2, 6) + rng.uniform(0, 6))
    shape = np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], axis=1) * reach[:, None]
    shape *= [1.0, rng.uniform(0.08, 0.4) if sort == 2 else rng.uniform(0.4, 1.0)]
    angle = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(shape @ rotation)


def leaf_map(size: Size, style: LeafStyle, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """The number (1..count) of the topmost leaf at each pixel, or 0."""
    owner = np.zeros(size, np.int32)
    outlines = [outline(rng) for _ in range(32)]
    radii = _radii(style, rng)
    centres = rng.random((style.count, 2)) * (size[1], size[0])
    picks = rng.integers(len(outlines), size=style.count)
    for number, (radius, centre, pick) in enumerate(zip(radii, centres, picks, strict=True), 1):
        points = np.rint((outlines[pick] * radius + centre) * 16).astype(np.int32)
        cv2.fillPoly(owner, [points], number, shift=4)
    return owner


def dead_leaves(size: Size, style: LeafStyle, rng: np.random.Generator) -> Field:
    """Render textured dead leaves: linear reflectance, about 0.02 to 1."""
    owner = leaf_map(size, style, rng).astype(np.intp)  # makes look-ups fast
    count = style.count + 1
    tone = np.exp(rng.normal(-1.4, style.tone, count)).astype(np.float32)
    strength = (rng.random(count) ** 2 * 2 * style.texture).astype(np.float32)
    sort = rng.integers(3, size=count).astype(np.uint8)
    fields = [
        fractal(size, rng.uniform(0.5, 0.95), rng),
        fractal(size, rng.uniform(0.35, 0.6), rng),
        stripes(size, rng.uniform(3, 18), rng.uniform(0, np.pi), rng),
    ]
    texture, which = fields[0], sort[owner]
    for number, field in enumerate(fields[1:], 1):
        np.copyto(texture, field, where=which == number)
    rows, columns = axes(size)
    slope = rng.normal(0, 0.35, (2, count)).astype(np.float32)
    shade = slope[0][owner] * rows
    shade += slope[1][owner] * columns
    texture *= strength[owner]
    texture += shade
    result = np.exp(texture, out=texture)
    result *= tone[owner]
    return np.clip(result, 0.01, 1.2, out=result)
