"""The focus measures: each is a function under `@measure`, which is all that one needs.

Examples compare pyramids of one picture: as it is, out of focus, and moved.

>>> image = np.random.default_rng(0).integers(0, 200, (24, 24)).repeat(7, 0).repeat(7, 1)
>>> pictures = [cv2.blur(image.astype(np.uint8), extent) for extent in ((1, 1), (5, 5), (9, 1))]
>>> sharp, soft, moved = (Pyramid(picture, levels=3, tiles=1) for picture in pictures)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from blur_fusion.features.pyramid import PARTS, REBLUR_SIGMA, Level, Pyramid, by_direction
from blur_fusion.features.tiles import (
    HORIZONTAL,
    SCALE,
    VERTICAL,
    Kind,
    Tiles,
    gradient_argmax,
    tile_sums,
)


@dataclass(frozen=True)
class Measure:
    """One focus measure."""

    name: str
    function: Callable[[Pyramid, int], Tiles]  # from a pyramid and a level's number
    source: str
    levels: tuple[int, ...] = (0,)  # as far as `params.features.levels` goes
    answer: int = -1  # -1 falls and 1 grows with blur; 0 tells something else
    contrast_free: bool = True  # ignores a change of contrast
    brightness_free: bool = True
    tiled: bool = True  # a value per tile, summarised by percentiles
    parts: tuple[str, ...] = ()  # names of several values of the picture


MEASURES: list[Measure] = []  # the order of `feature_names`
Function = Callable[[Pyramid, int], Tiles]
OWN = "this project"


def measure(source: str, **settings: Any) -> Callable[[Function], Function]:
    """Register a function of a pyramid and a level's number as a measure of the same name.

    `source` says where it was published; the other settings are those of :class:`Measure`.
    """

    def register(function: Function) -> Function:
        MEASURES.append(Measure(function.__name__, function, source, **settings))
        return function

    return register


_FAINT = 0.05  # proportion of the floor left in numerators, so that empty tiles read as smooth


def _reblurred_gain() -> float:
    """Energy that noise of variance 1 leaves in the gradient after the extra blur."""
    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1
    blurred = np.asarray(cv2.GaussianBlur(impulse, (5, 5), REBLUR_SIGMA))
    return float(2 * np.square(blurred[:, 2:] - blurred[:, :-2]).sum())


_REBLURRED_GAIN = _reblurred_gain()


def _ratio(
    pyramid: Pyramid, level: Level, upper: Tiles, upper_gain: float, lower: Tiles, lower_gain: float
) -> Tiles:
    """Log of the ratio of two energies after subtracting noise and rounding.

    A gain is the energy that noise of variance 1 adds.
    """
    noise = pyramid.noise_variance(level.number)
    clean_upper = np.maximum(upper - upper_gain * noise, 0) + _FAINT * upper_gain * level.rounding
    clean_lower = np.maximum(lower - lower_gain * noise, 0) + lower_gain * level.rounding
    return np.asarray(np.log(clean_upper / clean_lower))


@measure("Pech-Pacheco et al. 2000", contrast_free=False)
def laplacian_variance(pyramid: Pyramid, number: int) -> Tiles:
    """Log energy of the Laplacian [LAP4]; it depends on contrast.

    >>> laplacian_variance(soft, 0) < laplacian_variance(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    noise = 20 * pyramid.noise_variance(number)
    energy = np.maximum(level.sums(Kind.STRAIGHT)[4] - noise, 0)
    return np.asarray(np.log(energy + 20 * level.rounding))


@measure("Bansal et al. 2016")
def laplacian_maximum(pyramid: Pyramid, number: int) -> Tiles:
    """Largest absolute Laplacian over the largest horizontal or vertical difference.

    >>> laplacian_maximum(soft, 0) < laplacian_maximum(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    across, down, laplacian = level.sums(Kind.STRAIGHT_PEAKS)
    floor = 4 * np.sqrt(level.rounding)
    return np.asarray(np.log((laplacian + _FAINT * floor) / (np.maximum(across, down) + floor)))


@measure("Subbarao et al. 1993", levels=(0, 1))
def laplacian_gradient(pyramid: Pyramid, number: int) -> Tiles:
    """Energy of the Laplacian over energy of the gradient.

    >>> laplacian_gradient(soft, 0) < laplacian_gradient(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    return _ratio(pyramid, level, level.sums(Kind.STRAIGHT)[4], 20, level.gradient, 4)


@measure("Nayar and Nakagawa 1994", levels=(1,))
def modified_laplacian(pyramid: Pyramid, number: int) -> Tiles:
    """Sum of absolute second differences over that of first differences [LAP2].

    >>> modified_laplacian(soft, 1) < modified_laplacian(sharp, 1)
    array([ True])
    """
    level = pyramid.levels[number]
    across, down, bent_across, bent_down = level.sums(Kind.STRAIGHT_SIZES)
    share = 2 / np.pi  # squared mean over mean square of a normal variable
    upper, lower = np.square(bent_across + bent_down), np.square(across + down)
    return _ratio(pyramid, level, upper, 24 * share, lower, 8 * share) / 2


@measure("Thelen et al. 2009", levels=(0, 1))
def diagonal_laplacian(pyramid: Pyramid, number: int) -> Tiles:
    """Second differences over first differences along the diagonals [LAP3].

    >>> diagonal_laplacian(soft, 0) < diagonal_laplacian(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    upper, lower = level.bends[2] + level.bends[3], level.slopes[2] + level.slopes[3]
    return _ratio(pyramid, level, upper, 12, lower, 4)


@measure("Tenenbaum 1970; Krotkov 1988")
def tenengrad(pyramid: Pyramid, number: int) -> Tiles:
    """Energy of the Sobel gradient over the gradient's one octave below [GRA6, as a ratio].

    >>> tenengrad(soft, 0) < tenengrad(sharp, 0)
    array([ True])
    """
    level, below = pyramid.levels[number], pyramid.levels[number + 1]
    # Scaled so that a ramp reads as in central differences.
    sobel = (level.sums(Kind.SOBEL_ACROSS)[0] + level.sums(Kind.SOBEL_DOWN)[0]) / 16
    return _ratio(pyramid, level, sobel, 1.5, below.gradient, 1)


@measure("Brenner et al. 1976")
def brenner(pyramid: Pyramid, number: int) -> Tiles:
    """Squared differences at two pixels [MIS2] over those at four.

    >>> brenner(soft, 0) < brenner(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    wide = level.sums(Kind.FAR).sum(axis=0)
    return _ratio(pyramid, level, level.gradient, 4, wide, 4)


@measure("Yang and Nelson 2003", levels=(0, 1, 2))
def haar_ratio(pyramid: Pyramid, number: int) -> Tiles:
    """Energy of the Haar details over that one octave below [WAV1, as a ratio].

    >>> haar_ratio(soft, 1) < haar_ratio(sharp, 1)
    array([ True])
    """
    level, below = pyramid.levels[number], pyramid.levels[number + 1]
    return _ratio(pyramid, level, level.haar, 0.75, below.haar, 0.75 / 4)


@measure("Field and Brady 1997", answer=1)
def spectral_slope(pyramid: Pyramid, number: int) -> Tiles:
    """Slope of the log Haar energy over all octaves, least squares [after DCT and FFT measures].

    >>> spectral_slope(soft, 0) > spectral_slope(sharp, 0)
    array([ True])
    """
    levels = pyramid.levels[number:]
    rows = []
    for level in levels:
        noise = 0.75 * (pyramid.noise_variance(level.number))
        rows.append(np.log(np.maximum(level.haar - noise, 0) + 0.75 * level.rounding))
    octaves = np.arange(len(levels)) - (len(levels) - 1) / 2
    return np.asarray(octaves @ np.asarray(rows) / np.square(octaves).sum())


@measure("Crete et al. 2007", levels=(0, 1, 2))
def reblur(pyramid: Pyramid, number: int) -> Tiles:
    """Gradient energy over that after one more blur: little is lost where blur was.

    >>> reblur(soft, 0) < reblur(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    again = tile_sums(level.reblurred, Kind.SLOPES, level.grid).sum(axis=0)
    return _ratio(pyramid, level, level.gradient, 4, again, _REBLURRED_GAIN)


@measure(OWN, levels=(0, 1))
def weakest_direction(pyramid: Pyramid, number: int) -> Tiles:
    """Second over first differences along the direction that keeps least: motion.

    >>> weakest_direction(soft, 1) < weakest_direction(sharp, 1)
    array([ True])
    """
    level = pyramid.levels[number]
    directions = _ratio(pyramid, level, level.bends, 6, level.slopes, 2)
    return np.asarray(directions.min(axis=0))


@measure(OWN, levels=(1,), answer=0)
def direction_contrast(pyramid: Pyramid, number: int) -> Tiles:
    """Strongest less weakest direction: high for motion, low for defocus.

    >>> direction_contrast(moved, 1) > direction_contrast(soft, 1)
    array([ True])
    """
    level = pyramid.levels[number]
    directions = _ratio(pyramid, level, level.bends, 6, level.slopes, 2)
    return np.asarray(directions.max(axis=0) - directions.min(axis=0))


@measure("Bigun and Granlund 1987", levels=(1,), answer=0)
def coherence(pyramid: Pyramid, number: int) -> Tiles:
    """Coherence of the structure tensor, 0 (no direction) to 1 (one direction).

    >>> coherence(moved, 1) > coherence(soft, 1)
    array([ True])
    """
    level = pyramid.levels[number]
    across, down = level.slopes[:2]
    mixed = (level.sums(Kind.MIXED)[0] - across - down) / 2
    spread = np.sqrt(np.square(across - down) + 4 * np.square(mixed))
    return np.asarray(spread / (across + down + 4 * level.rounding))


@measure("Zhuo and Sim 2011", levels=(0, 1, 2), answer=1)
def edge_width(pyramid: Pyramid, number: int) -> Tiles:
    """Log width (standard deviation in pixels) of each tile's strongest edges, the wider way.

    The ratio of an edge's gradient before and after a known blur tells the edge's own.

    >>> edge_width(soft, 0) > edge_width(sharp, 0)
    array([ True])
    """
    level = pyramid.levels[number]
    stride = level.plane.shape[1]
    steps = HORIZONTAL, VERTICAL
    places = np.array([gradient_argmax(level.reblurred, step, level.grid) for step in steps])
    reach = np.array([[down * stride + right] for down, right in steps])
    before, after = (
        np.abs(plane.take(places + reach).astype(np.float64) - plane.take(places - reach))
        for plane in (level.plane, level.reblurred)
    )
    floor = 2 * np.sqrt(level.rounding)
    gain = np.square(before / (after + floor * SCALE)) - 1
    gain = np.maximum(gain, 0.01)  # wider than ten pixels: not an edge
    widths = np.log(REBLUR_SIGMA / np.sqrt(gain))
    return np.asarray(np.maximum(*widths))


_CONTENT = 1.0  # grey levels of gradient per two pixels: less says nothing about focus


@measure(OWN, levels=(1,), answer=0, tiled=False)
def direction_range(pyramid: Pyramid, number: int) -> Tiles:
    """Strongest less weakest log ratio of second to first differences, over the whole picture.

    >>> direction_range(moved, 1) > direction_range(soft, 1)
    array([ True])
    """
    level = pyramid.levels[number]
    noise = pyramid.noise_variance(number)
    bends, slopes = level.bends.mean(axis=1), level.slopes.mean(axis=1)
    ratios = (np.maximum(bends - 6 * noise, 0) + 6 * level.rounding) / (
        np.maximum(slopes - 2 * noise, 0) + 2 * level.rounding
    )
    return np.asarray([np.log(ratios.max() / ratios.min())])


@measure("Stockham et al. 1975", levels=(1, 2), answer=0, tiled=False, parts=PARTS)
def spectrum(pyramid: Pyramid, number: int) -> Tiles:
    """How the common spectrum depends on direction, shape (len(PARTS),): see `by_direction`.

    >>> place = PARTS.index("directed2")
    >>> bool(spectrum(moved, 1)[place] > 9 * spectrum(soft, 1)[place])
    True
    """
    return by_direction(pyramid.levels[number].common_spectrum)


@measure("Immerkaer 1996", answer=0, contrast_free=False, tiled=False)
def noise_level(pyramid: Pyramid, number: int) -> Tiles:
    """Log of the noise in grey levels (Immerkaer's mask on the calmest tiles).

    >>> noise_level(Pyramid(np.full((96, 96), 51, np.uint8), 1, 1), 0).round(1)  # log of 0.1
    array([-2.3])
    """
    return np.asarray([np.log(pyramid.noise + 0.1)])


@measure(OWN, answer=0, contrast_free=False, tiled=False)
def content_share(pyramid: Pyramid, number: int) -> Tiles:
    """Share of tiles with enough gradient to tell focus.

    >>> content_share(sharp, 0)
    array([1.])
    """
    return np.asarray([float((pyramid.content > _CONTENT).mean())])


@measure(OWN, answer=0, contrast_free=False, brightness_free=False, tiled=False)
def saturation(pyramid: Pyramid, number: int) -> Tiles:
    """Share of pixels at the ends of the grey scale.

    >>> saturation(Pyramid(np.full((96, 96), 255, np.uint8), 1, 1), 0)
    array([1.])
    """
    turned = np.ascontiguousarray(pyramid.image.ravel()[::4]) + np.uint8(3)  # 253 becomes 0
    return np.asarray([np.count_nonzero(turned < 6) / turned.size])


@measure(OWN, answer=0, contrast_free=False, tiled=False)
def contrast(pyramid: Pyramid, number: int) -> Tiles:
    """Log standard deviation of the grey levels, taken on the coarsest level.

    >>> contrast(soft, 0) < contrast(sharp, 0)
    array([ True])
    """
    return np.asarray([np.log(pyramid.levels[-1].plane.std() / 16 + 1)])


@measure(OWN, answer=0, contrast_free=False, brightness_free=False, tiled=False)
def darkness(pyramid: Pyramid, number: int) -> Tiles:
    """One minus the mean grey level, 0 (white) to 1 (black).

    >>> darkness(Pyramid(np.full((96, 96), 51, np.uint8), 1, 1), 0)
    array([0.8])
    """
    return np.asarray([1 - pyramid.levels[-1].plane.mean() / 16 / 255])
