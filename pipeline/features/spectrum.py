"""The spectrum that all parts of a picture share: what the blur did, rather than the content.

Averaging the log power spectra of many tiles leaves the transfer function of a blur that they have
in common, while the directions of their contents cancel: Stockham, Cannon and Ingebretsen, "Blind
deconvolution through digital signal processing", Proceedings of the IEEE 63 (1975). Motion makes
it depend on direction, defocus does not.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import Plane, Scratch
from pipeline.features.powers import PLACES, tile_powers
from pipeline.features.tiles import Tiles, lowest_tenth

if TYPE_CHECKING:
    from pipeline.features.pyramid import Pyramid

BANDS = ((0.03, 0.08), (0.08, 0.16), (0.16, 0.28), (0.28, 0.45))  # cycles per pixel
PARTS = tuple(
    f"{part}{band}" for band in range(len(BANDS)) for part in ("directed", "crossed", "uneven")
)
_SLIGHT = 0.1  # tiles with less of the strongest tile's energy have no say

Floats = npt.NDArray[np.float32]

_RADIUS, _ANGLE = np.hypot(*PLACES), np.arctan2(*PLACES)  # radii ascend


def _between(low: float, high: float) -> slice:
    """Where the radii of at least `low` and less than `high` lie."""
    return slice(*np.searchsorted(_RADIUS, (low, high)).tolist())


_MIDDLE, _CORNERS = _between(0.06, 0.3), _between(0.4, 1)  # no radius is 0.06, 0.3 or 0.4
_INSIDE = [_between(*band) for band in BANDS]
_USED = slice(_INSIDE[0].start, _INSIDE[-1].stop)
# Down and across, cycles per pixel, of what `common_spectrum` gives.
FREQUENCIES = PLACES[0][_USED], PLACES[1][_USED]


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
    power = tile_powers(plane, scratch)
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
