"""Direction and extent of motion blur, and extent of defocus.

A point-spread function is fitted to the log power spectra that all parts of a picture share, in
several octaves at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from blur_fusion.features.measures import edge_width
from blur_fusion.features.pyramid import BANDS, FREQUENCIES, SIDE, Pyramid
from blur_fusion.features.summary import tile_weights, weighted_percentiles

_NOISE = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # candidates, against the spectrum at 0.1 cycles
_FALL = 1.5  # noise gains on natural spectra by this power of frequency
_STRENGTH = (0.3, 1.2)  # how much of the model's lobes may show: less where tiles differ
_TILES, _OCTAVES = 8, 3  # of the pyramid; halvings of the working image
_EDGE_LEVELS = 3
_DIRECTED = 0.8  # size of the second harmonic below which no direction is stated
_SURE_LENGTH, _SURE_RADIUS = 0.2, 0.3  # margins of a fit below which no extent is stated
_LENGTHS = np.geomspace(2, 70, 44)
_RADII = np.geomspace(0.8, 28, 44)
_PRIOR = 0.2  # weight of the edges' width in the fit of a radius

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Transfer = Callable[[float], Floats]  # extent in pixels to the amplitude at each frequency


@dataclass(frozen=True)
class PointSpread:
    """The image of a point, in pixels of the measured image; None where it cannot be told.

    Attributes
    ----------
    extent : float, optional
        Length of a motion, radius of a disk.
    angle : float, optional
        Of a motion, degrees counterclockwise from horizontal, 0 to 180.
    """

    extent: float | None
    angle: float | None = None


def _line(radius: Floats) -> Floats:
    """Orthonormal columns (n, 2) that span a line over log frequency."""
    return np.asarray(np.linalg.qr(np.stack([np.ones(radius.size), np.log(radius)], axis=1))[0])


_RADIUS, _ANGLE = np.hypot(*FREQUENCIES), np.arctan2(*FREQUENCIES)
_TREND = _line(_RADIUS)


def _without(trend: Floats, rows: Floats) -> Floats:
    return np.asarray(rows - (rows @ trend) @ trend.T)


def _spectra(pyramid: Pyramid) -> dict[int, Floats]:
    """Common spectra of the octaves that are large enough for a tile; always the first."""
    spectra = {0: pyramid.levels[0].common_spectrum.astype(np.float64)}
    for number in range(1, _OCTAVES + 1):
        if min(pyramid.levels[number - 1].plane.shape) < SIDE:
            break
        spectra[number] = pyramid.levels[number].common_spectrum.astype(np.float64)
    return spectra


def _misfit(seen: Floats, models: Floats) -> float:
    """Smallest residual variance of the models (n, f), their strength chosen by least squares."""
    seen, lobes = _without(_TREND, seen), _without(_TREND, models)
    power = np.maximum(np.square(lobes).sum(axis=1), 1e-9)
    strength = np.clip((lobes @ seen) / power, *_STRENGTH)
    return float(np.square(seen - strength[:, None] * lobes).mean(axis=1).min())


def _fitted(
    spectra: dict[int, Floats], transfer: Transfer, extents: Floats, prior: Floats, margin: float
) -> float | None:
    """The extent whose model fits the spectra of all octaves but the first best.

    None if an extent that differs by half or more fits almost as well: the log ratio of residual
    variances, summed over octaves and added to `prior`, is within `margin`.
    """
    misfit = prior.copy()
    noise = np.asarray(_NOISE)[:, None] * (_RADIUS / 0.1) ** _FALL
    for number, spectrum in spectra.items():
        if number == 0 and len(spectra) > 1:  # noise and JPEG are too strong there
            continue
        for place, extent in enumerate(extents):
            models = np.log(np.square(transfer(extent / 2**number)) + noise)
            misfit[place] += np.log(max(_misfit(spectrum, models), 1e-9))
    best = int(misfit.argmin())
    other = np.abs(np.log(extents / extents[best])) > np.log(1.5)
    return float(extents[best]) if misfit[other].min() - misfit[best] >= margin else None


def _harmonic(spectrum: Floats) -> complex:
    """Second circular harmonic of a common log spectrum, summed over its bands."""
    total = 0j
    for low, high in BANDS:
        inside = (low <= _RADIUS) & (high > _RADIUS)
        left = _without(_line(_RADIUS[inside]), spectrum[inside])
        total += complex((left * np.exp(2j * _ANGLE[inside])).mean())
    return total


def measure_motion(working: Pixels) -> PointSpread:
    """Direction and length of the motion that all parts of a grey picture (h, w) share.

    Motion removes power from frequencies along it: the second circular harmonic of the common log
    spectrum points across it. The transfer function of even motion is a sinc.
    """
    spectra = _spectra(Pyramid(working, _OCTAVES, _TILES))
    harmonic = sum((_harmonic(spectra[number]) for number in (0, 1) if number in spectra), 0j)
    if abs(harmonic) < _DIRECTED:
        return PointSpread(None)
    axis = float(np.angle(harmonic)) / 2 + np.pi / 2
    along = _RADIUS * np.cos(_ANGLE - axis)
    no_prior = np.zeros(len(_LENGTHS))
    length = _fitted(spectra, lambda n: np.sinc(along * n), _LENGTHS, no_prior, _SURE_LENGTH)
    return PointSpread(length, -float(np.degrees(axis)) % 180)


@lru_cache(maxsize=1)
def _bessel() -> tuple[Floats, Floats]:
    """A table of 2 J1(z) / z by its integral, as SciPy is not installed with the base package."""
    z = np.linspace(0, 2 * np.pi * 0.45 * 30, 4096)
    turn = (np.arange(256) + 0.5) * np.pi / 256
    values = 2 * (np.cos(z[:, None] * np.cos(turn)) * np.sin(turn) ** 2).mean(axis=1)
    return z, np.asarray(values)


def disk_transfer(frequency: Floats, radius: float) -> Floats:
    """Transfer function of a disk of `radius` pixels at frequencies in cycles per pixel."""
    return np.asarray(np.interp(2 * np.pi * frequency * radius, *_bessel()))


def _edge_radius(pyramid: Pyramid) -> float:
    """Rough radius from the widths of edges: a disk's deviation is half its radius."""
    weights = tile_weights(pyramid.content)
    widths = [
        float(weighted_percentiles(edge_width(pyramid, number), weights, np.array([50.0]))[0])
        + number * np.log(2)
        for number in range(_EDGE_LEVELS)
    ]
    return float(2 * np.exp(np.mean(widths) - 0.13))


def measure_defocus(working: Pixels) -> PointSpread:
    """Radius of the disk that blurred all parts of a grey picture (h, w).

    Fitted to the common spectrum; widths of edges (Zhuo and Sim 2011) help to choose between
    lobes that look alike.
    """
    pyramid = Pyramid(working, _OCTAVES, _TILES)
    prior = _PRIOR * np.square(np.log(_RADII / _edge_radius(pyramid)))
    radius = _fitted(
        _spectra(pyramid), lambda n: disk_transfer(_RADIUS, n), _RADII, prior, _SURE_RADIUS
    )
    return PointSpread(radius)
