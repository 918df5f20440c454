"""Hard sharp scenes, the ones that simple detectors call blurred: night, snow, sky, fog."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.synthesis.leaves import LeafStyle, dead_leaves
from pipeline.synthesis.plain import buildings, fine_texture, leaves
from pipeline.synthesis.textures import Field, Size, fractal


def _smooth_ramp(size: Size, rng: np.random.Generator) -> Field:
    """A linear brightness ramp in a random direction, 0..1."""
    rows = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, size[1], dtype=np.float32)[None, :]
    tilt = rng.normal(0, 0.4)
    return np.clip(0.5 + 0.5 * (rows + tilt * columns) / (1 + abs(tilt)), 0, 1).astype(np.float32)


def _lamps(size: Size, rng: np.random.Generator) -> Field:
    """Points, signs and lit windows, up to a hundred times as bright as white."""
    height, width = size
    light = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(4, 90))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        power = float(np.exp(rng.uniform(-1, 4.6)))
        if rng.random() < 0.7:
            cv2.circle(light, centre, int(rng.integers(0, 5)), power, -1)
        else:
            reach = rng.integers(2, int(0.04 * width) + 3, 2)
            corner = (centre[0] + int(reach[0]), centre[1] + int(reach[1]))
            cv2.rectangle(light, centre, corner, min(power, 3.0), -1)
    glow = cv2.GaussianBlur(light, (0, 0), 0.012 * width)
    return (light + rng.uniform(0.01, 0.15) * glow).astype(np.float32)


def night(size: Size, rng: np.random.Generator) -> Field:
    """A dark scene with lamps far above white; camera shake turns them into streaks."""
    make = buildings if rng.random() < 0.5 else leaves
    ambient = make(size, rng) * np.exp(rng.uniform(-4.5, -1.5))
    return (ambient + _lamps(size, rng)).astype(np.float32)


def snow(size: Size, rng: np.random.Generator) -> Field:
    """Bright ground with faint grain and a few dark things on it."""
    ground = 0.8 * np.exp(rng.uniform(0.02, 0.12) * fractal(size, rng.uniform(0.4, 0.8), rng))
    style = LeafStyle(
        count=int(rng.integers(10, 250)),
        smallest=2,
        largest=rng.uniform(0.03, 0.2) * size[1],
        exponent=2.0,
        tone=0.7,
        texture=rng.uniform(0.1, 0.5),
    )
    things = dead_leaves(size, style, rng)
    from_row = int(rng.uniform(-0.1, 0.6) * size[0])
    background = cv2.GaussianBlur(things, (0, 0), 40)
    covered = np.abs(things - background) > 0.3 * background
    covered[: max(0, from_row)] = False
    return np.where(covered, things, ground).astype(np.float32)


def _clouds(size: Size, rng: np.random.Generator) -> Field:
    """Smooth sky, with or without soft clouds."""
    ramp = rng.uniform(0.15, 0.9) * (0.55 + 0.45 * _smooth_ramp(size, rng))
    if rng.random() < 0.6:
        cloud = cv2.GaussianBlur(fractal(size, 0.5, rng, coarsest=8), (0, 0), rng.uniform(3, 12))
        ramp = ramp * np.exp(rng.uniform(0.05, 0.4) * cloud)
    return ramp.astype(np.float32)


def sky(size: Size, rng: np.random.Generator) -> Field:
    """Mostly empty sky or sea: a strip of land, or wires, birds and masts, are all the detail."""
    scene = _clouds(size, rng)
    height, width = size
    with_land = rng.random() < 0.65
    if with_land:
        horizon = height * (1 - rng.uniform(0.03, 0.35))
        ridge = fractal((1, width), 0.5, rng, coarsest=8)[0] * rng.uniform(1, 0.03 * height)
        land = np.arange(height)[:, None] > (horizon + ridge)[None, :]
        make = buildings if rng.random() < 0.3 else leaves
        ground = make(size, rng) * rng.uniform(0.05, 0.9)
        scene = np.where(land, ground, scene)
    for _ in range(int(rng.integers(0 if with_land else 2, 7))):
        ends = (rng.random((2, 2)) * [width, height]).astype(int)
        tone = float(rng.uniform(0.01, 0.1))
        thickness = int(rng.integers(1, 4))
        first, second = tuple(map(int, ends[0])), tuple(map(int, ends[1]))
        cv2.line(scene, first, second, tone, thickness)
    for _ in range(int(rng.integers(0, 10))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(1, 12)), int(rng.integers(1, 4)))
        cv2.ellipse(scene, centre, axes, float(rng.uniform(0, 180)), 0, 360, 0.03, -1)
    return np.asarray(scene, dtype=np.float32)


def fog(size: Size, rng: np.random.Generator) -> Field:
    """Any scene at a fraction of its contrast, under a veil of light."""
    make = (leaves, buildings, fine_texture)[int(rng.integers(3))]
    veil = rng.uniform(0.2, 0.7)
    return (veil + rng.uniform(0.12, 0.6) * make(size, rng)).astype(np.float32)


def moon(size: Size, rng: np.random.Generator) -> Field:
    """One small textured thing before black: moon, stage, fireworks' core, lit statue."""
    scene = np.full(size, 0.002, np.float32)
    texture = 0.5 * np.exp(0.4 * fractal(size, rng.uniform(0.5, 0.9), rng))
    mask = np.zeros(size, np.uint8)
    radius = int(rng.uniform(0.04, 0.3) * size[0])
    centre = tuple(int(v) for v in rng.uniform(0.25, 0.75, 2) * (size[1], size[0]))
    axes = (radius, max(2, int(radius * rng.uniform(0.4, 1))))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return np.where(mask > 0, texture, scene).astype(np.float32)
