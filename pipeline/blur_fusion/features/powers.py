"""Power spectra of a plane's tiles.

Two tiles share a transform, as its real and imaginary part: twice as fast, and OpenCV transforms a
tile five times as fast as numpy.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.planes import SCALE, Plane, Scratch
from blur_fusion.native.library import address, library

SIDE = 64  # pixels of a tile

Floats = npt.NDArray[np.float32]


def _half_plane() -> tuple[npt.NDArray[np.intp], ...]:
    """Rows and columns of a tile's frequencies, half of them, from low to high."""
    down, across = np.mgrid[:SIDE, : SIDE // 2 + 1].reshape(2, -1)
    order = np.argsort(np.hypot((down + SIDE // 2) % SIDE - SIDE // 2, across), kind="stable")
    return down[order], across[order]


_DOWN, _ACROSS = _half_plane()
# Frequencies, cycles per pixel down and across; the radius ascends.
PLACES = np.fft.fftfreq(SIDE)[_DOWN], np.fft.rfftfreq(SIDE)[_ACROSS]
_PLACE, _OPPOSITE = (
    np.asarray(places, np.int64)
    for places in (_DOWN * SIDE + _ACROSS, -_DOWN % SIDE * SIDE + -_ACROSS % SIDE)
)
_HANNING = np.hanning(SIDE + 2)[1:-1]
# Power by area, in squared grey levels; the half is that of `_take_apart`.
_WINDOW = (np.outer(_HANNING, _HANNING) / np.square(_HANNING).sum() / SCALE / 2).astype(np.float32)


@lru_cache(maxsize=64)
def _corners(height: int, width: int) -> npt.NDArray[np.int32]:
    """Row and column (n, 2) where tiles begin that cover a plane; they may overlap."""
    down, across = (
        np.linspace(0, extent - SIDE, -(-extent // SIDE)).astype(np.int32)
        for extent in (height, width)
    )
    return np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1).reshape(-1, 2)


def _windowed(plane: Plane, corners: npt.NDArray[np.int32], shared: Floats) -> None:
    """Tiles without their means under the window: half of them as real parts of `shared`."""
    count = len(shared) // SIDE * 2
    tiles = np.zeros((count, SIDE, SIDE), np.float32)
    places = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in corners.tolist()]
    np.stack([plane[place] for place in places], out=tiles[: len(places)])
    tiles -= tiles.mean(axis=(1, 2), keepdims=True)  # exact: sums stay below 2^24
    tiles *= _WINDOW
    parts = tiles.reshape(2, -1, SIDE)
    cv2.merge((parts[0], parts[1]), dst=shared)


def _take_apart(shared: Floats, powers: Floats, scratch: Scratch) -> None:
    """From transforms `shared` by two tiles to the `powers` of each."""
    pairs = len(powers) // 2
    found = shared.view(np.complex64).reshape(pairs, SIDE * SIDE)
    taken = scratch.floats("taken", (pairs, len(_PLACE), 2))
    parts = scratch.floats("parts", (4, pairs, len(_PLACE)))
    for place, half in ((_PLACE, parts[:2]), (_OPPOSITE, parts[2:])):
        np.take(found, place, axis=1, out=taken.view(np.complex64)[:, :, 0], mode="clip")
        cv2.split(taken, tuple(half))
    real, imaginary, opposite_real, opposite_imaginary = parts
    np.add(real, opposite_real, out=powers[:pairs])
    np.subtract(real, opposite_real, out=powers[pairs:])
    np.subtract(imaginary, opposite_imaginary, out=parts[0])
    np.add(imaginary, opposite_imaginary, out=parts[1])
    powers *= powers
    parts[:2] *= parts[:2]
    powers += parts[:2].reshape(powers.shape)


def tile_powers(plane: Plane, scratch: Scratch) -> Floats:
    """Power of each tile at `PLACES`, shape (tiles, frequencies), squared grey levels.

    Parameters
    ----------
    plane : ndarray of int16, shape (h, w)
        Grey levels times `SCALE`; mirrored out to `SIDE` where it is smaller.
    scratch : Scratch
        Memory to use, which holds the answer until it is asked for other powers.
    """
    below, beside = (max(0, SIDE - extent) for extent in plane.shape)
    if below or beside:
        padded = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
        plane = np.asarray(padded, dtype=np.int16)
    corners = _corners(*plane.shape)
    pairs = (len(corners) + 1) // 2  # the last may lack its second tile
    shared = scratch.floats("shared", (pairs * SIDE, SIDE, 2))
    powers = scratch.floats("powers", (2 * pairs, len(_PLACE)))
    compiled = library()
    if compiled is None:
        _windowed(plane, corners, shared)
    else:
        compiled.blur_windowed(
            *(address(plane), plane.shape[1], address(corners), len(corners), SIDE),
            *(address(_WINDOW), address(shared)),
        )
    for start in range(0, len(shared), SIDE):
        cv2.dft(shared[start : start + SIDE], dst=shared[start : start + SIDE])
    if compiled is None:
        _take_apart(shared, powers, scratch)
    else:
        compiled.blur_powers(
            *(address(shared), pairs, SIDE * SIDE),
            *(address(_PLACE), address(_OPPOSITE), len(_PLACE), address(powers)),
        )
    return powers[: len(corners)]
