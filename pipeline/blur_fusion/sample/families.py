"""Families of scenes, all in focus."""

from __future__ import annotations

import string

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.sample.blur import log_uniform
from blur_fusion.sample.textures import (
    Field,
    LeafStyle,
    Size,
    axes,
    dead_leaves,
    fractal,
    strands,
)

Corners = npt.NDArray[np.float32]

LETTERS = np.array(list(string.ascii_letters + string.digits + "    .,"))


def leaves(size: Size, rng: np.random.Generator) -> Field:
    """Dead leaves of varied size law, tone and texture."""
    style = LeafStyle(
        count=int(rng.integers(250, 1400)),
        smallest=rng.uniform(2, 8),
        largest=rng.uniform(0.12, 0.4) * size[1],
        exponent=rng.uniform(2.2, 3.1),
        tone=rng.uniform(0.3, 1.0),
        texture=rng.uniform(0.1, 0.7),
    )
    return dead_leaves(size, style, rng)


def fine_texture(size: Size, rng: np.random.Generator) -> Field:
    """Hair, grass, sand or cloth all over, of slowly varying strength."""
    if rng.random() < 0.5:
        count = int(size[0] * size[1] / rng.uniform(90, 400))
        detail = strands(size, rng, count, rng.uniform(12, 60))
    else:
        detail = fractal(size, rng.uniform(0.75, 1.0), rng)
    local = np.exp(0.5 * fractal(size, 0.35, rng, coarsest=8))
    base = np.exp(rng.uniform(0.2, 0.8) * fractal(size, 0.4, rng, coarsest=8) - 1.5)
    return (base * np.exp(rng.uniform(0.1, 0.5) * local * detail)).astype(np.float32)


def few_edges(size: Size, rng: np.random.Generator) -> Field:
    """A handful of smooth shapes on a plain background, with soft shadows."""
    style = LeafStyle(
        count=int(rng.integers(4, 18)),
        smallest=0.03 * size[1],
        largest=0.3 * size[1],
        exponent=1.5,
        tone=rng.uniform(0.2, 0.8),
        texture=rng.uniform(0, 0.06),
    )
    scene = dead_leaves(size, style, rng)
    shadow = cv2.GaussianBlur(dead_leaves(size, style, rng), (0, 0), 0.03 * size[1])
    return (scene * (0.4 + 0.6 * shadow / shadow.max())).astype(np.float32)


def _lines_of_text(size: Size, rng: np.random.Generator) -> Field:
    """Ink coverage (0..1) of lines of random letters."""
    ink = np.zeros(size, np.uint8)
    scale = rng.uniform(0.35, 2.5)
    font = int(rng.integers(0, 8))
    step = int(34 * scale * rng.uniform(0.9, 1.6))
    margin = int(rng.uniform(0, 0.2) * size[1])
    thickness = int(max(1, round(scale * rng.uniform(0.7, 2.5))))
    for row in range(step, size[0] + step, step):
        words = "".join(rng.choice(LETTERS, int(rng.integers(5, 70))))
        cv2.putText(ink, words, (margin, row), font, scale, 255, thickness, cv2.LINE_AA)
    return np.asarray(ink.astype(np.float32) / 255, dtype=np.float32)


def _warped(picture: Field, moved: Corners, flags: int, border: int) -> Field:
    """Warp `picture` in perspective, with its corners at `moved` (4, 2)."""
    warp, size = cv2.getPerspectiveTransform(_corners(picture.shape), moved), picture.shape[::-1]
    return np.asarray(cv2.warpPerspective(picture, warp, size, flags=flags, borderMode=border))


def _corners(shape: tuple[int, ...]) -> Corners:
    height, width = shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def text(size: Size, rng: np.random.Generator) -> Field:
    """A page, sign or screen of text in perspective, on paper with grain and shade."""
    ink = _lines_of_text(size, rng)
    moved = _corners(size) + rng.uniform(-0.12, 0.12, (4, 2)).astype(np.float32) * size[1]
    ink = np.clip(_warped(ink, moved, cv2.INTER_CUBIC, cv2.BORDER_CONSTANT), 0, 1)
    paper, black = rng.uniform(0.3, 0.9), rng.uniform(0.02, 0.25)
    if rng.random() < 0.3:
        paper, black = black, paper
    shade = np.exp(0.2 * fractal(size, 0.35, rng, coarsest=9))
    grain = np.exp(rng.uniform(0, 0.05) * fractal(size, 0.9, rng))
    return ((paper + (black - paper) * ink) * shade * grain).astype(np.float32)


def buildings(size: Size, rng: np.random.Generator) -> Field:
    """Facades: grids of windows, bricks and pipes in perspective, before a plain sky."""
    height, width = size
    scene = np.full(size, rng.uniform(0.3, 0.9), np.float32)
    for _ in range(int(rng.integers(2, 7))):
        left = int(rng.uniform(-0.2, 0.9) * width)
        top = int(rng.uniform(0, 0.6) * height)
        right = left + int(rng.uniform(0.15, 0.6) * width)
        wall = float(rng.uniform(0.05, 0.6))
        cv2.rectangle(scene, (left, top), (right, height), wall, -1)
        across, down = (int(v) for v in rng.uniform(0.012, 0.08, 2) * width)
        pane = (int(across * rng.uniform(0.3, 0.9)), int(down * rng.uniform(0.3, 0.9)))
        shade = rng.uniform(0.02, 1.0, 2)
        for row in range(top + 6, height, max(5, down)):
            for column in range(left + 4, right - pane[0], max(5, across)):
                tone = float(shade[int(rng.random() < 0.2)])
                corner = (column + pane[0], row + pane[1])
                cv2.rectangle(scene, (column, row), corner, tone, -1)
    moved = (_corners(size) + rng.uniform(-0.1, 0.1, (4, 2)) * width).astype(np.float32)
    leaning = _warped(scene, moved, cv2.INTER_LINEAR, cv2.BORDER_REFLECT)
    grain = np.exp(rng.uniform(0.01, 0.15) * fractal(size, rng.uniform(0.5, 0.9), rng))
    return np.clip(leaning * grain, 0.01, 1.5).astype(np.float32)


def _lamps(size: Size, rng: np.random.Generator) -> Field:
    """Points, lit windows and letters, up to two hundred times as bright as white."""
    height, width = size
    light, signs = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    for _ in range(int(rng.integers(4, 90))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        power, sort = float(np.exp(rng.uniform(-0.5, 5.3))), rng.random()
        if sort < 0.6:
            cv2.circle(light, centre, int(rng.integers(0, 4)), power, -1)
        elif sort < 0.93:
            reach = rng.integers(2, int(0.04 * width) + 3, 2)
            corner = (centre[0] + int(reach[0]), centre[1] + int(reach[1]))
            cv2.rectangle(light, centre, corner, min(power, 4.0), -1)
        else:
            word, font = "".join(rng.choice(LETTERS, 6)), int(rng.integers(8))
            scale = float(rng.uniform(0.4, 1.8))
            tone = int(min(255, 60 * power))
            cv2.putText(signs, word, centre, font, scale, tone, int(scale) + 1, cv2.LINE_AA)
    light += signs.astype(np.float32) / 60
    glow = cv2.GaussianBlur(light, (0, 0), 0.012 * width)
    return (light + rng.uniform(0.005, 0.1) * glow).astype(np.float32)


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


def clouds(size: Size, rng: np.random.Generator) -> Field:
    """Smooth sky, brighter in some direction, with or without soft clouds."""
    brightness, (rows, columns), tilt = rng.uniform(0.15, 0.9), axes(size), rng.normal(0, 0.4)
    ramp = np.clip(0.5 + 0.5 * (rows + tilt * columns) / (1 + abs(tilt)), 0, 1).astype(np.float32)
    ramp = brightness * (0.55 + 0.45 * ramp)
    if rng.random() < 0.6:
        cloud = cv2.GaussianBlur(fractal(size, 0.5, rng, coarsest=8), (0, 0), rng.uniform(3, 12))
        ramp = ramp * np.exp(rng.uniform(0.05, 0.4) * cloud)
    return ramp.astype(np.float32)


def sky(size: Size, rng: np.random.Generator) -> Field:
    """Mostly empty sky or sea, with a strip of land, or wires, birds and masts."""
    scene = clouds(size, rng)
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
    """Any scene under a veil of light, at low contrast, down to a few grey levels."""
    make = (leaves, buildings, fine_texture)[int(rng.integers(3))]
    veil, scene = rng.uniform(0.2, 0.9), make(size, rng)
    contrast = log_uniform((0.03, 0.5), rng) / max(float(scene.std()), 1e-3)
    return (veil * (1 + contrast * scene)).astype(np.float32)


def moon(size: Size, rng: np.random.Generator) -> Field:
    """A small textured thing on black: moon, stage, fireworks, lit statue."""
    scene = np.full(size, 0.002, np.float32)
    texture = 0.5 * np.exp(0.4 * fractal(size, rng.uniform(0.5, 0.9), rng))
    mask = np.zeros(size, np.uint8)
    radius = int(rng.uniform(0.04, 0.3) * size[0])
    centre = tuple(int(v) for v in rng.uniform(0.25, 0.75, 2) * (size[1], size[0]))
    axes = (radius, max(2, int(radius * rng.uniform(0.4, 1))))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return np.where(mask > 0, texture, scene).astype(np.float32)
