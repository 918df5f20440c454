"""Measures of the whole picture: what may mislead a focus measure, and pooled directions."""

from __future__ import annotations

import numpy as np

from pipeline.features.pyramid import Pyramid
from pipeline.features.tiles import Tiles

_CONTENT = 1.0  # grey levels of gradient per two pixels: less says nothing about focus


def direction_range(pyramid: Pyramid, number: int) -> Tiles:
    """Strongest less weakest log ratio of second to first differences, over the whole picture."""
    level = pyramid.levels[number]
    noise = pyramid.noise_variance(number)
    bends, slopes = level.bends.mean(axis=1), level.slopes.mean(axis=1)
    ratios = (np.maximum(bends - 6 * noise, 0) + 6 * level.rounding) / (
        np.maximum(slopes - 2 * noise, 0) + 2 * level.rounding
    )
    return np.asarray([np.log(ratios.max() / ratios.min())])


def noise_level(pyramid: Pyramid, number: int) -> Tiles:
    """Log of the noise in grey levels (Immerkaer's mask on the calmest tiles)."""
    return np.asarray([np.log(pyramid.noise + 0.1)])


def content_share(pyramid: Pyramid, number: int) -> Tiles:
    """Share of tiles with enough gradient to tell focus."""
    return np.asarray([float((pyramid.content > _CONTENT).mean())])


def saturation(pyramid: Pyramid, number: int) -> Tiles:
    """Share of pixels at the ends of the grey scale."""
    turned = np.ascontiguousarray(pyramid.image.ravel()[::4]) + np.uint8(3)  # 253 becomes 0
    return np.asarray([np.count_nonzero(turned < 6) / turned.size])


def contrast(pyramid: Pyramid, number: int) -> Tiles:
    """Log standard deviation of the grey levels, taken on the coarsest level."""
    return np.asarray([np.log(pyramid.levels[-1].plane.std() / 16 + 1)])


def darkness(pyramid: Pyramid, number: int) -> Tiles:
    """One minus the mean grey level, 0 (white) to 1 (black)."""
    return np.asarray([1 - pyramid.levels[-1].plane.mean() / 16 / 255])
