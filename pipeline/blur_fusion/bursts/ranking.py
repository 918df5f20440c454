"""Which photo of a burst is the sharpest at full resolution, and which ones tie with it.

Sharpness is measured in tiles by products of differences on neighbouring rows, which noise does not
raise, and compared only where any photo of the burst is sharp.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.bursts.groups import Floats, Pixels, small_picture

Tiles = npt.NDArray[np.float32]

SLOPES, BENDS, MEAN, SQUARE = range(4)  # planes of tiles
_CELLS = 8  # along each side of a tile; photos are aligned to whole cells
_SMALLEST = 2  # pixels of a cell

_SHARP = 0.9  # share of all fine detail that the compared tiles hold
_COMMON = 0.25  # share of tiles that all photos must hold to be compared aligned
# Standard errors: 5 % of 20 equal photos differ by more, the largest from the smallest
# (studentised range, Tukey 1949).
_ERRORS = 3.5
# Log of energy: what a Gaussian blur of a third of a pixel takes, which nobody sees; more than
# unequal noise changes by clipping and rounding.
_NOTHING = 0.03


def grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of square tiles that cover a picture, at most 32 of them along a side."""
    side = max(max(height, width) / 32, _CELLS * _SMALLEST)
    return max(1, round(height / side)), max(1, round(width / side))


def _differences(first: Tiles, middle: Tiles, last: Tiles) -> tuple[Tiles, Tiles]:
    """Slopes and bends of neighbours."""
    return last - first, last + first - 2 * middle


def _energies(image: Pixels, rows: int, columns: int) -> Tiles:
    """Energies of slopes and bends, (2, rows, columns), squared grey levels.

    A difference is not squared but multiplied by the one on the neighbouring row (or column): their
    noise is independent, so the products have mean zero however strong it is, while an edge is the
    same in both.
    """
    height, width = image.shape
    edges = np.linspace(0, height - 3, rows + 1).astype(int).tolist()
    found = np.empty((2, rows, width - 3), np.float32)
    for row, (top, bottom) in enumerate(pairwise(edges)):
        strip = image[top : max(bottom, top + 1) + 3].astype(np.float32)
        along_rows = _differences(strip[:, :-2], strip[:, 1:-1], strip[:, 2:])
        along_columns = _differences(strip[:-2], strip[1:-1], strip[2:])
        for kind, (beside, below) in enumerate(zip(along_rows, along_columns, strict=True)):
            sums = (beside[:-1] * beside[1:]).mean(axis=0)[: width - 3]
            found[kind, row] = sums + (below[:, :-1] * below[:, 1:]).mean(axis=0)[: width - 3]
    cells = [cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA) for one in found]
    return np.stack(cells).astype(np.float32)


def _to(shift: int, extent: int) -> slice:
    """The part of an extent that a picture moved by `shift` leaves."""
    return slice(max(0, -shift), extent - max(0, shift))


class Cells:
    """A photo's sharpness and content in small cells, to be laid over those of another photo.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Of full size.
    tiles : tuple of int
        Rows and columns, the same for all photos of a group.
    """

    def __init__(self, image: Pixels, tiles: tuple[int, int]) -> None:
        rows, columns = (count * _CELLS for count in tiles)
        # In grey levels over the width of the picture, so that photos of other sizes compare.
        energies = _energies(image, rows, columns) * np.float32(image.shape[1]) ** 2
        small = small_picture(image).astype(np.float32)
        mean = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
        self._planes = np.stack([*energies, mean, mean**2])
        self._tiles = tiles

    def tiles(self, right: float = 0.0, down: float = 0.0) -> Tiles:
        """Means over the tiles of the photo that this one is aligned to.

        Parameters
        ----------
        right, down : float
            From that photo to this one, as in :class:`blur_fusion.bursts.groups.Shift`.

        Returns
        -------
        ndarray, shape (4, rows, columns)
            `SLOPES`, `BENDS`, `MEAN` and `SQUARE`; NaN in tiles that this photo does not hold.
        """
        count, rows, columns = self._planes.shape
        below, beside = round(down * rows), round(right * columns)
        moved = np.full_like(self._planes, np.nan)
        if abs(below) < rows and abs(beside) < columns:
            moved[:, _to(below, rows), _to(beside, columns)] = self._planes[
                :, _to(-below, rows), _to(-beside, columns)
            ]
        parts = moved.reshape(count, self._tiles[0], _CELLS, self._tiles[1], _CELLS)
        return np.asarray(parts.mean(axis=(2, 4)))


class Place(NamedTuple):
    """A photo's place in its burst; `tie` if it shares the first with another."""

    rank: int
    tie: bool


def held_by_all(planes: Floats) -> npt.NDArray[np.bool_]:
    """The tiles (rows, columns) that all photos hold."""
    return np.asarray(~np.isnan(planes).any(axis=(0, 1)))


def contrast_variance(tiles: Floats, used: npt.NDArray[np.bool_]) -> float:
    """Variance of the small picture over tiles: exposure and contrast, which are not sharpness."""
    mean = tiles[MEAN][used].mean()
    return float(max(tiles[SQUARE][used].mean() - mean**2, 1e-3))


def _sharpest_tiles(detail: Floats, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where any photo is sharp: the fewest tiles (rows, columns) with most of the finest detail.

    `detail` is the energy of bends, (photos, rows, columns).
    """
    best = np.where(used, np.maximum(np.nan_to_num(detail).max(axis=0), 0), 0)
    descending = np.sort(best.ravel())[::-1]
    total = np.cumsum(descending)
    place = min(int(np.searchsorted(total, _SHARP * total[-1])), descending.size - 1)
    return used & (best >= descending[place])


def ranked(tiles: Sequence[Tiles], framed: Sequence[Tiles]) -> list[Place]:
    """Order photos of one scene.

    A photo's sharpness is the energy of its slopes, free from noise, over the tiles where any
    photo is sharp. Two photos tie within the standard error of the log ratio of their sums, which
    is estimated from the scatter over these tiles (delta method).

    Parameters
    ----------
    tiles : sequence of ndarray, shape (4, rows, columns)
        From :meth:`Cells.tiles`, each aligned to the first photo.
    framed : sequence of ndarray
        The same, not aligned; used if all photos share too little of the scene, as when a camera
        follows something.
    """
    planes = np.asarray(tiles, np.float64)
    used = held_by_all(planes)
    if used.mean() < _COMMON:
        planes = np.asarray(framed, np.float64)
        used = np.ones(planes.shape[2:], bool)
    variance = np.array([contrast_variance(one, used) for one in planes])[:, None, None]
    where = _sharpest_tiles(planes[:, BENDS] / variance, used)
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
