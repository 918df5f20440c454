"""The spectrum that all parts of a picture share: what the blur did, rather than the content.

Averaging the log power spectra of many tiles leaves the transfer function of a blur that they have
in common, while the directions of their contents cancel: Stockham, Cannon and Ingebretsen, "Blind
deconvolution through digital signal processing", Proceedings of the IEEE 63 (1975). Motion makes
it depend on direction, defocus does not.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import SCALE
from pipeline.features.pyramid import Pyramid
from pipeline.features.tiles import Tiles

SIDE = 64  # pixels of a tile
BANDS = ((0.03, 0.08), (0.08, 0.16), (0.16, 0.28), (0.28, 0.45))  # cycles per pixel
PARTS = tuple(
    f"{part}{band}" for band in range(len(BANDS)) for part in ("directed", "crossed", "uneven")
)
_SLIGHT = 0.1  # tiles with less of the strongest tile's energy have no say

Floats = npt.NDArray[np.float32]


def _frequencies() -> tuple[Floats, Floats]:
    down = np.fft.fftfreq(SIDE)[:, None]
    across = np.fft.rfftfreq(SIDE)[None, :]
    return np.hypot(down, across), np.broadcast_to(np.arctan2(down, across), (SIDE, SIDE // 2 + 1))


_RADIUS, _ANGLE = _frequencies()
_WINDOW = np.outer(np.hanning(SIDE + 2)[1:-1], np.hanning(SIDE + 2)[1:-1]).astype(np.float32)
_POWER = float(np.square(_WINDOW).sum())
_MIDDLE = (_RADIUS > 0.06) & (_RADIUS < 0.3)
_CORNERS = _RADIUS > 0.4
_INSIDE = [(low <= _RADIUS) & (high > _RADIUS) for low, high in BANDS]


def _trend(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Orthonormal columns (n, 2) that span the lines over log frequency within a band."""
    line = np.stack([np.ones(inside.sum()), np.log(_RADIUS[inside])], axis=1)
    return np.asarray(np.linalg.qr(line)[0])


_TRENDS = [_trend(inside) for inside in _INSIDE]
_TURNS = [
    np.exp(1j * np.outer([2, 4], _ANGLE[inside])) / inside.sum() for inside in _INSIDE
]  # circular harmonics that a half turn leaves alone


def _tiles(plane: Floats) -> Floats:
    """Windowed tiles (n, SIDE, SIDE) without their means; they cover the plane and may overlap."""
    below, beside = (max(0, SIDE - extent) for extent in plane.shape)
    if below or beside:
        padded = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
        plane = np.asarray(padded, dtype=np.float32)
    starts = [
        np.linspace(0, extent - SIDE, -(-extent // SIDE)).astype(int) for extent in plane.shape
    ]
    tiles = np.stack([plane[y : y + SIDE, x : x + SIDE] for y in starts[0] for x in starts[1]])
    return (tiles - tiles.mean(axis=(1, 2), keepdims=True)) * _WINDOW


def _power(tile: Floats) -> Floats:
    """Power at `_RADIUS` and `_ANGLE`; OpenCV transforms a tile five times as fast as numpy."""
    real, imaginary = cv2.split(cv2.dft(tile, flags=cv2.DFT_COMPLEX_OUTPUT))
    half = np.square(real[:, : SIDE // 2 + 1]) + np.square(imaginary[:, : SIDE // 2 + 1])
    return np.asarray(half / _POWER)


def common_spectrum(plane: Floats, rounding: float) -> Floats:
    """Mean log power spectrum of the tiles of `plane` that hold anything.

    Parameters
    ----------
    plane : ndarray of float32, shape (h, w)
        Grey levels.
    rounding : float
        Variance of rounding in `plane`: no power below it means anything.

    Returns
    -------
    ndarray of float32, shape (SIDE, SIDE // 2 + 1)
    """
    power = np.stack([_power(tile) for tile in _tiles(plane)])
    noise = max(float(np.percentile(np.median(power[:, _CORNERS], axis=1), 10)), rounding)
    energy = power[:, _MIDDLE].mean(axis=1)
    telling = energy >= _SLIGHT * energy.max()
    return np.asarray(np.log(power[telling] + noise).mean(axis=0))


def spectrum(pyramid: Pyramid, number: int) -> Tiles:
    """How the common spectrum depends on direction, shape (len(PARTS),), by band.

    `directed`: size of its second circular harmonic (motion has one direction); `crossed`: of its
    fourth; `uneven`: all that frequency alone does not explain, double images too.
    """
    level = pyramid.levels[number]
    plane = level.plane.astype(np.float32) / np.float32(SCALE)
    shared = common_spectrum(plane, level.rounding)
    values: list[float] = []
    for inside, trend, turns in zip(_INSIDE, _TRENDS, _TURNS, strict=True):
        left = shared[inside] - trend @ (shared[inside] @ trend)
        values += [*np.abs(turns @ left), float(left.std())]
    return np.asarray(values, dtype=np.float64)
