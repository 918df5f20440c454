"""The spectrum that all parts of a picture share: what the blur did, rather than the content.

Averaging the log power spectra of many tiles leaves the transfer function of a blur that they have
in common, while the directions of their contents cancel: Stockham, Cannon and Ingebretsen, "Blind
deconvolution through digital signal processing", Proceedings of the IEEE 63 (1975). Motion makes
it depend on direction, defocus does not.
"""

from __future__ import annotations

from functools import lru_cache
from math import hypot, sqrt
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import SCALE, Plane, Scratch
from pipeline.features.tiles import Tiles, lowest_tenth
from pipeline.native import library

if TYPE_CHECKING:
    from pipeline.features.pyramid import Pyramid

SIDE = 64  # pixels of a tile
BANDS = ((0.03, 0.08), (0.08, 0.16), (0.16, 0.28), (0.28, 0.45))  # cycles per pixel
PARTS = tuple(
    f"{part}{band}" for band in range(len(BANDS)) for part in ("directed", "crossed", "uneven")
)
_SLIGHT = 0.1  # tiles with less of the strongest tile's energy have no say

Floats = npt.NDArray[np.float32]


def _half_plane() -> tuple[npt.NDArray[np.intp], ...]:
    """Rows and columns of a tile's frequencies, half of them, from low to high."""
    down, across = np.mgrid[:SIDE, : SIDE // 2 + 1].reshape(2, -1)
    order = np.argsort(np.hypot((down + SIDE // 2) % SIDE - SIDE // 2, across), kind="stable")
    return down[order], across[order]


_DOWN, _ACROSS = _half_plane()
_PLANE = np.fft.fftfreq(SIDE)[_DOWN], np.fft.rfftfreq(SIDE)[_ACROSS]
_RADIUS, _ANGLE = np.hypot(*_PLANE), np.arctan2(*_PLANE)  # radii ascend
_PLACE, _OPPOSITE = (
    np.asarray(places, np.int64)
    for places in (_DOWN * SIDE + _ACROSS, -_DOWN % SIDE * SIDE + -_ACROSS % SIDE)
)
_HANNING = np.hanning(SIDE + 2)[1:-1]
# Power by area, in squared grey levels; the half is that of `_powers`.
_WINDOW = (np.outer(_HANNING, _HANNING) / np.square(_HANNING).sum() / SCALE / 2).astype(np.float32)


def _between(low: float, high: float) -> slice:
    """Where the radii of at least `low` and less than `high` lie."""
    return slice(*np.searchsorted(_RADIUS, (low, high)).tolist())


_MIDDLE, _CORNERS = _between(0.06, 0.3), _between(0.4, 1)  # no radius is 0.06, 0.3 or 0.4
_INSIDE = [_between(*band) for band in BANDS]
_USED = slice(_INSIDE[0].start, _INSIDE[-1].stop)
# Down and across, cycles per pixel, of what `common_spectrum` gives.
FREQUENCIES = _PLANE[0][_USED], _PLANE[1][_USED]


def _fit(inside: slice) -> npt.NDArray[np.float64]:
    """What is taken from a band (n,), as rows (6, n).

    Two orthonormal rows for the line over log frequency, then the second and the fourth circular
    harmonic (a half turn leaves them alone) of what is left beside that line.
    """
    radius, angle = _RADIUS[inside], _ANGLE[inside]
    line = np.linalg.qr(np.stack([np.ones(radius.size), np.log(radius)], axis=1))[0].T
    turns = [wave(order * angle) / angle.size for order in (2, 4) for wave in (np.cos, np.sin)]
    return np.concatenate([line, turns - turns @ line.T @ line])


_FITS = [_fit(inside) for inside in _INSIDE]


@lru_cache(maxsize=64)
def _corners(height: int, width: int) -> tuple[tuple[slice, slice], ...]:
    """Where tiles lie that cover a plane; they may overlap."""
    down, across = (
        np.linspace(0, extent - SIDE, -(-extent // SIDE)).astype(int).tolist()
        for extent in (height, width)
    )
    return tuple((slice(y, y + SIDE), slice(x, x + SIDE)) for y in down for x in across)


def _tiles(plane: Plane, scratch: Scratch) -> Floats:
    """Windowed tiles (n, SIDE, SIDE) without their means; n is even, the last may be empty."""
    below, beside = (max(0, SIDE - extent) for extent in plane.shape)
    if below or beside:
        padded = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
        plane = np.asarray(padded, dtype=np.int16)
    places = _corners(*plane.shape)
    count = len(places) + len(places) % 2
    tiles = scratch.floats("tiles", (count, SIDE, SIDE))
    tiles[len(places) :] = 0
    np.stack([plane[place] for place in places], out=tiles[: len(places)])
    tiles -= tiles.mean(axis=(1, 2), keepdims=True)
    tiles *= _WINDOW
    return tiles


def _powers(tiles: Floats, scratch: Scratch) -> Floats:
    """Power of `tiles` (n, SIDE, SIDE) at `_RADIUS` and `_ANGLE`, shape (n, frequencies).

    Two tiles share a transform, as its real and imaginary part: twice as fast, and OpenCV
    transforms a tile five times as fast as numpy.
    """
    pairs = len(tiles) // 2
    shared = scratch.floats("shared", (pairs * SIDE, SIDE, 2))
    cv2.merge((tiles[:pairs].reshape(-1, SIDE), tiles[pairs:].reshape(-1, SIDE)), dst=shared)
    for start in range(0, len(shared), SIDE):
        cv2.dft(shared[start : start + SIDE], dst=shared[start : start + SIDE])
    powers = scratch.floats("powers", (2 * pairs, len(_PLACE)))
    compiled = library()
    if compiled is None:
        _take_apart(shared, powers, scratch)
    else:
        compiled.blur_powers(
            *(shared.ctypes.data, pairs, SIDE * SIDE),
            *(_PLACE.ctypes.data, _OPPOSITE.ctypes.data, len(_PLACE), powers.ctypes.data),
        )
    return powers


def _take_apart(shared: Floats, powers: Floats, scratch: Scratch) -> None:
    """From transforms `shared` by two tiles to the `powers` of each."""
    pairs = len(powers) // 2
    found = shared.view(np.complex64).reshape(pairs, SIDE * SIDE)
    taken = scratch.floats("taken", (pairs, len(_PLACE), 2))
    parts = scratch.floats("parts", (4, pairs, len(_PLACE)))
    for place, half in ((_PLACE, parts[:2]), (_OPPOSITE, parts[2:])):
        np.take(found, place, axis=1, out=taken.view(np.complex64)[:, :, 0], mode="clip")
        cv2.split(taken, tuple(half))
    real, imaginary, opposite_real, opposite_imaginary = parts
    np.add(real, opposite_real, out=powers[:pairs])
    np.subtract(real, opposite_real, out=powers[pairs:])
    np.subtract(imaginary, opposite_imaginary, out=parts[0])
    np.add(imaginary, opposite_imaginary, out=parts[1])
    powers *= powers
    parts[:2] *= parts[:2]
    powers += parts[:2].reshape(powers.shape)


def _medians(values: Floats) -> Floats:
    """Median of every row, faster than numpy's; the rows are left in disorder."""
    middle = values.shape[1] // 2
    values.partition(middle, axis=1)
    upper = values[:, middle]
    return upper if values.shape[1] % 2 else (values[:, :middle].max(axis=1) + upper) / 2


def common_spectrum(plane: Plane, rounding: float, scratch: Scratch) -> Floats:
    """Mean log power spectrum of the tiles of `plane` that hold anything.

    Parameters
    ----------
    plane : ndarray of int16, shape (h, w)
        Grey levels times `SCALE`.
    rounding : float
        Variance of rounding in `plane`: no power below it means anything.
    scratch : Scratch
        Memory to use.

    Returns
    -------
    ndarray of float32, shape (frequencies,)
        At `FREQUENCIES`.
    """
    tiles = _tiles(plane, scratch)
    power = _powers(tiles, scratch)[: len(_corners(*(max(SIDE, side) for side in plane.shape)))]
    noise = max(lowest_tenth(_medians(power[:, _CORNERS].copy())), rounding)
    energy = power[:, _MIDDLE].mean(axis=1)
    used = power[energy >= _SLIGHT * energy.max(), _USED]
    used += np.float32(noise)
    return np.asarray(cv2.log(used, dst=used).mean(axis=0))


def spectrum(pyramid: Pyramid, number: int) -> Tiles:
    """How the common spectrum depends on direction, shape (len(PARTS),), by band.

    `directed`: size of its second circular harmonic (motion has one direction); `crossed`: of its
    fourth; `uneven`: all that frequency alone does not explain, double images too.
    """
    shared = pyramid.levels[number].common_spectrum.astype(np.float64)
    values: list[float] = []
    for inside, fit in zip(_INSIDE, _FITS, strict=True):
        band = shared[inside.start - _USED.start : inside.stop - _USED.start]
        found = (fit @ band).tolist()
        left = float(band @ band) - found[0] ** 2 - found[1] ** 2
        values += [hypot(*found[2:4]), hypot(*found[4:]), sqrt(max(left, 0) / band.size)]
    return np.asarray(values, dtype=np.float64)
