"""Draw a natural blur: which kind, how strong, and how it varies over the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.synthesis.point_spread import (
    Kernel,
    disk,
    gaussian,
    polygon,
    shaken_motion,
    straight_motion,
    turned,
)
from pipeline.synthesis.textures import Field

# Extents at viewing size: a picture 768 pixels long. The eye begins to see a disk of radius 1.6 or
# a Gaussian of 0.9 there; CERTH counts a radius of 1.9 as blurred.
VIEWING_SIDE = 768
DISK_RADIUS = (1.6, 22.0)
GAUSSIAN_SIGMA = (0.95, 9.0)
MOTION_EXTENT = (5.0, 48.0)
# What a steady hand and a good lens leave is no blur.
SHARP_SIGMA = (0.2, 0.5)


@dataclass(frozen=True)
class Blur:
    """A kind ("sharp", "defocus", "motion"), its kernels and how they mix over the picture."""

    kind: str
    kernels: tuple[Kernel, ...]
    tilt: float = 0.0

    def apply(self, scene: Field) -> Field:
        """Convolve linear light; two kernels fade into one another along direction `tilt`."""
        views = [cv2.filter2D(scene, -1, k, borderType=cv2.BORDER_REFLECT) for k in self.kernels]
        if len(views) == 1:
            return np.asarray(views[0], dtype=np.float32)
        rows = np.linspace(-1, 1, scene.shape[0], dtype=np.float32)[:, None]
        columns = np.linspace(-1, 1, scene.shape[1], dtype=np.float32)[None, :]
        along = 0.5 + 0.5 * (rows * np.sin(self.tilt) + columns * np.cos(self.tilt))
        weight = np.clip(along, 0, 1)
        return (views[0] * (1 - weight) + views[1] * weight).astype(np.float32)


def _between(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """A number between `bounds`, evenly by its logarithm, so that mild blur is frequent."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def sharp_blur(scale: float, rng: np.random.Generator) -> Blur:
    """What every real lens and sensor does; `scale` is pixels here for one at viewing size."""
    return Blur("sharp", (gaussian(max(0.3, scale * rng.uniform(*SHARP_SIGMA))),))


def _defocus(scale: float, rng: np.random.Generator) -> Blur:
    radius = _between(DISK_RADIUS, rng) * scale
    blades, turn = int(rng.integers(5, 9)), rng.uniform(0, 6.3)
    varying = rng.random() < 0.3
    radii = (radius, radius * rng.uniform(1.1, 2.0)) if varying else (radius,)
    if rng.random() < 0.5:
        kernels = tuple(disk(r) for r in radii)
    else:
        # A polygon is smaller than its circle: make up for it.
        kernels = tuple(polygon(1.1 * r, blades, turn) for r in radii)
    return Blur("defocus", kernels, rng.uniform(0, 6.3))


def _motion(scale: float, rng: np.random.Generator) -> Blur:
    extent = _between(MOTION_EXTENT, rng) * scale
    if rng.random() < 0.4:
        angle = rng.uniform(0, np.pi)
        bent = angle + rng.normal(0, 0.25)
        if rng.random() < 0.3:
            other = straight_motion(extent * rng.uniform(1, 1.5), bent)
            return Blur("motion", (straight_motion(extent, angle), other), rng.uniform(0, 6.3))
        return Blur("motion", (straight_motion(extent, angle),))
    path = shaken_motion(extent * 1.2, rng, rng.uniform(0.1, 1))
    if rng.random() < 0.4:  # a camera that rolls moves its corners otherwise than its middle
        other = turned(path, rng.normal(0, 0.5), rng.uniform(0.5, 1.3))
        return Blur("motion", (path, other), rng.uniform(0, 6.3))
    return Blur("motion", (path,))


def natural_blur(scale: float, rng: np.random.Generator) -> Blur:
    """Defocus, motion or Gaussian blur from just visible to strong.

    Parameters
    ----------
    scale : float
        Pixels of this picture for one pixel at viewing size.
    """
    draw = rng.random()
    if draw < 0.42:
        return _defocus(scale, rng)
    if draw < 0.55:
        return Blur("defocus", (gaussian(_between(GAUSSIAN_SIGMA, rng) * scale),))
    return _motion(scale, rng)
