"""Render a scene: a family, and views with a shallow focus."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from blur_fusion.sample.blur import Kernel, aperture, log_uniform, straight_motion
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
from blur_fusion.sample.flat import empty, screen, stripes
from blur_fusion.sample.photographs import photograph
from blur_fusion.sample.subjects import portrait, subject
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
    "subject": (subject, 0.10),
    "portrait": (portrait, 0.06),
    "stripes": (stripes, 0.035),
    "screen": (screen, 0.035),
    "empty": (empty, 0.02),
}
# Families that get no uneven focus, and families that nothing is mixed into.
DEEP = ("sky", "moon", "snow", "few_edges", "subject", "portrait", "screen", "empty")
ALONE = ("night", "moon", "subject", "portrait", "screen", "empty")
UNEVEN_SHARE = 0.3
PANNED_SHARE = 0.25  # of those
MIXED_SHARE = 0.25


def _blob(size: Size, reaches: tuple[float, float], rng: np.random.Generator) -> Field:
    """1 within a blob near the centre; `reaches` bound its half axes relative to the size."""
    height, width = size
    centre = rng.uniform(0.25, 0.75, 2) * (width, height)
    reach = rng.uniform(*reaches, 2) * (width, height)
    columns = (np.arange(width, dtype=np.float32)[None, :] - centre[0]) / reach[0]
    rows = (np.arange(height, dtype=np.float32)[:, None] - centre[1]) / reach[1]
    wobble = 0.25 * fractal(size, 0.4, rng, coarsest=8)
    distance = np.hypot(columns, rows) + wobble
    # Whatever its shape, it has the area of the ellipse.
    limit = np.quantile(distance[::4, ::4], np.pi * reach.prod() / (width * height))
    return (distance <= limit).astype(np.float32)


def subject_mask(size: Size, rng: np.random.Generator) -> Field:
    """Mask (0..1) of the subject: a blob near the centre, or a band of ground in focus."""
    height = size[0]
    if rng.random() < 0.25:
        middle, half = rng.uniform(0.35, 0.8) * height, rng.uniform(0.04, 0.2) * height
        distance = np.abs(np.arange(height, dtype=np.float32)[:, None] - middle)
        band = np.clip(1.5 - distance / half, 0, 1)
        return np.asarray(np.broadcast_to(band, size), dtype=np.float32)
    return _blob(size, (0.08, 0.34), rng)


def _blurred_outside(scene: Field, mask: Field, kernel: Kernel) -> Field:
    # Blurs the background alone, so that the subject does not bleed into it.
    ground = cv2.filter2D(scene * (1 - mask), -1, kernel)
    weight = cv2.filter2D(1 - mask, -1, kernel)
    background = np.where(weight > 0.02, ground / np.maximum(weight, 0.02), scene)
    return (mask * scene + (1 - mask) * background).astype(np.float32)


def shallow_focus(scene: Field, rng: np.random.Generator) -> Field:
    """Put all but the subject out of focus: sharp to the eye, mostly blurred by area."""
    mask = subject_mask(scene.shape[:2], rng)
    radius = log_uniform((2, 24), rng) * scene.shape[1] / 1024
    return _blurred_outside(scene, mask, aperture(radius, rng))


def panned(scene: Field, rng: np.random.Generator) -> Field:
    """Follow the subject with the camera: it is sharp, all else is streaked."""
    mask = _blob(scene.shape[:2], (0.13, 0.31), rng)
    length = log_uniform((15, 90), rng) * scene.shape[1] / 1024
    level = rng.random() < 0.75
    angle = rng.normal(0, 0.12) if level else rng.uniform(0, np.pi)
    return _blurred_outside(scene, mask, straight_motion(length, angle))


def draw_family(rng: np.random.Generator) -> str:
    """The family of a scene: the first that its random stream decides."""
    shares = np.array([share for _, share in FAMILIES.values()])
    return str(rng.choice(list(FAMILIES), p=shares / shares.sum()))


def render_scene(size: Size, rng: np.random.Generator, photo: str = "") -> tuple[str, list[Field]]:
    """Render the photograph `photo`, or a scene of a random family.

    Returns
    -------
    family : str
        Name of the family, or "photograph".
    views : list of ndarray of float32, shape `size`
        Linear luminance before the lens: in focus and perhaps a second view with shallow focus or
        panned. 1 is white; lamps are far brighter.
    """
    if photo:
        family, focused = "photograph", photograph(photo, size, rng)
    else:
        family = draw_family(rng)
        focused = FAMILIES[family][0](size, rng)
        if family not in ALONE and rng.random() < MIXED_SHARE:
            other = (leaves, fine_texture, few_edges)[int(rng.integers(3))]
            focused = np.where(subject_mask(size, rng) > 0.5, other(size, rng), focused)
    if family in DEEP or rng.random() > UNEVEN_SHARE:
        return family, [focused]
    view = panned if rng.random() < PANNED_SHARE else shallow_focus
    return family, [focused, view(focused, rng)]
