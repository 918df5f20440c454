"""How sharp each part of a photo is at full resolution, by a measure that noise does not raise."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.bursts.alignment import small_picture

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_CELLS = 8  # of a tile along each side: what is moved to fit is moved by whole cells
_SMALLEST = 2  # pixels of a cell
SLOPES, BENDS, MEAN, SQUARE = range(4)  # what is known of a tile


def grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of square tiles that cover a picture, at most 32 of them along a side."""
    side = max(max(height, width) / 32, _CELLS * _SMALLEST)
    return max(1, round(height / side)), max(1, round(width / side))


def _across(strip: Floats, along: int) -> tuple[Floats, Floats]:
    """Slopes and bends along an axis, of as many rows and columns each."""
    first, last = (strip[part] if along == 0 else strip[:, part] for part in _ENDS)
    middle = strip[1:-1] if along == 0 else strip[:, 1:-1]
    return last - first, last + first - 2 * middle


_ENDS = slice(None, -2), slice(2, None)


def _energies(image: Pixels, rows: int, columns: int) -> Floats:
    """Energies of slopes and bends, (2, rows, columns), squared grey levels.

    A difference is not squared but multiplied with that on the neighbouring row (or column): the
    noise of both is independent, so that its products have mean zero however strong it is, while
    an edge is the same in both.
    """
    height, width = image.shape
    edges = np.linspace(0, height - 3, rows + 1).astype(int).tolist()
    found = np.empty((2, rows, width - 3), np.float32)
    for row, (top, bottom) in enumerate(pairwise(edges)):
        strip = image[top : max(bottom, top + 1) + 3].astype(np.float32)
        for kind, (beside, below) in enumerate(
            zip(_across(strip, 1), _across(strip, 0), strict=True)
        ):
            sums = (beside[:-1] * beside[1:]).mean(axis=0)[: width - 3]
            found[kind, row] = sums + (below[:, :-1] * below[:, 1:]).mean(axis=0)[: width - 3]
    cells = [cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA) for one in found]
    return np.stack(cells).astype(np.float32)


class Cells:
    """A photo's sharpness and content in small cells, to be laid over that of another photo.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Of full size.
    tiles : tuple of int
        Rows and columns, the same for all photos of a group.
    """

    def __init__(self, image: Pixels, tiles: tuple[int, int]) -> None:
        rows, columns = (count * _CELLS for count in tiles)
        # In grey levels for the width of the picture: photos of other sizes can be compared.
        energies = _energies(image, rows, columns) * np.float32(image.shape[1]) ** 2
        small = small_picture(image).astype(np.float32)
        mean = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
        self._planes = np.stack([*energies, mean, mean**2])
        self._tiles = tiles

    def tiles(self, right: float = 0.0, down: float = 0.0) -> Floats:
        """Means over the tiles of the photo that this one is moved against.

        Parameters
        ----------
        right, down : float
            As in :class:`blur_fusion.bursts.alignment.Shift`, from that photo to this one.

        Returns
        -------
        ndarray, shape (4, rows, columns)
            `SLOPES`, `BENDS`, `MEAN` and `SQUARE`; NaN for tiles that this photo does not hold.
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


def _to(shift: int, extent: int) -> slice:
    """What another picture, moved by `shift`, leaves of this one's extent."""
    return slice(max(0, -shift), extent - max(0, shift))
