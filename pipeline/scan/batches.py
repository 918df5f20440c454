"""What a worker of a cluster does: judge a batch of files with a model it loads once.

A batch writes nothing and depends on nothing but its files, so that one whose worker died may be
judged anew by another.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config.errors import BlurError, require
from pipeline.scan.judging import Judge, Judged, judge_files
from pipeline.serving.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Work:
    """What all batches of a scan share.

    Attributes
    ----------
    model : str, optional
        Path of a model folder, absolute where workers are other machines, which must see it too;
        None is the model of their blur.
    fingerprint : str
        Of the detector; a worker whose detector has another one does nothing.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    threshold : float
        Of the detector; 0 tells the likely kind of every photo.
    """

    model: str | None
    fingerprint: str
    thumbnails: bool = False
    every: int = 5
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """A file to judge.

    Attributes
    ----------
    place : str
        Its absolute path, as workers may have another working directory.
    path : str
        What the verdict calls it.
    video : bool
    known : Verdict, optional
        Where only the thumbnail is missing.
    """

    place: str
    path: str
    video: bool = False
    known: Verdict | None = None

    @property
    def photo(self) -> bool:
        """Whether a photo is to be judged."""
        return not self.video and self.known is None


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer to a whole batch; why, in one line."""

    reason: str


_LOADED: dict[tuple[str | None, str], Judge] = {}
_LOADING = threading.Lock()


def detector_for(work: Work) -> Judge:
    """The detector that `work` asks for, loaded once in a process.

    Raises
    ------
    BlurError
        Its model is not there, or verdicts would not be those of the machine that asks.
    """
    import cv2

    from pipeline.serving.detector import BlurDetector

    key = work.model, work.fingerprint
    with _LOADING:
        if key not in _LOADED:
            cv2.setNumThreads(1)  # the cluster has a task for each thread
            detector = BlurDetector(work.model, threshold=work.threshold)
            same = detector.fingerprint == work.fingerprint
            require(same, "has another model or version of blur; install the same one there")
            _LOADED[key] = detector
        return _LOADED[key]


def lend(work: Work, judge: Judge) -> None:
    """Let processes that are forked from this one judge with its detector."""
    _LOADED[work.model, work.fingerprint] = judge


def problem_of(work: Work) -> str | None:
    """Why this process cannot do `work`, in one line; None where it can."""
    try:
        detector_for(work)
    except BlurError as error:
        return str(error)
    return None


def _other(judge: Judge, work: Work, request: Request) -> list[Judged]:
    """The answer to what is no photo to judge."""
    if request.known is not None:
        from pipeline.report.thumbnails import file_thumbnail

        verdict = request.known
        size = (verdict.width, verdict.height) if verdict.width and verdict.height else None
        return [Judged(verdict, file_thumbnail(request.place, size))]
    from pipeline.scan.video import judge_video

    answer = judge_video(judge, request.place, work.every, work.thumbnails)
    return [_renamed(judged, request) for judged in answer]


def _renamed(judged: Judged, request: Request) -> Judged:
    """Under the name that it was asked for; a frame's time stays behind it."""
    path = request.path + judged.verdict.path.removeprefix(request.place)
    return dataclasses.replace(judged, verdict=dataclasses.replace(judged.verdict, path=path))


def judge_batch(work: Work, requests: Sequence[Request]) -> list[list[Judged]] | Lost:
    """Judge files; an answer for each, or none at all."""
    try:
        judge = detector_for(work)
        photos = [request.place for request in requests if request.photo]
        judged = iter(judge_files(judge, photos, work.thumbnails))
        return [
            [_renamed(next(judged), request)] if request.photo else _other(judge, work, request)
            for request in requests
        ]
    except Exception as error:  # this worker's trouble, not the photos'; another may have none
        return Lost(f"the worker cannot judge it ({' '.join(str(error).split())})")
