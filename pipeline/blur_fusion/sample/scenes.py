"""How often each family of scenes comes, and what is in focus; `render_scene` draws one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from blur_fusion.sample.blur import disk, polygon
from blur_fusion.sample.families import (
    buildings,
    few_edges,
    fine_texture,
    fog,
    leaves,
    moon,
    night,
    sky,
    snow,
    text,
)
from blur_fusion.sample.photographs import photograph
from blur_fusion.sample.textures import Field, Size, fractal

Family = Callable[[Size, np.random.Generator], Field]

FAMILIES: dict[str, tuple[Family, float]] = {
    "leaves": (leaves, 0.28),
    "fine_texture": (fine_texture, 0.10),
    "few_edges": (few_edges, 0.06),
    "text": (text, 0.08),
    "buildings": (buildings, 0.10),
    "night": (night, 0.10),
    "snow": (snow, 0.06),
    "sky": (sky, 0.09),
    "fog": (fog, 0.06),
    "moon": (moon, 0.03),
}
SHALLOW_SHARE = 0.3
MIXED_SHARE = 0.25


def subject_mask(size: Size, rng: np.random.Generator) -> Field:
    """Where the subject stands (0..1): a blob near the middle, or a band of ground in focus."""
    height, width = size
    if rng.random() < 0.25:
        middle, half = rng.uniform(0.35, 0.8) * height, rng.uniform(0.04, 0.2) * height
        distance = np.abs(np.arange(height, dtype=np.float32)[:, None] - middle)
        band = np.clip(1.5 - distance / half, 0, 1)
        return np.asarray(np.broadcast_to(band, size), dtype=np.float32)
    centre = rng.uniform(0.25, 0.75, 2) * (width, height)
    reach = rng.uniform(0.1, 0.34, 2) * (width, height)
    columns = (np.arange(width, dtype=np.float32)[None, :] - centre[0]) / reach[0]
    rows = (np.arange(height, dtype=np.float32)[:, None] - centre[1]) / reach[1]
    wobble = 0.25 * fractal(size, 0.4, rng, coarsest=8)
    return (np.hypot(columns, rows) + wobble < 1).astype(np.float32)


def shallow_focus(scene: Field, rng: np.random.Generator) -> Field:
    """The subject sharp, all else far out of focus: sharp to the eye, blurred by area."""
    mask = subject_mask(scene.shape[:2], rng)
    radius = np.exp(rng.uniform(np.log(3), np.log(24))) * scene.shape[1] / 1024
    blades = int(rng.integers(5, 9))
    kernel = disk(radius) if rng.random() < 0.5 else polygon(radius, blades, rng.uniform(0, 6))
    # The background alone is blurred, so that the subject does not bleed into it.
    ground = cv2.filter2D(scene * (1 - mask), -1, kernel)
    weight = cv2.filter2D(1 - mask, -1, kernel)
    background = np.where(weight > 0.02, ground / np.maximum(weight, 0.02), scene)
    return (mask * scene + (1 - mask) * background).astype(np.float32)


def render_scene(size: Size, rng: np.random.Generator, photo: str = "") -> tuple[str, list[Field]]:
    """Draw one scene of (height, width) `size`: photograph `photo`, or one of a random family.

    Returns
    -------
    family : str
        Name of the family, or "photograph".
    views : list of ndarray of float32, shape `size`
        Linear luminance as the lens would see it: in focus and perhaps, as a second, with shallow
        focus. 1 is white, lamps lie far above.
    """
    if photo:
        family, focused = "photograph", photograph(photo, size, rng)
    else:
        names = list(FAMILIES)
        shares = np.array([FAMILIES[name][1] for name in names])
        family = str(rng.choice(names, p=shares / shares.sum()))
        focused = FAMILIES[family][0](size, rng)
        if family not in ("night", "moon") and rng.random() < MIXED_SHARE:
            other = (leaves, fine_texture, few_edges)[int(rng.integers(3))]
            focused = np.where(subject_mask(size, rng) > 0.5, other(size, rng), focused)
    deep = family in ("sky", "moon", "snow", "few_edges") or rng.random() > SHALLOW_SHARE
    return family, [focused] if deep else [focused, shallow_focus(focused, rng)]
