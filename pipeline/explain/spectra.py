"""The log spectrum that all tiles of a picture share, octave by octave.

As `pipeline.features.spectrum`, whose measures it gives in bands; here every frequency is wanted.
Stockham, Cannon and Ingebretsen, Proceedings of the IEEE 63 (1975).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 64  # pixels of a tile
_ROUNDING = 1 / 12  # variance of whole grey levels
_SLIGHT = 0.1  # tiles with less of the strongest tile's energy have no say
_MIDDLE, _CORNERS = (0.06, 0.3), 0.4  # cycles per pixel: where content, and where noise is told

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.float64]  # (SIDE, SIDE // 2 + 1)


@lru_cache(maxsize=1)
def polar() -> tuple[Floats, Floats]:
    """Radius (cycles per pixel) and angle (radians, downwards) of each frequency of a spectrum."""
    down, across = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    radius = np.hypot(down, across)
    return radius, np.asarray(np.broadcast_to(np.arctan2(down, across), radius.shape))


def _tiles(plane: Plane) -> Plane:
    """Windowed tiles (n, SIDE, SIDE) without their means, which cover `plane`."""
    below, beside = (max(0, SIDE - extent) for extent in plane.shape)
    padded = np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT))
    starts = [
        np.linspace(0, extent - SIDE, -(-extent // SIDE)).astype(int) for extent in padded.shape
    ]
    tiles = np.stack([padded[y : y + SIDE, x : x + SIDE] for y in starts[0] for x in starts[1]])
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    centred = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred * np.outer(window, window), dtype=np.float32)


def _common_spectrum(plane: Plane, rounding: float) -> Spectrum:
    """Mean log power of the tiles that hold anything; noise keeps the logarithm from falling."""
    radius, _ = polar()
    window = np.square(np.hanning(SIDE + 2)).sum() ** 2
    power = np.square(np.abs(np.fft.rfft2(_tiles(plane)))) / window
    noise = np.percentile(np.median(power[:, radius > _CORNERS], axis=1), 10)
    energy = power[:, (radius > _MIDDLE[0]) & (radius < _MIDDLE[1])].mean(axis=1)
    telling = power[energy >= _SLIGHT * energy.max()]
    return np.asarray(np.log(telling + max(float(noise), rounding)).mean(axis=0))


def octave_spectra(working: Pixels, last: int) -> dict[int, Spectrum]:
    """Common spectra of the working image (0) and of 1 to `last` halvings of it.

    Octaves that are too small for a tile are left out, but for the first.

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
    last : int
    """
    plane = working.astype(np.float32)
    spectra = {0: _common_spectrum(plane, _ROUNDING)}
    for number in range(1, last + 1):
        if min(plane.shape) < SIDE:
            break
        size = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
        spectra[number] = _common_spectrum(plane, _ROUNDING / 4**number)
    return spectra
