"""How far blur spreads a point: models of its spectrum fitted to the one that all tiles share.

A disk or a straight motion divides the spectrum by lobes whose places tell its extent (Cannon,
"Blind deconvolution of spatially invariant image blurs with phase", IEEE Transactions on
Acoustics, Speech, and Signal Processing 24, 1976). Rather than seek single zeros, which noise
fills, whole log spectra are compared, for each extent in a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.explain.spectra import Spectrum, polar

_BAND = (0.03, 0.45)  # cycles per pixel of a level
_NOISE = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # candidates, against the spectrum at 0.1 cycles
_FALL = 1.5  # noise gains on natural spectra by this power of frequency
_STRENGTH = (0.3, 1.2)  # how much of the model's lobes may show: less where tiles differ

Floats = npt.NDArray[np.float64]
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
        From `pipeline.explain.spectra.octave_spectra`.
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
