"""One file's verdict, and what a threshold makes of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError
from pipeline.images.opened import open_working
from pipeline.serving.verdict import Verdict

Pixels = npt.NDArray[np.uint8]


class Judge(Protocol):
    """What a scan needs of `pipeline.serving.detector.BlurDetector`."""

    @property
    def long_side(self) -> int:
        """Of working images, in pixels."""

    @property
    def fingerprint(self) -> str:
        """Changes with whatever may change a verdict."""

    def judge(self, working: Pixels, path: str, size: tuple[int, int]) -> Verdict:
        """Judge a working image (h, w) of a photo of (width, height) `size`."""


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
        Of a detector with threshold 0, so that its `kind` is the likely kind of blur.
    threshold : float
        Blurred where the probability reaches it.
    """
    if verdict.probability is None:
        return verdict
    blurred = verdict.probability >= threshold
    return dataclasses.replace(verdict, blurred=blurred, kind=verdict.kind if blurred else "sharp")


def judge_pixels(
    judge: Judge, pixels: Pixels, path: str, size: tuple[int, int], thumbnails: bool
) -> Judged:
    """Judge a working image; with a thumbnail of it where asked for."""
    verdict = judge.judge(pixels, path, size)
    if not thumbnails:
        return Judged(verdict)
    from pipeline.report.thumbnails import thumbnail

    return Judged(verdict, thumbnail(pixels))


def judge_file(judge: Judge, path: str, thumbnails: bool = False) -> Judged:
    """Open and judge a file; whatever is wrong with it is a failed verdict, nothing more."""
    try:
        opened = open_working(path, judge.long_side)
        size = opened.width, opened.height
        return judge_pixels(judge, opened.pixels, path, size, thumbnails)
    except BlurError as error:
        return Judged(Verdict.failed(path, str(error)))
    except MemoryError:
        return Judged(Verdict.failed(path, "is too large for the memory of this machine"))
    except Exception as error:  # damage that no decoder foresaw must not end a scan of thousands
        return Judged(Verdict.failed(path, f"cannot be judged ({type(error).__name__}: {error})"))
