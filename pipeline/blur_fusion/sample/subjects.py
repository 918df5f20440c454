"""Families of scenes with one subject before a smooth background."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.sample.blur import aperture, log_uniform
from blur_fusion.sample.families import buildings, clouds, few_edges, fine_texture, leaves, text
from blur_fusion.sample.textures import Field, Size, axes, enlarge, fractal, outline, strands

Floats = npt.NDArray[np.floating]

SHRINK = 4


def far_ground(size: Size, rng: np.random.Generator, lamps: int) -> Field:
    """Another scene far out of focus, with `lamps` lights as discs.

    Drawn at a quarter of the size, as it has no detail.
    """
    small = (-(-size[0] // SHRINK), -(-size[1] // SHRINK))
    scene = (leaves, fine_texture, few_edges, buildings)[int(rng.integers(4))](small, rng)
    radius = log_uniform((10, 60), rng) * size[1] / 1024 / SHRINK
    rows, columns = rng.integers(small[0], size=lamps), rng.integers(small[1], size=lamps)
    scene[rows, columns] += rng.uniform(0.1, 1.5, lamps) * np.pi * radius**2
    ground = cv2.filter2D(scene, -1, aperture(radius, rng), borderType=cv2.BORDER_REFLECT)
    return np.maximum(enlarge(np.asarray(ground, np.float32), size), 0.005)


def _plain_ground(size: Size, rng: np.random.Generator) -> Field:
    """Snow, studio paper, black cloth: one tone, slowly varying."""
    tone = rng.uniform(0.6, 0.9) if rng.random() < 0.5 else rng.uniform(0.01, 0.3)
    shade = enlarge(rng.standard_normal((3, 4)).astype(np.float32), size)
    return (tone * np.exp(rng.uniform(0, 0.2) * shade)).astype(np.float32)


def silhouette(size: Size, rng: np.random.Generator) -> Field:
    """Mask (0..1) of a body, perhaps with limbs or leaves, smooth or furry."""
    mask, extent = np.zeros(size, np.uint8), min(size)
    shapes = [outline(rng).astype(np.float32) for _ in range(7)]
    shapes.sort(key=cv2.contourArea, reverse=True)  # the largest is the body
    for part, shape in enumerate(shapes[: int(rng.integers(1, 6))]):
        reach, away = (0.45, 0.05) if part == 0 else (rng.uniform(0.1, 0.35), 0.3)
        middle = 0.5 * np.array(size[::-1]) + rng.normal(0, away * extent, 2)
        points = np.rint((shape * reach * extent + middle) * 16).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift=4)
    solid = mask.astype(np.float32) / 255
    if rng.random() < 0.4:
        soft = cv2.GaussianBlur(solid, (0, 0), rng.uniform(0.02, 0.06) * extent)
        hairs = strands(size, rng, size[0] * size[1] // 60, 0.12 * extent)
        solid = np.clip(4 * (soft + 0.25 * hairs - 0.5) + 0.5, 0, 1) * (soft > 0.02)
    return np.asarray(solid, dtype=np.float32)


def subject(size: Size, rng: np.random.Generator) -> Field:
    """A small textured subject, 2 to 10 % of the frame, before a background without detail."""
    sort = rng.random()
    if sort < 0.5:
        scene = far_ground(size, rng, int(rng.integers(0, 12)))
    else:
        scene = (clouds if sort < 0.7 else _plain_ground)(size, rng)
    # An outline fills a little less than half of its box.
    side = np.sqrt(2.3 * rng.uniform(0.02, 0.1)) * np.exp(rng.normal(0, 0.15) * np.array([1, -1]))
    tall, wide = (max(8, int(share * extent)) for share, extent in zip(side, size, strict=True))
    row, column = (int(rng.integers(a - b + 1)) for a, b in zip(size, (tall, wide), strict=True))
    makers = (leaves, leaves, fine_texture, fine_texture, buildings, text)
    texture = makers[int(rng.integers(len(makers)))]((tall, wide), rng)
    part = scene[row : row + tall, column : column + wide]
    part += silhouette((tall, wide), rng) * (texture - part)
    return scene


def _lay(scene: Field, middle: Floats, half: Floats, content: Floats) -> None:
    """Draw `content` in an upright ellipse of half axes `half` (x, y)."""
    mask = np.zeros(scene.shape, np.uint8)
    centre, reach = (tuple(np.rint(16 * v).astype(int).tolist()) for v in (middle, half))
    cv2.ellipse(mask, centre, reach, 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
    scene += (mask.astype(np.float32) / 255) * (content - scene)


def _hair(scene: Field, middle: Floats, half: Floats, rng: np.random.Generator) -> None:
    """Draw strands along the head's outline, a few of them astray."""
    tone, centre = rng.uniform(0.01, 0.3), middle.astype(int).tolist()
    for _ in range(int(rng.integers(300, 1500))):
        reach = (half * rng.uniform(0.95, 1.3 + 0.15 * rng.random() ** 4, 2)).astype(int).tolist()
        lean, start, bow = float(rng.normal(0, 6)), rng.uniform(170, 350), rng.uniform(15, 60)
        level = float(tone * np.exp(rng.normal(0, 0.5)))
        cv2.ellipse(scene, centre, reach, lean, start, start + bow, level, 1)


def _features(skin: Floats, middle: Floats, half: Floats, tone: float) -> None:
    """Draw eyes, brows and mouth."""

    def draw(x: float, y: float, a: float, b: float, level: float) -> None:
        centre = np.rint(middle + half * [x, y]).astype(int).tolist()
        reach = np.ceil(half[0] * np.array([a, b])).astype(int).tolist()
        cv2.ellipse(skin, centre, reach, 0, 0, 360, level, -1)

    for side in (-0.42, 0.42):
        draw(side, -0.38, 0.26, 0.04, 0.15 * tone)
        draw(side, -0.15, 0.19, 0.09, 1.3 * tone)
        draw(side, -0.15, 0.09, 0.09, 0.05 * tone)
        draw(side + 0.03, -0.17, 0.02, 0.02, 1.0)
    draw(0, 0.55, 0.35, 0.09, 0.5 * tone)
    draw(0, 0.55, 0.33, 0.01, 0.1 * tone)


def portrait(size: Size, rng: np.random.Generator) -> Field:
    """A head, perhaps with shoulders: smooth skin before discs of light, little in focus."""
    scene = far_ground(size, rng, int(rng.integers(0, 50)))
    reach = rng.uniform(0.15, 0.42) * size[0]
    half = np.array([reach * rng.uniform(0.65, 0.85), reach], np.float32)
    middle = (rng.uniform(0.3, 0.7, 2) * size[::-1]).astype(np.float32)
    tone, slope = float(rng.uniform(0.12, 0.6)), rng.uniform(-0.5, 0.5)
    pores = rng.uniform(0.005, 0.04) * fractal(size, 0.9, rng)
    skin = tone * np.exp(slope * axes(size)[1] + pores)
    cloth = rng.uniform(0.03, 0.6) * np.exp(rng.uniform(0.02, 0.25) * fractal(size, 0.8, rng))
    _lay(scene, middle + half * [0, 2.3], half * [2.3, 1.2], cloth)
    _features(skin, middle, half, tone)
    _lay(scene, middle + half * [0, 1], half * [0.5, 0.6], 0.8 * skin)
    _lay(scene, middle, half, skin)
    _hair(scene, middle, half, rng)
    return scene.astype(np.float32)
