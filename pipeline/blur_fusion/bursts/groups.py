"""Which photos belong together: by the time of capture, or by name, and by what they show."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from blur_fusion.bursts.alignment import Pixels, align, distance, perceptual_hash
from blur_fusion.bursts.capture import Capture
from blur_fusion.images.formats import RAW, suffix

GAP = 2.0  # seconds; half of the cameras write whole ones

# Bits of the hash, and likeness under the best shift. Of 600 pairs of photos that had nothing in
# common none came below 18 bits or above .6; two in a hundred came above .44, which is enough
# where the clock says that nothing else can be.
_NEAR, _ALIKE = 14, 0.6
_NEAR_IN_TIME, ALIKE_IN_TIME = 20, 0.4


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, or a RAW file and the pictures of the same name beside it.

    Attributes
    ----------
    paths : tuple of str
        The first is the one to look at.
    capture : Capture
    """

    paths: tuple[str, ...]
    capture: Capture


def by_name(path: str) -> tuple[object, ...]:
    """Order of names as people read them: IMG_9 before IMG_10."""
    folder, name = os.path.split(path)
    parts = re.split(r"(\d+)", name.casefold())
    return folder, [int(part) if part.isdecimal() else part for part in parts], name


def shots(paths: Iterable[str]) -> list[list[str]]:
    """Files of one shot together: those of one name in a folder where one of them is RAW."""

    def stem(path: str) -> str:
        return os.path.splitext(path)[0].casefold()

    found = []
    for _, same in groupby(sorted(paths, key=lambda p: (stem(p), suffix(p) in RAW, p)), stem):
        files = list(same)
        found += [files] if suffix(files[-1]) in RAW else [[file] for file in files]
    return found


def chains(found: Iterable[Shot], gap: float = GAP) -> list[list[Shot]]:
    """Shots of one folder and camera in the order in which they were taken, where pauses end.

    Those without a time are put in the order of their names, apart from the others.

    Parameters
    ----------
    found : iterable of Shot
    gap : float
        Longest time between two neighbours, in seconds.

    Returns
    -------
    list of list of Shot
        Each of at least two, by folder and name of the first.
    """
    kept: list[list[Shot]] = []
    parts: dict[tuple[str, str, bool], list[Shot]] = {}
    for shot in found:
        timed = shot.capture.time is not None
        place = os.path.dirname(shot.paths[0]), shot.capture.camera, timed
        parts.setdefault(place, []).append(shot)
    for (_, _, timed), part in parts.items():
        part.sort(key=lambda shot: by_name(shot.paths[0]))
        if timed:
            part.sort(key=lambda shot: shot.capture.time or 0.0)
        kept.append(part[:1])
        for before, shot in pairwise(part):
            if timed and (shot.capture.time or 0.0) - (before.capture.time or 0.0) > gap:
                kept.append([])
            kept[-1].append(shot)
    return sorted((chain for chain in kept if len(chain) > 1), key=lambda c: by_name(c[0].paths[0]))


def same_scene(first: Pixels, second: Pixels, timed: bool) -> bool:
    """Whether two small pictures show one scene, or parts of one that overlap by a third.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (h, w)
    timed : bool
        Whether it is known that one was taken soon after the other.
    """
    if (first.shape[0] > first.shape[1]) != (second.shape[0] > second.shape[1]):
        return False
    near, alike = (_NEAR_IN_TIME, ALIKE_IN_TIME) if timed else (_NEAR, _ALIKE)
    if distance(perceptual_hash(first), perceptual_hash(second)) <= near:
        return True
    return align(first, second).likeness >= alike


def scenes(chain: Sequence[Shot], pictures: Iterable[Pixels | None]) -> Iterator[list[Shot]]:
    """The parts of a chain whose neighbours show one scene, each of at least two.

    Parameters
    ----------
    chain : sequence of Shot
    pictures : iterable of ndarray, or None where a photo cannot be read
        Of :func:`blur_fusion.bursts.alignment.small_picture`, taken as they are needed.
    """
    scene: list[Shot] = []
    before: Pixels | None = None
    for shot, picture in zip(chain, pictures, strict=True):
        timed = shot.capture.time is not None
        if before is None or picture is None or not same_scene(before, picture, timed):
            if len(scene) > 1:
                yield scene
            scene = []
        scene += [] if picture is None else [shot]
        before = picture
    if len(scene) > 1:
        yield scene
