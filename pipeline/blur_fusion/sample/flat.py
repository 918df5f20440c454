"""Families of scenes with little detail, or lines alone: stripes, screens, empty pictures."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.sample.blur import log_uniform
from blur_fusion.sample.families import LETTERS, clouds, leaves
from blur_fusion.sample.textures import Field, LeafStyle, Size, axes, enlarge, fractal, leaf_map

Canvas = npt.NDArray[np.uint8]


def _courses(size: Size, rng: np.random.Generator) -> tuple[Field, Field, float]:
    """Coordinates across and along lines in perspective, in periods; the period in pixels."""
    period = log_uniform((4, 60), rng) * max(1.0, size[1] / 1024)
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.06)
    (rows, columns), lean = axes(size), rng.uniform(-0.4, 0.4, 2)
    depth = period * (1 + lean[0] * rows + lean[1] * columns)
    down, right = 0.5 * size[0] * rows, 0.5 * size[1] * columns
    across = (np.cos(angle) * down + np.sin(angle) * right) / depth + 1000
    along = (np.cos(angle) * right - np.sin(angle) * down) / depth + 1000
    return across.astype(np.float32), along.astype(np.float32), period


def _profile(size: Size, rng: np.random.Generator) -> Field:
    """Bars, slats, cords or bricks (0..1), with edges that show sharpness."""
    across, along, period = _courses(size, rng)
    phase, sort = across % 1, int(rng.integers(4))
    if sort == 0:
        ridge = np.abs(phase - 0.5) - rng.uniform(0.1, 0.4)
        return np.clip(ridge * period + 0.5, 0, 1).astype(np.float32)
    if sort == 1:
        return np.asarray(phase ** rng.uniform(0.3, 2), dtype=np.float32)
    if sort == 2:
        return np.sin(np.pi * phase).astype(np.float32)
    brick = (along / rng.uniform(2, 3.5) + 0.5 * (np.floor(across) % 2)) % 1
    mortar = np.minimum(1 - np.abs(2 * phase - 1), 3 * (1 - np.abs(2 * brick - 1)))
    return np.clip((mortar - 0.15) * period / 2, 0, 1).astype(np.float32)


def stripes(size: Size, rng: np.random.Generator) -> Field:
    """Blinds, corduroy, a fence or bricks all over, perhaps with things in front."""
    low, high = rng.uniform(0.02, 0.3), rng.uniform(0.35, 0.9)
    shade = np.exp(rng.uniform(0.05, 0.4) * fractal(size, 0.35, rng, coarsest=9))
    grain = np.exp(rng.uniform(0.01, 0.12) * fractal(size, 0.9, rng))
    scene = (low + (high - low) * _profile(size, rng)) * shade * grain
    if rng.random() < 0.3:
        style = LeafStyle(int(rng.integers(1, 7)), 0.03 * size[1], 0.2 * size[1], 1.5)
        scene = np.where(leaf_map(size, style, rng) > 0, leaves(size, rng), scene)
    return np.asarray(scene, dtype=np.float32)


def _paragraph(part: Canvas, ink: int, rng: np.random.Generator) -> None:
    scale = float(rng.uniform(0.3, 0.6)) * max(1.0, round(part.shape[1] / 400))
    step, indent = int(32 * scale), int(rng.integers(4, 20))
    for row in range(step, int(part.shape[0] * rng.uniform(0.3, 1)), step):
        room = (part.shape[1] - indent) / (19 * scale)
        words = "".join(rng.choice(LETTERS, int(room * rng.uniform(0.2, 1))))
        cv2.putText(part, words, (indent, row), 0, scale, ink, max(1, int(scale)), cv2.LINE_AA)


def _chart(part: Canvas, ink: int, rng: np.random.Generator) -> None:
    height, width = part.shape
    for level in np.linspace(0, height, int(rng.integers(3, 8)), dtype=int).tolist():
        cv2.line(part, (0, level), (width, level), (ink + int(part[0, 0])) // 2, 1)
    across = np.linspace(0, width, int(rng.integers(5, 60)))
    for _ in range(int(rng.integers(1, 4))):
        values = height * (0.5 + 0.15 * np.cumsum(rng.normal(0, 0.4, len(across))))
        points = np.stack([across, values], axis=1).astype(np.int32)
        cv2.polylines(part, [points], False, int(rng.integers(256)), 1, cv2.LINE_AA)


def _bars(part: Canvas, ink: int, rng: np.random.Generator) -> None:
    edges = np.linspace(0, part.shape[1], 2 * int(rng.integers(3, 15)), dtype=int).tolist()
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        part[int(part.shape[0] * rng.uniform(0.05, 0.95)) :, left:right] = ink


def _list(part: Canvas, ink: int, rng: np.random.Generator) -> None:
    step = int(rng.integers(14, 50))
    for row in range(step, part.shape[0], step):
        part[row : row + 1] = (ink + int(part[0, 0])) // 2
        word = "".join(rng.choice(LETTERS, int(rng.integers(3, 20))))
        cv2.putText(part, word, (4, row - 4), 0, 0.4, ink, 1, cv2.LINE_AA)


def _nothing(part: Canvas, ink: int, rng: np.random.Generator) -> None:
    """Leave a panel empty."""


Panel = Callable[[Canvas, int, np.random.Generator], None]
PANELS: tuple[Panel, ...] = (_paragraph, _paragraph, _chart, _bars, _list, _list, _nothing)


def screen(size: Size, rng: np.random.Generator) -> Field:
    """A page or an interface: flat panels with small text, lines and charts, or nothing."""
    light, dark = int(rng.integers(215, 256)), int(rng.integers(5, 60))
    paper, ink = (light, dark) if rng.random() < 0.65 else (dark, light)
    canvas = np.full(size, paper, np.uint8)
    cuts = [
        np.unique([0, *(extent * rng.random(int(rng.integers(0, 4)))).astype(int), extent])
        for extent in size
    ]
    for top, bottom in zip(cuts[0][:-1], cuts[0][1:], strict=True):
        for left, right in zip(cuts[1][:-1], cuts[1][1:], strict=True):
            part = canvas[top:bottom, left:right]
            part[:] = np.clip(paper + int(rng.choice([0, 0, -30, 20])), 0, 255)
            part[:1], part[:, :1] = (paper + ink) // 2, (paper + ink) // 2
            inner = part[6:-6, 6:-6]
            if min(inner.shape) > 8:
                PANELS[int(rng.integers(len(PANELS)))](inner, ink, rng)
    return ((canvas.astype(np.float32) / 255) ** 2.2).astype(np.float32)


def empty(size: Size, rng: np.random.Generator) -> Field:
    """A wall, clear sky or fogged lens: no evidence of focus, sharp or blurred."""
    if rng.random() < 0.3:
        return clouds(size, rng)
    patches = enlarge(rng.standard_normal((4, 5)).astype(np.float32), size)
    return (rng.uniform(0.1, 0.8) * np.exp(rng.uniform(0.02, 0.5) * patches)).astype(np.float32)
