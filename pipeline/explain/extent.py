"""Direction and extent of motion blur, extent of defocus: from one working image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.explain.spectra import Spectrum, octave_spectra, polar
from pipeline.explain.spread import Fit, fit_extent
from pipeline.features.measures import edge_width
from pipeline.features.pyramid import Pyramid
from pipeline.features.spectrum import BANDS
from pipeline.features.summarise import tile_weights, weighted_percentiles

_TILES, _LEVELS = 8, 3  # of the pyramid whose edges are measured
_OCTAVES = 3  # below the working image, at whose own size noise and JPEG weigh too much to fit
_DIRECTED = 0.8  # size of the second harmonic below which no direction is stated
_SURE_LENGTH, _SURE_RADIUS = 0.2, 0.3  # margins of a fit below which no extent is stated
_LENGTHS = np.geomspace(2, 70, 44)
_RADII = np.geomspace(0.8, 28, 44)
_PRIOR = 0.2  # weight of the edges' width in the fit of a radius

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """Straight motion, as far as the photo tells it.

    Attributes
    ----------
    angle : float or None
        Degrees from the horizontal, counterclockwise, 0 to 180: 90 is up and down.
    length : float or None
        Pixels of the image that was measured.
    """

    angle: float | None
    length: float | None


@dataclass(frozen=True)
class Defocus:
    """Radius of the disk that a point became, in pixels of the image that was measured, or None."""

    radius: float | None


def _harmonic(spectrum: Spectrum) -> complex:
    """Second circular harmonic of a common log spectrum, summed over its bands."""
    radius, angle = polar()
    total = 0j
    for low, high in BANDS:
        inside = (radius >= low) & (radius < high)
        logs = np.log(radius[inside])
        line = np.polynomial.Polynomial.fit(logs, spectrum[inside], 1)
        left = spectrum[inside] - line(logs)
        total += complex((left * np.exp(2j * angle[inside])).mean())
    return total


def _sinc(axis: float, frequency: Floats, angle: Floats, length: float) -> Floats:
    """Transfer function of even motion over `length` pixels along `axis` (radians)."""
    return np.asarray(np.sinc(frequency * length * np.cos(angle - axis)))


@lru_cache(maxsize=1)
def _bessel() -> tuple[Floats, Floats]:
    """A table of 2 J1(z) / z by its integral; SciPy is not needed where photos are judged."""
    z = np.linspace(0, 2 * np.pi * 0.45 * 30, 4096)
    turn = (np.arange(256) + 0.5) * np.pi / 256
    values = 2 * (np.cos(z[:, None] * np.cos(turn)) * np.sin(turn) ** 2).mean(axis=1)
    return z, np.asarray(values)


def _disk(frequency: Floats, angle: Floats, radius: float) -> Floats:
    """Transfer function of a disk, whatever the angle."""
    z, values = _bessel()
    return np.asarray(np.interp(2 * np.pi * frequency * radius, z, values))


def measure_motion(working: Pixels) -> Motion:
    """Direction and length of the motion that all parts of a picture share.

    Motion takes power from frequencies along it: the second circular harmonic of the common log
    spectrum points across it. The length is fitted; see `pipeline.explain.spread`.

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey, of a photo that is blurred by motion.
    """
    spectra = octave_spectra(working, _OCTAVES)
    harmonic = sum((_harmonic(spectra[number]) for number in (0, 1) if number in spectra), 0j)
    if abs(harmonic) < _DIRECTED:
        return Motion(None, None)
    axis = float(np.angle(harmonic)) / 2 + np.pi / 2
    fit = fit_extent(
        _fitted(spectra),
        lambda frequency, angle, length: _sinc(axis, frequency, angle, length),
        _LENGTHS,
    )
    return Motion(-float(np.degrees(axis)) % 180, _stated(fit, _SURE_LENGTH))


def _fitted(spectra: dict[int, Spectrum]) -> dict[int, Spectrum]:
    """All but the first, unless there is no other."""
    return {number: spectra[number] for number in spectra if number or len(spectra) == 1}


def _stated(fit: Fit, margin: float) -> float | None:
    return fit.extent if fit.margin >= margin else None


def _edge_radius(pyramid: Pyramid) -> float:
    """Rough radius from the widths of edges: a disk's deviation is half its radius along a line."""
    weights = tile_weights(pyramid.content)
    widths = [
        float(weighted_percentiles(edge_width(pyramid, number), weights, np.array([50.0]))[0])
        + number * np.log(2)
        for number in range(_LEVELS)
    ]
    return float(2 * np.exp(np.mean(widths) - 0.13))


def measure_defocus(working: Pixels) -> Defocus:
    """Radius of the disk that all parts of a picture were spread by.

    Fitted to the common spectrum; widths of edges (Zhuo and Sim 2011) help to choose between
    lobes that look alike.

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey, of a photo that is out of focus.
    """
    edges = _edge_radius(Pyramid(working, _LEVELS, _TILES))
    prior = _PRIOR * np.square(np.log(_RADII / edges))
    spectra = _fitted(octave_spectra(working, _OCTAVES))
    return Defocus(_stated(fit_extent(spectra, _disk, _RADII, prior), _SURE_RADIUS))
