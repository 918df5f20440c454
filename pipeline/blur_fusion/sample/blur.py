"""Natural blur: point spread functions, and blur drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.sample.textures import Field, axes

Kernel = npt.NDArray[np.float32]

_OVERSAMPLING = 8


def _normalised(kernel: npt.NDArray[np.floating]) -> Kernel:
    return (kernel / kernel.sum()).astype(np.float32)


def _aperture(radius: float, turn: npt.NDArray[np.float64]) -> Kernel:
    """Rasterise a polygon with its corners at angles `turn`, anti-aliased by oversampling."""
    radius, corners = max(radius, 0.5), np.stack([np.cos(turn), np.sin(turn)], axis=1)
    side = 2 * int(np.ceil(radius)) + 1
    big = np.zeros((side * _OVERSAMPLING, side * _OVERSAMPLING), np.uint8)
    points = (corners * radius + side / 2) * _OVERSAMPLING - 0.5
    cv2.fillPoly(big, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    small = cv2.resize(big.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return _normalised(np.asarray(small))


def disk(radius: float) -> Kernel:
    """Defocus of a round aperture: a disk of `radius` pixels (geometric optics)."""
    return _aperture(radius, np.linspace(0, 2 * np.pi, 64, endpoint=False))


def polygon(radius: float, blades: int, rotation: float) -> Kernel:
    """Defocus of an aperture with `blades` straight blades, rotated by `rotation` radians."""
    return _aperture(radius, rotation + 2 * np.pi * np.arange(blades) / blades)


def aperture(radius: float, rng: np.random.Generator) -> Kernel:
    """Defocus of a round aperture or, with equal chance, of one with blades."""
    blades = int(rng.integers(5, 9))
    return disk(radius) if rng.random() < 0.5 else polygon(radius, blades, rng.uniform(0, 6))


def gaussian(sigma: float) -> Kernel:
    """Gaussian of standard deviation `sigma`, cut off at three sigma."""
    side = 2 * int(np.ceil(3 * sigma)) + 1
    line = cv2.getGaussianKernel(side, sigma)
    return _normalised(line @ line.T)


def _trace(points: npt.NDArray[np.float64], light: npt.NDArray[np.float64] | float = 1.0) -> Kernel:
    """Rasterise `light` at `points` (n, 2), bilinearly, centred."""
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    half = int(np.ceil(np.abs(points).max())) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float64)
    column, row = (points + half).T
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, bottom = column - left, row - top
    np.add.at(kernel, (top, left), light * (1 - right) * (1 - bottom))
    np.add.at(kernel, (top, left + 1), light * right * (1 - bottom))
    np.add.at(kernel, (top + 1, left), light * (1 - right) * bottom)
    np.add.at(kernel, (top + 1, left + 1), light * right * bottom)
    return _normalised(kernel)


def straight_motion(length: float, angle: float) -> Kernel:
    """Uniform motion over `length` pixels in direction `angle` (radians)."""
    along = np.linspace(-length / 2, length / 2, max(2, int(8 * length)))
    return _trace(np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1))


def shaken_motion(
    extent: float, rng: np.random.Generator, anxiety: float = 0.3, bend: float = 0.0
) -> Kernel:
    """Path of a shaken hand-held camera, `extent` pixels across.

    A particle with inertia is pushed at random, with strength `anxiety` (0 to 1), and turns by
    `bend` radians in all. After Boracchi and Foi, "Modeling the performance of image restoration
    from motion blur", IEEE Transactions on Image Processing 21(8), 2012.
    """
    steps = 200
    across, along = np.sin(bend / steps), np.cos(bend / steps)
    bending = np.array([[along, across], [-across, along]])
    turn = rng.uniform(0, 2 * np.pi)
    velocity = np.array([np.cos(turn), np.sin(turn)])
    pushes = rng.standard_normal((steps, 2)) * anxiety * 0.35
    jerks = rng.random(steps) < 0.01 * anxiety
    path = np.zeros((steps, 2))
    for step in range(1, steps):
        velocity = velocity @ bending + pushes[step] - 0.01 * path[step - 1] / steps
        if jerks[step]:
            velocity = -velocity + pushes[step]
        velocity /= np.hypot(*velocity)
        path[step] = path[step - 1] + velocity
    wide = np.ptp(path, axis=0).max()
    fine = np.linspace(0, steps - 1, max(steps, int(8 * extent)))
    knots = np.arange(steps)
    smooth = np.stack([np.interp(fine, knots, path[:, axis]) for axis in (0, 1)], axis=1)
    return _trace(smooth * (extent / wide))


def double_exposure(distance: float, sigma: float, rng: np.random.Generator) -> Kernel:
    """Two or three points at least `distance` apart, each a Gaussian of `sigma`.

    A hand jerks between rests; each rest has at least a quarter of the light.
    """
    count = int(rng.integers(2, 4))
    angles = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.9, 0.9, count - 1)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(1, 1.5)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(distance * steps, axis=0)])
    shares = 0.25 + (1 - 0.25 * count) * rng.dirichlet(np.ones(count))
    wide = np.pad(_trace(points, shares), int(np.ceil(3 * sigma)))
    return _normalised(np.asarray(cv2.GaussianBlur(wide, (0, 0), sigma)))


def turned(kernel: Kernel, angle: float, scale: float) -> Kernel:
    """Rotate `kernel` by `angle` radians about its centre and resize it by `scale`."""
    side = len(kernel)
    reach = int(np.ceil((side // 2) * max(1.0, scale) * np.sqrt(2))) + 1
    middle = side // 2
    matrix = cv2.getRotationMatrix2D((middle, middle), float(np.degrees(angle)), float(scale))
    matrix[:, 2] += reach - middle
    wide = cv2.warpAffine(kernel, matrix, (2 * reach + 1, 2 * reach + 1), flags=cv2.INTER_LINEAR)
    used = np.flatnonzero((wide.sum(axis=0) > 0) | (wide.sum(axis=1) > 0))
    edge = min(int(used[0]), 2 * reach - int(used[-1])) if len(used) else 0
    cropped = wide[edge : len(wide) - edge, edge : len(wide) - edge]
    return _normalised(np.asarray(cropped, dtype=np.float32))


# Extents at viewing size: a picture 768 pixels long. The eye begins to see a disk of radius 1.6 or
# a Gaussian of 0.9 there; CERTH counts a radius of 1.9 as blurred.
VIEWING_SIDE = 768
DISK_RADIUS = (1.6, 22.0)
GAUSSIAN_SIGMA = (0.95, 9.0)
MOTION_EXTENT = (5.0, 48.0)
REST_DISTANCE = (5.0, 27.0)
# From a steady hand and a good lens: not blur.
SHARP_SIGMA = (0.2, 0.5)


@dataclass(frozen=True)
class Blur:
    """A kind ("sharp", "defocus", "motion"), and one kernel, or two that fade along `tilt`."""

    kind: str
    kernels: tuple[Kernel, ...]
    tilt: float = 0.0

    def apply(self, scene: Field) -> Field:
        """Convolve linear light."""
        views = [cv2.filter2D(scene, -1, k, borderType=cv2.BORDER_REFLECT) for k in self.kernels]
        if len(views) == 1:
            return np.asarray(views[0], dtype=np.float32)
        rows, columns = axes(scene.shape)
        along = 0.5 + 0.5 * (rows * np.sin(self.tilt) + columns * np.cos(self.tilt))
        weight = np.clip(along, 0, 1)
        return (views[0] * (1 - weight) + views[1] * weight).astype(np.float32)


def log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw from a log-uniform distribution, so that mild blur is frequent."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _sharp_sigma(scale: float, rng: np.random.Generator) -> float:
    return float(max(0.3, scale * rng.uniform(*SHARP_SIGMA)))


def sharp_blur(scale: float, rng: np.random.Generator) -> Blur:
    """The blur of every lens and sensor; `scale` is pixels per pixel at viewing size."""
    return Blur("sharp", (gaussian(_sharp_sigma(scale, rng)),))


def _defocus(scale: float, rng: np.random.Generator) -> Blur:
    radius = log_uniform(DISK_RADIUS, rng) * scale
    blades, turn = int(rng.integers(5, 9)), rng.uniform(0, 6.3)
    varying = rng.random() < 0.3
    radii = (radius, radius * rng.uniform(1.1, 2.0)) if varying else (radius,)
    if rng.random() < 0.5:
        kernels = tuple(disk(r) for r in radii)
    else:
        # A polygon is smaller than its circle.
        kernels = tuple(polygon(1.1 * r, blades, turn) for r in radii)
    return Blur("defocus", kernels, rng.uniform(0, 6.3))


def _motion(scale: float, rng: np.random.Generator) -> Blur:
    if rng.random() < 0.08:
        sigma = _sharp_sigma(scale, rng)
        distance = log_uniform(REST_DISTANCE, rng) * scale
        return Blur("motion", (double_exposure(distance, sigma, rng),))
    extent = log_uniform(MOTION_EXTENT, rng) * scale
    if rng.random() < 0.4:
        angle = rng.uniform(0, np.pi)
        bent = angle + rng.normal(0, 0.25)
        if rng.random() < 0.3:
            other = straight_motion(extent * rng.uniform(1, 1.5), bent)
            return Blur("motion", (straight_motion(extent, angle), other), rng.uniform(0, 6.3))
        return Blur("motion", (straight_motion(extent, angle),))
    bend = rng.normal(0, 3) if rng.random() < 0.3 else 0.0  # hooks and loops
    path = shaken_motion(extent * 1.2, rng, rng.uniform(0.1, 1), bend)
    if rng.random() < 0.4:  # a rolling camera moves corners differently from the centre
        other = turned(path, rng.normal(0, 0.5), rng.uniform(0.5, 1.3))
        return Blur("motion", (path, other), rng.uniform(0, 6.3))
    return Blur("motion", (path,))


def natural_blur(scale: float, rng: np.random.Generator) -> Blur:
    """Draw defocus, motion or Gaussian blur from just visible to strong; see `sharp_blur`."""
    draw = rng.random()
    if draw < 0.42:
        return _defocus(scale, rng)
    if draw < 0.55:
        return Blur("defocus", (gaussian(log_uniform(GAUSSIAN_SIGMA, rng) * scale),))
    return _motion(scale, rng)
