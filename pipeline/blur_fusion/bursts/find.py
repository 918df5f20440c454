"""From files to bursts: the place of each photo in its own, remembered in the scan's cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from blur_fusion.bursts.capture import Capture, read_capture
from blur_fusion.bursts.groups import (
    ALIKE_IN_TIME,
    GAP,
    SIDE,
    Pixels,
    Shift,
    Shot,
    align,
    chains,
    scenes,
    shots,
    small_picture,
)
from blur_fusion.bursts.ranking import Cells, Place, grid, ranked
from blur_fusion.bursts.series import recognise
from blur_fusion.images.decode import decode
from blur_fusion.parallel import ordered_map, progress_bar
from blur_fusion.scan.cache import Cache
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.tasks import Answer
from blur_fusion.startup import one_opencv_thread

# Pixels of the long side. JPEGs are decoded at full size up to four times this; of RAW files the
# camera's preview is taken if it is at least as large, else half the size.
_FULL = 4096
_SMALLEST = 16  # pixels of a side that can be compared
_HEADER, _RESULT = "capture 1", "bursts 1"  # names of cached values, with versions


class Mark(NamedTuple):
    """What is said of a photo that is not alone."""

    burst: int  # from 1
    rank: int | None = None  # 1 is the sharpest; None in a series, or if it cannot be read
    tie: bool | None = None  # whether it shares the first place
    series: str | None = None  # see `blur_fusion.bursts.series`


class Burst(NamedTuple):
    """Photos of one scene and the place of each, None in a series."""

    shots: Sequence[Shot]
    places: Sequence[Place | None]
    series: str | None = None


def _picture(path: str, long_side: int) -> Pixels | None:
    """Grey; None if the file cannot be read, which is reported when it is judged."""
    try:
        found = decode(path, path, long_side)
    except Exception:  # decoders raise anything on damaged files
        return None
    whole = found.note is None and min(found.pixels.shape) >= _SMALLEST
    return found.pixels if whole else None


def judge(scene: Sequence[Shot]) -> Burst:
    """Rank photos of one scene in the order they were taken, or recognise a series.

    One is decoded at a time; what is kept of each takes some 30 kB.
    """
    tiles, framed, shifts, steps, seen = [], [], [], [], []
    first = before = None
    for number, shot in enumerate(scene):
        image = _picture(shot.paths[0], _FULL)
        if image is None:
            continue
        small = small_picture(image)
        if first is None or before is None:
            first, shape, shift = small, grid(*image.shape), Shift(0.0, 0.0, 1.0)
        else:
            step, direct = align(before, small), align(first, small)
            steps.append(step)
            if direct.likeness >= ALIKE_IN_TIME:
                shift = direct
            elif step.likeness >= ALIKE_IN_TIME:
                shift = Shift(shift.right + step.right, shift.down + step.down, step.likeness)
        before = small
        cells = Cells(image, shape)
        tiles.append(cells.tiles(shift.right, shift.down))
        framed.append(cells.tiles())
        shifts.append(shift)
        seen.append(number)
    places: list[Place | None] = [None] * len(scene)
    if len(seen) < 2:
        return Burst(scene, places)
    series = recognise([scene[number].capture for number in seen], tiles, shifts, steps)
    if series is None:
        for number, place in zip(seen, ranked(tiles, framed), strict=True):
            places[number] = place
    return Burst(scene, places, series)


def _small(path: str) -> Pixels | None:
    picture = _picture(path, SIDE)
    return None if picture is None else small_picture(picture)


class _Chain:
    """A chain of shots, and its bursts as the cache has them."""

    def __init__(self, found: Sequence[Shot], cache: Cache) -> None:
        self.shots, self._cache = found, cache
        self._key, known = cache.recall(_RESULT, [shot.paths[0] for shot in found])
        self.known = known is not None
        self.bursts = [
            Burst(
                [found[number] for number in numbers],
                [Place(*place) if place else None for place in places],
                series,
            )
            for numbers, places, series in known or []
        ]

    def keep(self) -> None:
        """Write the bursts to the cache."""
        number = {id(shot): place for place, shot in enumerate(self.shots)}
        value = [
            [[number[id(shot)] for shot in burst.shots], burst.places, burst.series]
            for burst in self.bursts
        ]
        self._cache.note(self._key, value)


def _captured(path: str, cache: Cache) -> Capture:
    key, known = cache.recall(_HEADER, [path])
    if known is not None:
        return Capture(*known)
    capture = read_capture(path)
    cache.note(key, astuple(capture))
    return capture


def _judge_all(waiting: Sequence[_Chain], workers: int) -> None:
    """Find and judge the bursts of each chain, with progress on a terminal."""
    number = sum(len(chain.shots) for chain in waiting)
    bar = progress_bar(number, "bursts", "photo") if sys.stderr.isatty() and number else None
    paths = (shot.paths[0] for chain in waiting for shot in chain.shots)
    pictures = ordered_map(_small, paths, workers)

    def found() -> Iterator[tuple[_Chain, list[Shot]]]:
        for chain in waiting:
            for scene in scenes(chain.shots, (next(pictures) for _ in chain.shots)):
                yield chain, scene

    def judged() -> Iterator[tuple[_Chain, Burst]]:
        for chain, burst in ordered_map(lambda pair: (pair[0], judge(pair[1])), found(), workers):
            if bar is not None:
                bar.update(len(burst.shots))
            yield chain, burst

    with bar if bar is not None else nullcontext():
        for chain, bursts in groupby(judged(), lambda pair: pair[0]):
            chain.bursts = [burst for _, burst in bursts]
            chain.keep()  # at once: an interrupted run resumes here
    for chain in waiting:
        if not chain.bursts:
            chain.keep()


def find_bursts(
    paths: Sequence[str], gap: float = GAP, cache: Cache | None = None, workers: int = 0
) -> dict[str, Mark]:
    """Find photos of one scene in quick succession, and rank them by sharpness.

    Parameters
    ----------
    paths : sequence of str
        Photos, in any order.
    gap : float
        Longest time between two neighbours of a burst, in seconds.
    cache : Cache, optional
        Remembers headers, and bursts of unchanged files.
    workers : int
        Threads; 0 is one for each core.

    Returns
    -------
    dict of str to Mark
        For each photo that is not alone; bursts are numbered in the order of `paths`.
    """
    memory = cache or Cache(None, "")
    with one_opencv_thread():
        found = [Shot(tuple(files), _captured(files[0], memory)) for files in shots(paths)]
        all_chains = [_Chain(chain, memory) for chain in chains(found, gap)]
        _judge_all([chain for chain in all_chains if not chain.known], workers)
    order = {path: number for number, path in enumerate(paths)}

    def first(burst: Burst) -> int:
        return min(order[path] for shot in burst.shots for path in shot.paths)

    bursts = sorted((burst for chain in all_chains for burst in chain.bursts), key=first)
    return {
        path: Mark(number, place and place.rank, place and place.tie, burst.series)
        for number, burst in enumerate(bursts, 1)
        for shot, place in zip(burst.shots, burst.places, strict=True)
        for path in shot.paths
    }


def _marked(answers: Iterable[Answer], marks: Mapping[str, Mark]) -> list[Answer]:
    """Answers with the places of their photos; a series is named in the note."""
    found = []
    for answer in answers:
        prediction = answer.prediction
        if (mark := marks.get(prediction.path)) is not None:
            burst, rank, tie, series = mark
            notes = (prediction.note, series and f"{series}, left alone")
            note = "; ".join(filter(None, notes)) or None
            prediction = replace(prediction, burst=burst, rank=rank, tie=tie, note=note)
        found.append(answer._replace(prediction=prediction))
    return found


def burst_marker(
    files: Iterable[Found], gap: float | None = None, cache: Path | None = None, workers: int = 0
) -> Callable[[list[Answer]], list[Answer]]:
    """Find the bursts of a scan before it begins.

    Parameters
    ----------
    files : iterable of Found
        What will be scanned; videos are skipped.
    cache : Path, optional
        The scan's own; the scan reports if it cannot be used.

    Returns
    -------
    callable
        Sets `burst`, `rank` and `tie` in the answers of a scan.
    """
    photos = [one.path for one in files if one.problem is None and not one.video]
    with Cache(cache, "") as memory:
        marks = find_bursts(photos, GAP if gap is None else gap, memory, workers)
    return lambda answers: _marked(answers, marks)
