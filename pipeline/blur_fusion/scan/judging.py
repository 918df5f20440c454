"""Verdicts on files, and what a threshold makes of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blur_fusion.errors import BlurError
from blur_fusion.images.working import open_working
from blur_fusion.model.prediction import Picture, Verdict


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ScanOptions:
    """How to scan.

    Attributes
    ----------
    workers : int
        Threads or processes; 0 is one for each core.
    cache : Path, optional
        File of verdicts that are kept between scans.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    frames : Path, optional
        Folder that the kept frames of videos are written to.
    warn : callable
        Told in one line what goes wrong beside the files, such as a damaged cache.
    """

    workers: int = 0
    cache: Path | None = None
    thumbnails: bool = False
    every: int = 5
    frames: Path | None = None
    warn: Callable[[str], None] = _silent

    def threads(self) -> int:
        """Number of threads; as `taskset` and containers limit it where the system says."""
        if self.workers:
            return self.workers
        allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
        return len(allowed(0)) if allowed else os.cpu_count() or 1


class Judge(Protocol):
    """What a scan needs of `blur_fusion.model.detector.BlurDetector`."""

    @property
    def long_side(self) -> int:
        """Of working images, in pixels."""

    @property
    def threshold(self) -> float:
        """Probability from which it calls a photo blurred, and tells the kind of blur."""

    @property
    def fingerprint(self) -> str:
        """Changes with whatever may change a verdict."""

    def judge_all(self, pictures: Sequence[Picture]) -> list[Verdict]:
        """Judge a few pictures; a verdict depends on its own alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and, where asked for, a small JPEG of the photo."""

    verdict: Verdict
    thumbnail: bytes | None = None


def settled(verdict: Verdict, threshold: float) -> Verdict:
    """A verdict under another threshold.

    Parameters
    ----------
    verdict : Verdict
        Of a detector with this threshold, or a lower one: its `kind` is the likely kind of blur.
    threshold : float
        Blurred where the probability reaches it.
    """
    if verdict.probability is None:
        return verdict
    blurred = verdict.probability >= threshold
    if blurred == verdict.blurred:
        return verdict
    return dataclasses.replace(verdict, blurred=blurred, kind=verdict.kind if blurred else "sharp")


def judge_picture(judge: Judge, picture: Picture, thumbnails: bool) -> Judged:
    """Judge a picture; with a thumbnail of it where asked for."""
    (verdict,) = judge.judge_all([picture])
    return _judged(verdict, picture, thumbnails)


def _judged(verdict: Verdict, picture: Picture, thumbnails: bool) -> Judged:
    if not thumbnails:
        return Judged(verdict)
    from blur_fusion.images.thumbnails import thumbnail

    return Judged(verdict, thumbnail(picture.working))


def _failed(path: str, error: Exception) -> Judged:
    """Whatever is wrong with a file is a failed verdict, nothing more."""
    if isinstance(error, BlurError):
        line = str(error)
    elif isinstance(error, MemoryError):
        line = "is too large for the memory of this machine"
    else:  # damage that no decoder foresaw must not end a scan of thousands
        line = f"cannot be judged ({type(error).__name__}: {error})"
    return Judged(Verdict.failed(path, line))


def _opened(path: str, long_side: int) -> Picture:
    opened = open_working(path, long_side)
    return Picture(opened.pixels, path, (opened.width, opened.height))


def judge_file(judge: Judge, path: str, thumbnails: bool = False) -> Judged:
    """Open and judge a file."""
    try:
        return judge_picture(judge, _opened(path, judge.long_side), thumbnails)
    except Exception as error:
        return _failed(path, error)


def judge_files(judge: Judge, paths: Sequence[str], thumbnails: bool = False) -> list[Judged]:
    """Open and judge a few files, all of them in each stage.

    So code and weights of a stage stay in the processor's cache; a tenth is saved.
    """
    found: dict[str, Judged] = {}
    pictures = []
    for path in paths:
        try:
            pictures.append(_opened(path, judge.long_side))
        except Exception as error:
            found[path] = _failed(path, error)
    try:
        for picture, verdict in zip(pictures, judge.judge_all(pictures), strict=True):
            found[picture.path] = _judged(verdict, picture, thumbnails)
    except Exception:  # of whichever: alone, only that one fails
        return [judge_file(judge, path, thumbnails) for path in paths]
    return [found[path] for path in paths]
