"""CERTH's digital filters, applied to finished JPEGs.

Mavridaki and Mezaris, "No-reference blur assessment in natural images using Fourier transform and
spatial pyramids", ICIP 2014. Names are those of the data set's files; sizes are for pictures
`CERTH_LONG_SIDE` pixels long.
"""

from __future__ import annotations

import cv2
import numpy as np

from blur_fusion.sample.blur import Kernel, disk, straight_motion
from blur_fusion.sample.camera import Picture

CERTH_LONG_SIDE = 3296

DISKS = {"DiskR8": 8, "DiskR10": 10, "DiskR20": 20, "DiskR30": 30, "DiskR50": 50}
# Height, width and standard deviation of MATLAB's fspecial('gaussian'): nearly boxes.
GAUSSIANS = {
    "GaussianH15x15S200": (15, 15, 200),
    "GaussianH1x50S250": (1, 50, 250),
    "GaussianH25x25S100": (25, 25, 100),
    "GaussianH25x25S300": (25, 25, 300),
    "GaussianH2x80S300": (2, 80, 300),
    "GaussianH50x50S300": (50, 50, 300),
}
# Length and angle in degrees of MATLAB's fspecial('motion').
MOTIONS = {
    "MotionL100Th0": (100, 0),
    "MotionL100Th45": (100, 45),
    "MotionL50Th90": (50, 90),
    "MotionL80Th45": (80, 45),
}
FILTERS = (*DISKS, *GAUSSIANS, *MOTIONS)


def filter_kind(name: str) -> str:
    """The kind of blur it looks like: a Gaussian along one direction is a motion."""
    return "motion" if name in MOTIONS or GAUSSIANS.get(name, (9,))[0] < 3 else "defocus"


def _cut_gaussian(extent: float, sigma: float) -> Kernel:
    """One dimension of a Gaussian cut to `extent` pixels, which may be fractional."""
    half = int(np.ceil((extent - 1) / 2))
    position = np.arange(-half, half + 1)
    inside = np.clip(extent / 2 + 0.5 - np.abs(position), 0, 1)
    line = inside * np.exp(-(position**2) / (2 * sigma**2))
    return (line / line.sum()).astype(np.float32)[:, None]


def certh_kernel(name: str, scale: float) -> Kernel:
    """The kernel of filter `name`, scaled (1 for pictures of CERTH's size)."""
    if name in DISKS:
        return disk(DISKS[name] * scale)
    if name in GAUSSIANS:
        down, across, sigma = GAUSSIANS[name]
        column = _cut_gaussian(max(1.0, down * scale), sigma * scale)
        row = _cut_gaussian(max(1.0, across * scale), sigma * scale)
        return np.asarray(column @ row.T, dtype=np.float32)
    length, degrees = MOTIONS[name]
    return straight_motion(max(1.5, length * scale), -np.deg2rad(degrees))


def apply_filter(picture: Picture, name: str) -> Picture:
    """Blur a finished (gamma-coded) picture with CERTH's filter `name`."""
    scale = max(picture.shape[:2]) / CERTH_LONG_SIDE
    kernel = certh_kernel(name, scale)
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT), np.uint8)
