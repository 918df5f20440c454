"""Scenes with much or little detail by day: leaves, fine texture, text, buildings, few edges."""

from __future__ import annotations

import string

import cv2
import numpy as np

from pipeline.synthesis.leaves import LeafStyle, dead_leaves
from pipeline.synthesis.textures import Field, Size, fractal, strands


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
    """Hair, grass, sand or cloth all over, its strength varying slowly."""
    if rng.random() < 0.5:
        count = int(size[0] * size[1] / rng.uniform(90, 400))
        detail = strands(size, rng, count, rng.uniform(12, 60))
    else:
        detail = fractal(size, rng.uniform(0.75, 1.0), rng)
    local = np.exp(0.5 * fractal(size, 0.35, rng, coarsest=8))
    base = np.exp(rng.uniform(0.2, 0.8) * fractal(size, 0.4, rng, coarsest=8) - 1.5)
    return (base * np.exp(rng.uniform(0.1, 0.5) * local * detail)).astype(np.float32)


def few_edges(size: Size, rng: np.random.Generator) -> Field:
    """A handful of smooth shapes on a plain ground, with soft shadows."""
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
    letters = np.array(list(string.ascii_letters + string.digits + "    .,"))
    scale = rng.uniform(0.35, 2.5)
    font = int(rng.integers(0, 8))
    step = int(34 * scale * rng.uniform(0.9, 1.6))
    margin = int(rng.uniform(0, 0.2) * size[1])
    thickness = int(max(1, round(scale * rng.uniform(0.7, 2.5))))
    for row in range(step, size[0] + step, step):
        words = "".join(rng.choice(letters, int(rng.integers(5, 70))))
        cv2.putText(ink, words, (margin, row), font, scale, 255, thickness, cv2.LINE_AA)
    return np.asarray(ink.astype(np.float32) / 255, dtype=np.float32)


def text(size: Size, rng: np.random.Generator) -> Field:
    """A page, sign or screen of text in perspective, on paper with grain and shade."""
    ink = _lines_of_text(size, rng)
    height, width = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-0.12, 0.12, (4, 2)).astype(np.float32) * width
    transform = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    warped = cv2.warpPerspective(ink, transform, (width, height), flags=cv2.INTER_CUBIC)
    ink = np.clip(warped, 0, 1).astype(np.float32)
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
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = (corners + rng.uniform(-0.1, 0.1, (4, 2)) * width).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, moved)
    leaning = cv2.warpPerspective(scene, warp, (width, height), borderMode=cv2.BORDER_REFLECT)
    grain = np.exp(rng.uniform(0.01, 0.15) * fractal(size, rng.uniform(0.5, 0.9), rng))
    return np.clip(leaning * grain, 0.01, 1.5).astype(np.float32)
