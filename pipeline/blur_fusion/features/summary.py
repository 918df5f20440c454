"""From tiles to one vector of features."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.features.measures import MEASURES, Measure
from blur_fusion.features.pyramid import Pyramid
from blur_fusion.features.tiles import Tiles
from blur_fusion.images.photo import center_crop
from blur_fusion.params import FeatureParams

_SLIGHT = 0.15  # tiles with less of the busiest tile's gradient (sky, background) do not count


def _names(measure: Measure, level: int, params: FeatureParams) -> list[str]:
    stem = f"{measure.name}.{level}"
    if measure.tiled:
        return [f"{stem}.p{p:g}" for p in params.percentiles]
    return [f"{stem}.{part}" for part in measure.parts] or [stem]


def _taken(params: FeatureParams) -> list[tuple[Measure, int]]:
    """Measures and levels within `params`."""
    return [(one, level) for one in MEASURES for level in one.levels if level < params.levels]


def feature_names(params: FeatureParams) -> list[str]:
    """Names of the values of :func:`describe`.

    `measure.level.p50` of tiled measures, else `measure.level.part`, or `measure.level` alone.
    """
    return [name for one, level in _taken(params) for name in _names(one, level, params)]


@lru_cache(maxsize=8)
def _wanted(params: FeatureParams, names: tuple[str, ...]) -> tuple[list[tuple[Measure, int]], Any]:
    """The measures and levels that give `names`, and where these are among their values."""
    missing = set(names) - set(feature_names(params))
    require(not missing, f"features: unknown are {', '.join(sorted(missing))}")
    taken = [
        (one, level)
        for one, level in _taken(params)
        if not set(names).isdisjoint(_names(one, level, params))
    ]
    found = [name for one, level in taken for name in _names(one, level, params)]
    return taken, np.array([found.index(name) for name in names], dtype=np.intp)


def tile_weights(content: Tiles) -> Tiles:
    """The weight of each tile: its gradient, or 0 where that is slight.

    A photo is judged by its subject, not its sky; in a picture without content all tiles are equal.
    """
    largest = float(content.max())
    if largest <= 0:
        return np.ones_like(content)
    return np.where(content >= _SLIGHT * largest, content, 0.0)


def weighted_percentiles(
    values: Tiles, weights: Tiles, percentiles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weighted, interpolated percentiles (rows, P) of `values` (rows, T) under `weights` (T,).

    A single row may be given as (T,), which gives (P,).
    """
    used = weights > 0
    values, weights = values[..., used], weights[used]
    order = np.argsort(values, axis=-1, kind="stable")
    ranked = weights[order]
    middles = (np.cumsum(ranked, axis=-1) - ranked / 2) * (100 / weights.sum())
    rows = np.take_along_axis(values, order, axis=-1).reshape(-1, len(weights))
    known = middles.reshape(rows.shape)
    # As `np.interp` for all rows at once: constant before the first and after the last place.
    below = (known[:, :, None] <= percentiles).sum(axis=1) - 1
    ends = np.maximum(below, 0), np.minimum(below + 1, known.shape[1] - 1)
    (start, end), (first, second) = (
        [np.take_along_axis(table, place, axis=1) for place in ends] for table in (known, rows)
    )
    span = end - start
    inside = span > 0
    slope = np.divide(second - first, span, out=np.zeros_like(span), where=inside)
    found = slope * np.where(inside, percentiles - start, 0) + first
    return np.asarray(found).reshape(*values.shape[:-1], len(percentiles))


def describe(
    image: npt.NDArray[np.uint8], params: FeatureParams, names: tuple[str, ...] | None = None
) -> npt.NDArray[np.float32]:
    """Focus measures of the middle of a working image, summarised over tiles and levels.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Of any size and content: tiny and uniform pictures give finite values.
    params : FeatureParams
    names : tuple of str, optional
        The values wanted; by default all of :func:`feature_names`.

    Returns
    -------
    ndarray of float32, shape (len(names),)

    Raises
    ------
    BlurError
        The array has another type or shape; a name is unknown.
    """
    fits = image.dtype == np.uint8 and image.ndim == 2 and image.size > 0
    require(fits, f"features: image of {image.dtype} {image.shape}; give grey uint8 (H, W)")
    pyramid = Pyramid(center_crop(image), max(params.levels, 2), params.tiles)
    weights = tile_weights(pyramid.content)
    percentiles = np.asarray(params.percentiles, dtype=np.float64)
    taken, places = (_taken(params), ...) if names is None else _wanted(params, names)
    parts = [measure.function(pyramid, level) for measure, level in taken]
    tiled = [number for number, (measure, _) in enumerate(taken) if measure.tiled]
    if tiled:
        rows = weighted_percentiles(np.array([parts[k] for k in tiled]), weights, percentiles)
        for number, row in zip(tiled, rows, strict=True):
            parts[number] = row
    return np.concatenate(parts).astype(np.float32)[places]
