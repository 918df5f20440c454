"""The common spectrum in polar form: what tells a shake that curls from a lens out of focus.

Circular harmonics (see `features.pyramid`) know one direction at a time. A network on the
whole picture of angles and radii also sees double images, bent paths and the rings of a disk;
kinds of blur told from the spectrum's shape go back to Cannon, "Blind deconvolution of spatially
invariant image blurs with phase", IEEE Transactions on Acoustics, Speech, and Signal Processing
24(1), 1976.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.planes import Plane, Scratch, thread_scratch
from blur_fusion.features.powers import SIDE
from blur_fusion.features.pyramid import FREQUENCIES, ROUNDING, Pyramid, common_spectrum
from blur_fusion.images.working import middle

ANGLES = 24  # over half a turn; the other half is the same
RADII = 10
LEVELS = (1, 2, 3)  # of the pyramid; on the finest one noise speaks loudest
LOWEST, HIGHEST = 0.03, 0.45  # cycles per pixel of a level
SHAPE = (ANGLES, len(LEVELS) * RADII)

Floats = npt.NDArray[np.float32]


def _cells() -> Floats:
    """Weights (ANGLES * RADII, frequencies) of a smooth mean around each angle and radius."""
    edges = np.geomspace(LOWEST, HIGHEST, RADII + 1)
    radii = np.sqrt(edges[1:] * edges[:-1])[None, :, None]
    angles = ((np.arange(ANGLES) + 0.5) * np.pi / ANGLES)[:, None, None]
    radius, angle = np.hypot(*FREQUENCIES), np.arctan2(*FREQUENCIES)
    aside = (angle - angles + np.pi / 2) % np.pi - np.pi / 2
    # Half a cell, or half a frequency of the transform where that is more.
    across = 0.5 * np.maximum(radii * np.pi / ANGLES, 1 / SIDE)
    along = 0.5 * np.maximum(np.log(edges[1] / edges[0]), 1 / SIDE / radii)
    weights = np.exp(-((aside * radius / across) ** 2 + (np.log(radius / radii) / along) ** 2) / 2)
    weights /= weights.sum(axis=2, keepdims=True)
    return weights.reshape(ANGLES * RADII, -1).astype(np.float32)


def _without_line() -> npt.NDArray[np.float64]:
    """What takes its straight line from a profile over log radius: contents differ by that."""
    place = np.arange(RADII) - (RADII - 1) / 2
    line = np.linalg.qr(np.stack([np.ones(RADII), place], axis=1))[0]
    return np.asarray(line @ line.T)


_CELLS, _LINE = _cells(), _without_line()


def in_polar_form(spectra: Sequence[Floats] | Floats) -> Floats:
    """Common spectra (frequencies,) of `LEVELS` in polar form; see :func:`polar_spectrum`.

    Returns
    -------
    ndarray of float32, shape SHAPE
    """
    parts = []
    for shared in spectra:
        polar = (_CELLS @ shared).reshape(ANGLES, RADII).astype(np.float64)
        parts.append(polar - _LINE @ polar.mean(axis=0))
    return np.concatenate(parts, axis=1).astype(np.float32)


def polar_planes(planes: Sequence[Plane], scratch: Scratch) -> Floats:
    """Polar spectra of the planes of `LEVELS`; see :func:`polar_spectrum`.

    Parameters
    ----------
    planes : sequence of ndarray of int16, shape (h, w)
        Grey levels times `SCALE`, each half the size of the one before.
    scratch : Scratch
        Memory to use.
    """
    return in_polar_form(
        [
            common_spectrum(plane, ROUNDING / 4**level, scratch)
            for level, plane in zip(LEVELS, planes, strict=True)
        ]
    )


def common_spectra(pyramid: Pyramid) -> Floats:
    """Those of `LEVELS`, shape (len(LEVELS), frequencies), of a pyramid that has them."""
    return np.stack([pyramid.levels[level].common_spectrum for level in LEVELS])


def polar_pyramid(image: npt.NDArray[np.uint8]) -> Pyramid:
    """A pyramid of the middle of a working image for :func:`common_spectra` alone."""
    cv2.setNumThreads(1)
    return Pyramid(middle(image), LEVELS[-1], 1, thread_scratch())


def polar_spectrum(image: npt.NDArray[np.uint8]) -> Floats:
    """Common log spectrum of the middle of a working image by angle, level and radius.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)

    Returns
    -------
    ndarray of float32, shape SHAPE
        Natural logarithms of power; the line over log radius that all directions share is taken
        from each level. Turning the picture moves the rows around.
    """
    return in_polar_form(common_spectra(polar_pyramid(image)))
