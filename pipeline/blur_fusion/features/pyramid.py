"""Pyramid of a grey image, and the spectrum that all parts of a picture share."""

from __future__ import annotations

from functools import cached_property, lru_cache
from math import hypot, sqrt

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.tiles import SCALE, Grid, Kind, Plane, Tiles, lowest_tenth, tile_sums
from blur_fusion.native.library import address, library

Floats = npt.NDArray[np.float32]

SIDE = 64  # pixels of a tile whose spectrum is taken


def _half_plane() -> tuple[npt.NDArray[np.intp], ...]:
    """Rows and columns of half a tile's frequencies, from low to high."""
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
    """Row and column (n, 2) of the corners of tiles that cover a plane; they may overlap."""
    down, across = (
        np.linspace(0, extent - SIDE, -(-extent // SIDE)).astype(np.int32)
        for extent in (height, width)
    )
    return np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1).reshape(-1, 2)


def _windowed(plane: Plane, corners: npt.NDArray[np.int32], pairs: int) -> Floats:
    """Tiles without their means under the window, in pairs as real and imaginary parts."""
    tiles = np.zeros((2 * pairs, SIDE, SIDE), np.float32)
    places = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in corners.tolist()]
    np.stack([plane[place] for place in places], out=tiles[: len(places)])
    tiles -= tiles.mean(axis=(1, 2), keepdims=True)  # exact: sums stay below 2^24
    tiles *= _WINDOW
    return np.ascontiguousarray(np.moveaxis(tiles.reshape(2, -1, SIDE), 0, -1))


def _take_apart(shared: Floats) -> Floats:
    """From transforms `shared` by two tiles to the powers of each."""
    found = shared.view(np.complex64).reshape(-1, SIDE * SIDE)
    first, second = found[:, _PLACE], found[:, _OPPOSITE].conj()
    waves = np.concatenate([first + second, first - second])
    return np.square(waves.real) + np.square(waves.imag)


def tile_powers(plane: Plane) -> Floats:
    """Power of each tile of `plane` at `PLACES`, shape (tiles, frequencies), squared grey levels.

    Two tiles share a transform, as its real and imaginary part: twice as fast, and OpenCV
    transforms a tile five times as fast as numpy. A plane smaller than `SIDE` is mirrored out to
    it.
    """
    below, beside = (max(0, SIDE - extent) for extent in plane.shape)
    if below or beside:
        padded = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
        plane = np.asarray(padded, dtype=np.int16)
    corners, compiled = _corners(*plane.shape), library()
    pairs = (len(corners) + 1) // 2  # the last may lack its second tile
    if compiled is None:
        shared = _windowed(plane, corners, pairs)
    else:
        shared = np.empty((pairs * SIDE, SIDE, 2), np.float32)
        compiled.blur_windowed(
            *(address(plane), plane.shape[1], address(corners), len(corners), SIDE),
            *(address(_WINDOW), address(shared)),
        )
    for start in range(0, len(shared), SIDE):
        cv2.dft(shared[start : start + SIDE], dst=shared[start : start + SIDE])
    if compiled is None:
        return _take_apart(shared)[: len(corners)]
    powers = np.empty((2 * pairs, len(_PLACE)), np.float32)
    compiled.blur_powers(
        *(address(shared), pairs, SIDE * SIDE),
        *(address(_PLACE), address(_OPPOSITE), len(_PLACE), address(powers)),
    )
    return powers[: len(corners)]


BANDS = ((0.03, 0.08), (0.08, 0.16), (0.16, 0.28), (0.28, 0.45))  # cycles per pixel
PARTS = tuple(
    f"{part}{band}" for band in range(len(BANDS)) for part in ("directed", "crossed", "uneven")
)
_SLIGHT = 0.1  # tiles with less of the strongest tile's energy do not count

_RADIUS, _ANGLE = np.hypot(*PLACES), np.arctan2(*PLACES)  # radii ascend


def _between(low: float, high: float) -> slice:
    """The slice of radii from `low` to below `high`."""
    return slice(*np.searchsorted(_RADIUS, (low, high)).tolist())


_MIDDLE, _CORNERS = _between(0.06, 0.3), _between(0.4, 1)  # no radius is 0.06, 0.3 or 0.4
_INSIDE = [_between(*band) for band in BANDS]
_USED = slice(_INSIDE[0].start, _INSIDE[-1].stop)
# Down and across, cycles per pixel, of what `common_spectrum` gives.
FREQUENCIES = PLACES[0][_USED], PLACES[1][_USED]


def _fit(inside: slice) -> npt.NDArray[np.float64]:
    """Weights (6, n) of what is taken from a band (n,).

    Two orthonormal rows for a line over log frequency, then the second and the fourth circular
    harmonic (unchanged by a half turn) of what that line leaves.
    """
    radius, angle = _RADIUS[inside], _ANGLE[inside]
    line = np.linalg.qr(np.stack([np.ones(radius.size), np.log(radius)], axis=1))[0].T
    turns = [wave(order * angle) / angle.size for order in (2, 4) for wave in (np.cos, np.sin)]
    return np.concatenate([line, turns - turns @ line.T @ line])


_FITS = [_fit(inside) for inside in _INSIDE]


def by_direction(common: Floats) -> Tiles:
    """How a common spectrum (frequencies,) depends on direction, shape (len(PARTS),), by band.

    `directed` is the size of its second circular harmonic (motion has one direction), `crossed`
    that of its fourth; `uneven` is all that frequency alone does not explain, double images too.
    """
    shared = common.astype(np.float64)
    values: list[float] = []
    for inside, fit in zip(_INSIDE, _FITS, strict=True):
        band = shared[inside.start - _USED.start : inside.stop - _USED.start]
        found = (fit @ band).tolist()
        left = float(band @ band) - found[0] ** 2 - found[1] ** 2
        values += [hypot(*found[2:4]), hypot(*found[4:]), sqrt(max(left, 0) / band.size)]
    return np.asarray(values, dtype=np.float64)


SMALLEST = 16  # pixels; a smaller level is extended by its own mirror image
ROUNDING = 1 / 12  # variance of rounding to whole grey levels: energy below it means nothing
LARGEST_NOISE = 4.0  # grey levels; where all tiles have fine texture, it would pass for noise
REBLUR_SIGMA = 1.0  # pixels


class Level:
    """One level: its plane, and sums over its tiles, each computed when first asked for.

    Energies (mean squares) are in squared grey levels and still include noise.
    """

    def __init__(self, plane: Plane, number: int, grid: Grid) -> None:
        height, width = plane.shape
        below = max(SMALLEST, height + height % 2) - height
        beside = max(SMALLEST, width + width % 2) - width
        if below or beside:  # mirrored to even height and width
            extended = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
            plane = np.asarray(extended, dtype=np.int16)
        self.plane = plane
        self.number = number
        self.grid = grid
        self.rounding = ROUNDING / 4**number
        self._sums: dict[Kind, Tiles] = {}

    def sums(self, kind: Kind) -> Tiles:
        """Sums of each difference of the kind over each tile, shape (kind.count, tiles)."""
        if kind not in self._sums:
            self._sums[kind] = tile_sums(self.plane, kind, self.grid)
        return self._sums[kind]

    @cached_property
    def slopes(self) -> Tiles:
        """Energies of the central differences along 0, 90, 45 and 135 degrees, (4, tiles)."""
        return np.concatenate([self.sums(Kind.STRAIGHT)[:2], self.sums(Kind.DIAGONAL)[:2]])

    @cached_property
    def bends(self) -> Tiles:
        """Energies of the second differences along 0, 90, 45 and 135 degrees, (4, tiles)."""
        return np.concatenate([self.sums(Kind.STRAIGHT)[2:4], self.sums(Kind.DIAGONAL)[2:]])

    @cached_property
    def gradient(self) -> Tiles:
        """Energy of the gradient: horizontal plus vertical."""
        across, down = self.sums(Kind.STRAIGHT)[:2]
        return np.asarray(across + down)

    @cached_property
    def reblurred(self) -> Plane:
        """The plane, blurred once more by a Gaussian."""
        return np.asarray(cv2.GaussianBlur(self.plane, (5, 5), REBLUR_SIGMA), np.int16)

    @cached_property
    def common_spectrum(self) -> npt.NDArray[np.float32]:
        """Mean log power spectrum at `FREQUENCIES` of the tiles with content."""
        power = tile_powers(self.plane)
        corners = power[:, _CORNERS].copy()
        middle = corners.shape[1] // 2
        corners.partition(middle, axis=1)  # medians of the rows, faster than numpy's
        medians = corners[:, middle]
        if corners.shape[1] % 2 == 0:
            medians = (corners[:, :middle].max(axis=1) + medians) / 2
        noise = max(lowest_tenth(medians), self.rounding)
        energy = power[:, _MIDDLE].mean(axis=1)
        used = power[energy >= _SLIGHT * energy.max(), _USED]
        used += np.float32(noise)
        return np.asarray(cv2.log(used, dst=used).mean(axis=0))

    @cached_property
    def haar(self) -> Tiles:
        """Energy of the three Haar detail bands: mean square that one halving takes away."""
        # Two of the bands share one plane: (a + b)^2 + (a - b)^2 = 2 (a^2 + b^2).
        return self.sums(Kind.HAAR_ROWS)[0] / 4 + self.sums(Kind.HAAR_COLUMNS)[0] / 16


class Pyramid:
    """Levels 0 (the working image), 1 (half its size by area averaging), ...

    `levels` are measured and one more is made, because bands are compared with their neighbour.
    There are `tiles` along the long side.
    """

    def __init__(self, image: npt.NDArray[np.uint8], levels: int, tiles: int) -> None:
        self.image = image
        self.grid = Grid.over(image.shape[0], image.shape[1], tiles)
        self.levels = [Level(image.astype(np.int16, order="C") * np.int16(SCALE), 0, self.grid)]
        for number in range(1, levels + 1):
            height, width = self.levels[-1].plane.shape
            size = width // 2, height // 2
            half = cv2.resize(self.levels[-1].plane, size, interpolation=cv2.INTER_AREA)
            self.levels.append(Level(np.asarray(half, np.int16), number, self.grid))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise in the calmest tiles, grey levels.

        Immerkaer, "Fast noise variance estimation", CVIU 64 (1996): the mean answer of a mask that
        is blind to edges and planes; every other row suffices.
        """
        deviations = self.levels[0].sums(Kind.CALM)[0] * np.sqrt(np.pi / 2) / 6
        return min(lowest_tenth(deviations), LARGEST_NOISE)

    def noise_variance(self, level: int) -> float:
        """Variance of white noise on `level`, rounding included; each level quarters it."""
        return float(max(self.noise**2, ROUNDING) / 4**level)

    @cached_property
    def content(self) -> Tiles:
        """Gradient of each tile above the noise, grey levels (root mean square, second level)."""
        level = self.levels[1]
        # A quarter more than the noise's own gradient: other tiles may hold more of it.
        clean = level.gradient - 5 * self.noise_variance(1)
        return np.asarray(np.sqrt(np.maximum(clean, 0)))
