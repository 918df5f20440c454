"""Which photos show one scene in quick succession: by time or name, and by what they show."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.bursts.capture import Capture
from blur_fusion.images.formats import RAW, suffix
from blur_fusion.images.resize import shrunk

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

GAP = 2.0  # seconds; half of all cameras record whole ones
SIDE = 128  # pixels of the long side of a small picture: photographic blur is gone there
_COARSE = 8.0  # pixels; shading coarser than this moves no peak
_OVERLAP = 0.3  # share of the smaller picture that both must hold
_HASHED, _KEPT = 32, 8  # sides of the picture that is hashed, and of its lowest frequencies
_FLAT = 1e-3  # share of all energy; a part of a picture with less has nothing to align

# Bits of the hash, and likeness under the best shift. Of 600 pairs of unrelated photos none came
# below 18 bits or above .6; two in a hundred came above .44, which is enough where the clock says
# that nothing else can be.
_NEAR, _ALIKE = 14, 0.6
_NEAR_IN_TIME, ALIKE_IN_TIME = 20, 0.4


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, or a RAW file and the pictures of the same name beside it."""

    paths: tuple[str, ...]  # the first is the one to look at
    capture: Capture


class Shift(NamedTuple):
    """Position of a photo against another.

    Attributes
    ----------
    right, down : float
        How far content moves from the first photo to the second: shares of width and height.
    likeness : float
        Correlation where they overlap, -1..1.
    """

    right: float
    down: float
    likeness: float

    @property
    def size(self) -> float:
        """The larger of the two distances."""
        return max(abs(self.right), abs(self.down))


def small_picture(image: Pixels) -> Pixels:
    """A grey picture (h, w) with a long side of at most `SIDE`."""
    return shrunk(image, SIDE)


def perceptual_hash(image: Pixels) -> int:
    """64 bits that pictures of one scene nearly share, whatever their size, blur and exposure.

    Signs of the lowest frequencies of a cosine transform against their median: Zauner,
    "Implementation and benchmarking of perceptual image hash functions" (2010).

    Examples
    --------
    >>> ramp = np.add.outer(np.arange(64), np.arange(0, 128, 2)).astype(np.uint8)
    >>> distance(perceptual_hash(ramp), perceptual_hash(ramp // 2))
    0
    """
    square = cv2.resize(image, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(square.astype(np.float32))[:_KEPT, :_KEPT].ravel()
    waves[0] = 0  # the mean, which is exposure
    bits = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(first: int, second: int) -> int:
    """How many bits of two hashes differ; about 32 for unrelated pictures."""
    return (first ^ second).bit_count()


@lru_cache(maxsize=32)
def _ones(height: int, width: int, rows: int, columns: int) -> Any:
    return np.fft.rfft2(np.ones((height, width)), (rows, columns))


def _detail(image: Pixels) -> Floats:
    plane = image.astype(np.float32)
    return np.asarray(plane - cv2.GaussianBlur(plane, (0, 0), _COARSE), np.float64)


def _vertex(line: Floats, peak: int) -> float:
    """Offset from `peak` of the vertex of the parabola through it and its neighbours."""
    before, here, after = (float(line[(peak + step) % line.size]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    return (before - after) / (2 * bend) if bend < 0 else 0.0


def _signed(shift: float, extent: int) -> float:
    return shift - extent if shift > extent / 2 else shift


def align(first: Pixels, second: Pixels) -> Shift:
    """Find the shift under which two small pictures are most alike.

    Normalised correlation of their overlap, for all shifts at once: Padfield, "Masked object
    registration in the Fourier domain", IEEE TIP 21 (2012). Robust to exposure, blur and motion in
    the scene.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (h, w)
        From :func:`small_picture`.

    Returns
    -------
    Shift
        Its `likeness` is 0 if one of them has no content.

    Examples
    --------
    >>> scene = np.random.default_rng(0).integers(0, 255, (64, 96)).astype(np.uint8)
    >>> scene = cv2.GaussianBlur(scene, (0, 0), 2)
    >>> found = align(scene[:, :80], scene[:, 8:88])
    >>> round(found.right, 2), round(found.down, 2)
    (-0.1, 0.0)
    """
    (high, wide), (tall, broad) = first.shape, second.shape
    shape = cv2.getOptimalDFTSize(high + tall), cv2.getOptimalDFTSize(wide + broad)
    one, two = _detail(first), _detail(second)

    def lay(over: Any, under: Any) -> Floats:
        """For each shift, the sum of products of `over` with `under`, both transformed."""
        return np.fft.irfft2(over * under.conj(), shape)

    a, b = np.fft.rfft2(one, shape), np.fft.rfft2(two, shape)
    aa, bb = np.fft.rfft2(one**2, shape), np.fft.rfft2(two**2, shape)
    m, n = _ones(high, wide, *shape), _ones(tall, broad, *shape)
    count = np.maximum(np.rint(lay(n, m)), 1.0)
    sum_one, sum_two = lay(n, a), lay(b, m)
    spread_one = lay(n, aa) - sum_one**2 / count
    spread_two = lay(bb, m) - sum_two**2 / count
    floor = _FLAT * max(float(np.square(one).sum()) * float(np.square(two).sum()), 1.0)
    product = np.maximum(spread_one, 0) * np.maximum(spread_two, 0)
    joint = lay(b, a) - sum_one * sum_two / count
    enough = (count >= _OVERLAP * min(one.size, two.size)) & (product > floor)
    likeness = np.where(enough, joint / np.sqrt(np.maximum(product, floor)), 0.0)
    row, column = (int(place) for place in np.unravel_index(likeness.argmax(), shape))
    best = float(likeness[row, column])
    down = _signed(row + _vertex(likeness[:, column], row), shape[0])
    right = _signed(column + _vertex(likeness[row], column), shape[1])
    return Shift(2 * right / (wide + broad), 2 * down / (high + tall), min(best, 1.0))


def by_name(path: str) -> tuple[object, ...]:
    """Order of names as people read them: IMG_9 before IMG_10."""
    folder, name = os.path.split(path)
    parts = re.split(r"(\d+)", name.casefold())
    return folder, [int(part) if part.isdecimal() else part for part in parts], name


def shots(paths: Iterable[str]) -> list[list[str]]:
    """Group the files of one shot: equal names in a folder, if one of them is RAW."""

    def stem(path: str) -> str:
        return os.path.splitext(path)[0].casefold()

    found = []
    for _, same in groupby(sorted(paths, key=lambda p: (stem(p), suffix(p) in RAW, p)), stem):
        files = list(same)
        found += [files] if suffix(files[-1]) in RAW else [[file] for file in files]
    return found


def chains(found: Iterable[Shot], gap: float = GAP) -> list[list[Shot]]:
    """Split the shots of each folder and camera at pauses, in the order they were taken.

    Shots without a time are chained separately, by name.

    Parameters
    ----------
    found : iterable of Shot
    gap : float
        Longest time between two neighbours, in seconds.

    Returns
    -------
    list of list of Shot
        Each of at least two, ordered by folder and name of the first.
    """
    kept: list[list[Shot]] = []
    parts: dict[tuple[str, str, bool], list[Shot]] = {}
    for shot in found:
        timed = shot.capture.time is not None
        place = os.path.dirname(shot.paths[0]), shot.capture.camera, timed
        parts.setdefault(place, []).append(shot)
    for (_, _, timed), part in parts.items():
        part.sort(key=lambda shot: (shot.capture.time or 0.0, by_name(shot.paths[0])))
        kept.append(part[:1])
        for before, shot in pairwise(part):
            if timed and (shot.capture.time or 0.0) - (before.capture.time or 0.0) > gap:
                kept.append([])
            kept[-1].append(shot)
    return sorted((chain for chain in kept if len(chain) > 1), key=lambda c: by_name(c[0].paths[0]))


def _same_scene(first: Pixels, second: Pixels, timed: bool) -> bool:
    """Whether two small pictures show one scene, or parts of one that overlap by a third.

    `timed`: one is known to have been taken soon after the other.
    """
    if (first.shape[0] > first.shape[1]) != (second.shape[0] > second.shape[1]):
        return False
    near, alike = (_NEAR_IN_TIME, ALIKE_IN_TIME) if timed else (_NEAR, _ALIKE)
    if distance(perceptual_hash(first), perceptual_hash(second)) <= near:
        return True
    return align(first, second).likeness >= alike


def scenes(chain: Sequence[Shot], pictures: Iterable[Pixels | None]) -> Iterator[list[Shot]]:
    """Split a chain where neighbours do not show one scene; parts of at least two shots.

    Parameters
    ----------
    chain : sequence of Shot
    pictures : iterable of ndarray, or None for a photo that cannot be read
        From :func:`small_picture`, taken as they are needed.
    """
    scene: list[Shot] = []
    before: Pixels | None = None
    for shot, picture in zip(chain, pictures, strict=True):
        timed = shot.capture.time is not None
        if before is None or picture is None or not _same_scene(before, picture, timed):
            if len(scene) > 1:
                yield scene
            scene = []
        scene += [] if picture is None else [shot]
        before = picture
    if len(scene) > 1:
        yield scene
