"""Which photo of a burst is the sharpest, and which ones cannot be told from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from blur_fusion.bursts.sharpness import BENDS, MEAN, SLOPES, SQUARE

Floats = npt.NDArray[np.float64]

_SHARP = 0.9  # share of all fine detail that the tiles hold which are compared
_COMMON = 0.25  # share of tiles that all photos must hold to be compared where the scene is
# Standard errors: 5 % of 20 equal photos differ by more, the largest from the smallest
# (studentised range, Tukey 1949).
_ERRORS = 3.5
# Log of energy. What a Gaussian blur of a third of a pixel takes, which nobody sees; more than
# what unequal noise does by clipping and rounding.
_NOTHING = 0.03


class Place(NamedTuple):
    """A photo's place in its burst; `tie` where it shares the first with another."""

    rank: int
    tie: bool


def held_by_all(planes: Floats) -> npt.NDArray[np.bool_]:
    """The tiles (rows, columns) that all photos hold."""
    return np.asarray(~np.isnan(planes).any(axis=(0, 1)))


def contrast_variance(tiles: Floats, used: npt.NDArray[np.bool_]) -> float:
    """Variance of the small picture over tiles: exposure and contrast, which are no sharpness."""
    mean = tiles[MEAN][used].mean()
    return float(max(tiles[SQUARE][used].mean() - mean**2, 1e-3))


def sharpest_tiles(detail: Floats, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where any photo is sharp: the fewest tiles that hold most of the finest detail.

    Parameters
    ----------
    detail : ndarray, shape (photos, rows, columns)
        Energy of bends.
    used : ndarray of bool, shape (rows, columns)
    """
    best = np.where(used, np.maximum(np.nan_to_num(detail).max(axis=0), 0), 0)
    ranked = np.sort(best.ravel())[::-1]
    total = np.cumsum(ranked)
    place = min(int(np.searchsorted(total, _SHARP * total[-1])), ranked.size - 1)
    return used & (best >= ranked[place])


def ranked(
    tiles: Sequence[npt.NDArray[np.float32]], framed: Sequence[npt.NDArray[np.float32]]
) -> list[Place]:
    """Order photos of one scene.

    A photo's sharpness is the energy of its slopes, free from noise, over the tiles where any
    photo is sharp. The noise of the difference between two photos is measured from its scatter
    over these tiles: the standard error of a log ratio of sums (delta method).

    Parameters
    ----------
    tiles : sequence of ndarray, shape (4, rows, columns)
        Of :meth:`blur_fusion.bursts.sharpness.Cells.tiles`, each moved to fit the first photo.
    framed : sequence of ndarray
        The same, not moved; used where too little of the scene is in all photos, as when a camera
        follows something.
    """
    planes = np.asarray(tiles, np.float64)
    used = held_by_all(planes)
    if used.mean() < _COMMON:
        planes = np.asarray(framed, np.float64)
        used = np.ones(planes.shape[2:], bool)
    variance = np.array([contrast_variance(one, used) for one in planes])[:, None, None]
    where = sharpest_tiles(planes[:, BENDS] / variance, used)
    slopes = (planes[:, SLOPES] / variance)[:, where]
    total = np.maximum(slopes.sum(axis=1), 1e-9)
    order = np.argsort(-total, kind="stable")
    best = int(order[0])
    shares = slopes / total[:, None]
    error = np.sqrt(np.square(shares - shares[best]).sum(axis=1))
    near = np.log(total[best] / total) <= np.maximum(_ERRORS * error, _NOTHING)
    shared = int(near.sum()) > 1
    places = {int(photo): number for number, photo in enumerate(order, 1)}
    return [Place(places[photo], bool(near[photo]) and shared) for photo in range(len(planes))]
