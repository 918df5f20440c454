"""Where a photo is sharp and where it is blurred.

The network's map is coarse; the share of the gradient's energy in fine detail is more local. Their
sum separates better than either: see `python -m benchmarks.localisation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.pyramid import ROUNDING, Pyramid

CELL = 8  # working pixels a side for each value before smoothing
_OCTAVES = 4  # from the working image down to an eighth of its size
_WINDOW, _REACH, _FAR = 1.0, 3.0, 10.0  # cells: deviations of Gaussians, 8, 24 and 80 pixels
_FAR_SHARE = 0.1  # weight of places far away, where there is no content nearby
_FAINT = 0.1  # share of the noise's energy that is kept, so logarithms stay finite
_TILES = 8
# Chosen on a hundred composites; the benchmark counts on others.
_NETWORK, _SHARE, _FINEST, _OFFSET = 0.5, 0.9, -0.2, -0.15
_LEAST = 1e-3  # content of a place that has none
_TELLING = 1.6  # energy over the noise's, below which a place is empty

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BlurMap:
    """A value for each pixel of the working image.

    Attributes
    ----------
    logit : ndarray of float32, shape (h, w)
        Above 0 where blurred, below where sharp.
    empty : ndarray of bool, shape (h, w)
        Nothing but noise, such as sky: neither sharp nor blurred.
    """

    logit: Floats
    empty: npt.NDArray[np.bool_]

    @property
    def blurred(self) -> Floats:
        """The logit between 0 (sharp) and 1 (blurred)."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.logit, -30, 30))), dtype=np.float32)


def _resized(values: Floats, shape: tuple[int, int]) -> Floats:
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _smooth(values: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float32)


def _spread(values: Floats, content: Floats) -> Floats:
    """Smooth `values` weighted by content, so a blank wall takes the value of its surroundings.

    Normalised convolution (Knutsson and Westin, CVPR 1993).
    """
    total, weight = np.zeros_like(values), np.zeros_like(values)
    for sigma, share in ((_REACH, 1.0), (_FAR, _FAR_SHARE)):
        total += share * _smooth(values * content, sigma)
        weight += share * _smooth(content, sigma)
    return np.asarray(total / weight, dtype=np.float32)


def _gradient_energy(plane: Floats, cells: tuple[int, int]) -> Floats:
    """Mean square of the gradient around each cell, squared grey levels."""
    across = plane[:-1, 1:] - plane[:-1, :-1]
    down = plane[1:, :-1] - plane[:-1, :-1]
    energy = across * across + down * down
    means = cv2.resize(energy, (cells[1], cells[0]), interpolation=cv2.INTER_AREA)
    return _smooth(np.asarray(means), _WINDOW)


def _octaves(working: Pixels, cells: tuple[int, int]) -> tuple[list[Floats], list[float]]:
    """Gradient energy of each octave, and that of noise alone."""
    noise = max(Pyramid(working, 1, _TILES).noise ** 2, ROUNDING)
    plane = working.astype(np.float32)
    energies: list[Floats] = []
    floors: list[float] = []
    for number in range(_OCTAVES):
        if min(plane.shape) < 3:  # a tiny picture has fewer octaves
            energies.append(energies[-1])
            floors.append(floors[-1])
            continue
        energies.append(_gradient_energy(plane, cells))
        floors.append(4 * noise / 4**number)
        half = max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA))
    return energies, floors


def blur_map(working: Pixels, local: Floats) -> BlurMap:
    """Make the map of a grey working image.

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
    local : ndarray of float32, shape (rows, columns)
        The network's local logits of blurred.
    """
    shape = (working.shape[0], working.shape[1])
    cells = max(1, shape[0] // CELL), max(1, shape[1] // CELL)
    extended = working
    if min(shape) < 4:
        extended = np.asarray(cv2.copyMakeBorder(working, 0, 4, 0, 4, cv2.BORDER_REFLECT))
    energies, floors = _octaves(extended, cells)
    logs = [
        np.log(np.maximum(energy - floor, 0) + _FAINT * floor)
        for energy, floor in zip(energies, floors, strict=True)
    ]
    share = logs[-1] - logs[0]  # of coarse over fine detail: high where blurred
    network = _resized(local.astype(np.float32), cells)
    logit = _NETWORK * network + _SHARE * share + _FINEST * logs[0] + _OFFSET
    content = np.log1p(np.maximum(energies[-1] - floors[-1], 0)) + _LEAST
    logit = _spread(np.asarray(logit, np.float32), np.asarray(content, np.float32))
    empty = energies[-1] < _TELLING * floors[-1]
    return BlurMap(_resized(logit, shape), _resized(empty.astype(np.float32), shape) > 0.5)
