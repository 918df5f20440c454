"""Direction and extent of motion blur, extent of defocus: from one working image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.measures import edge_width
from blur_fusion.features.pyramid import BANDS, Pyramid
from blur_fusion.features.summary import tile_weights, weighted_percentiles

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


_BAND = (0.03, 0.45)  # cycles per pixel of a level
_NOISE = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # candidates, against the spectrum at 0.1 cycles
_FALL = 1.5  # noise gains on natural spectra by this power of frequency
_STRENGTH = (0.3, 1.2)  # how much of the model's lobes may show: less where tiles differ

Transfer = Callable[[Floats, Floats, float], Floats]  # (frequency, angle, extent) to amplitude


@dataclass(frozen=True)
class Fit:
    """Extent that fits best, in working pixels, and by how much others fit worse.

    `margin` is the log of the ratio of residual variances, summed over levels, between the best
    extent that differs by half or more and the best one.
    """

    extent: float
    margin: float


@lru_cache(maxsize=1)
def _band() -> tuple[npt.NDArray[np.bool_], Floats, Floats, Floats]:
    """Which frequencies count, their radius, their angle, and columns that span their trend."""
    radius, angle = polar()
    inside = (radius > _BAND[0]) & (radius < _BAND[1])
    line = np.stack([np.ones(int(inside.sum())), np.log(radius[inside])], axis=1)
    return inside, radius[inside], np.asarray(angle[inside]), np.asarray(np.linalg.qr(line)[0])


def _without_trend(rows: Floats, trend: Floats) -> Floats:
    return np.asarray(rows - (rows @ trend) @ trend.T)


def _misfit(spectrum: Floats, models: Floats, trend: Floats) -> Floats:
    """Residual variance for each model (n, f), its strength chosen by least squares."""
    seen, lobes = _without_trend(spectrum, trend), _without_trend(models, trend)
    power = np.maximum(np.square(lobes).sum(axis=1), 1e-9)
    strength = np.clip((lobes @ seen) / power, *_STRENGTH)
    return np.asarray(np.square(seen - strength[:, None] * lobes).mean(axis=1))


def fit_extent(
    spectra: dict[int, Spectrum],
    transfer: Transfer,
    extents: Floats,
    prior: Floats | None = None,
) -> Fit:
    """Find the extent whose model is nearest to the spectra of all levels at once.

    Parameters
    ----------
    spectra : dict of ndarray
        From `blur_fusion.explain.extent.octave_spectra`.
    transfer : callable
        Amplitude at frequencies (cycles per pixel) and angles (radians) for an extent in pixels.
    extents : ndarray of float64, shape (n,)
        Candidates, rising.
    prior : ndarray of float64, shape (n,), optional
        What is added to each one's misfit.
    """
    inside, radius, angle, trend = _band()
    misfit = np.zeros(len(extents)) if prior is None else prior.copy()
    noise = np.asarray(_NOISE)[:, None] * (radius / 0.1) ** _FALL
    for number, spectrum in spectra.items():
        seen = spectrum[inside]
        for place, extent in enumerate(extents):
            amplitude = transfer(radius, angle, float(extent) / 2**number)
            models = np.log(np.square(amplitude)[None] + noise)
            misfit[place] += np.log(max(float(_misfit(seen, models, trend).min()), 1e-9))
    best = int(misfit.argmin())
    other = np.abs(np.log(extents / extents[best])) > np.log(1.5)
    margin = float(misfit[other].min() - misfit[best]) if other.any() else 0.0
    return Fit(float(extents[best]), margin)


_TILES, _LEVELS = 8, 3  # of the pyramid whose edges are measured
_OCTAVES = 3  # below the working image, at whose own size noise and JPEG weigh too much to fit
_DIRECTED = 0.8  # size of the second harmonic below which no direction is stated
_SURE_LENGTH, _SURE_RADIUS = 0.2, 0.3  # margins of a fit below which no extent is stated
_LENGTHS = np.geomspace(2, 70, 44)
_RADII = np.geomspace(0.8, 28, 44)
_PRIOR = 0.2  # weight of the edges' width in the fit of a radius


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
    spectrum points across it. The length is fitted; see `blur_fusion.explain.extent`.

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
