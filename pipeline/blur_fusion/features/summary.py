"""From tiles to one vector: the only place where levels, tiles and percentiles meet."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.features.measures import MEASURES, Measure
from blur_fusion.features.planes import thread_scratch
from blur_fusion.features.pyramid import Pyramid
from blur_fusion.features.tiles import Tiles
from blur_fusion.images.photo import center_crop
from blur_fusion.params import FeatureParams

_SLIGHT = 0.15  # tiles with less of the busiest tile's gradient (sky, background) have no say


def _taken(params: FeatureParams) -> list[tuple[Measure, int]]:
    """Measures and levels that `params` has."""
    return [
        (measure, level)
        for measure in MEASURES
        for level in measure.levels
        if level < params.levels
    ]


def feature_names(params: FeatureParams) -> list[str]:
    """Names of the values of :func:`describe`.

    `measure.level.p50` of tiled measures, else `measure.level.part`, or `measure.level` alone.
    """
    names = []
    for measure, level in _taken(params):
        stem = f"{measure.name}.{level}"
        if measure.tiled:
            names += [f"{stem}.p{p:g}" for p in params.percentiles]
        else:
            names += [f"{stem}.{part}" for part in measure.parts] or [stem]
    return names


def tile_weights(content: Tiles) -> Tiles:
    """How much each tile's values count: its gradient, or nothing where that is slight.

    A photo is judged by what is in it, not by its sky; a picture without any content counts
    all tiles alike.
    """
    largest = float(content.max())
    if largest <= 0:
        return np.ones_like(content)
    return np.where(content >= _SLIGHT * largest, content, 0.0)


def weighted_percentiles(
    values: Tiles, weights: Tiles, percentiles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Percentiles of each row that count as often as the weights say; interpolated.

    `values` (rows, T), `weights` (T,), `percentiles` (P,); the answer is (rows, P). A single row
    may come as (T,) and gives (P,).
    """
    used = weights > 0
    values, weights = values[..., used], weights[used]
    order = np.argsort(values, axis=-1, kind="stable")
    ranked = weights[order]
    middles = (np.cumsum(ranked, axis=-1) - ranked / 2) * (100 / weights.sum())
    rows = np.take_along_axis(values, order, axis=-1).reshape(-1, len(weights))
    found = _interpolated(percentiles, middles.reshape(rows.shape), rows)
    return found.reshape(*values.shape[:-1], len(percentiles))


def _interpolated(places: Tiles, known: Tiles, values: Tiles) -> Tiles:
    """`np.interp` of all rows at once: `known` (rows, T) ascends, `values` (rows, T); (rows, P)."""
    below = (known[:, :, None] <= places).sum(axis=1) - 1
    # Before the first and behind the last place that is known, that one's value.
    ends = np.maximum(below, 0), np.minimum(below + 1, known.shape[1] - 1)
    (start, end), (first, second) = (
        [np.take_along_axis(table, place, axis=1) for place in ends] for table in (known, values)
    )
    span = end - start
    inside = span > 0
    slope = np.divide(second - first, span, out=np.zeros_like(span), where=inside)
    return np.asarray(slope * np.where(inside, places - start, 0) + first)


def describe(image: npt.NDArray[np.uint8], params: FeatureParams) -> npt.NDArray[np.float32]:
    """Focus measures of the middle of a working image, summarised over tiles and levels.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Any size and content: tiny and uniform pictures get finite, defined values.
    params : FeatureParams

    Returns
    -------
    ndarray of float32, shape (len(feature_names(params)),)

    Raises
    ------
    BlurError
        The array has another type or shape.
    """
    fits = image.dtype == np.uint8 and image.ndim == 2 and image.size > 0
    require(fits, f"features: image of {image.dtype} {image.shape}; give grey uint8 (H, W)")
    cv2.setNumThreads(1)  # rows of pixels are too short to share out; images run in parallel
    pyramid = Pyramid(center_crop(image), max(params.levels, 2), params.tiles, thread_scratch())
    weights = tile_weights(pyramid.content)
    percentiles = np.asarray(params.percentiles, dtype=np.float64)
    taken = _taken(params)
    parts = [measure.function(pyramid, level) for measure, level in taken]
    tiled = [number for number, (measure, _) in enumerate(taken) if measure.tiled]
    rows = np.array([parts[number] for number in tiled])
    for number, row in zip(tiled, weighted_percentiles(rows, weights, percentiles), strict=True):
        parts[number] = row
    return np.concatenate(parts).astype(np.float32)
