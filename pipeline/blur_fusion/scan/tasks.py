"""What workers do: load the classifier of a job, once, and judge photos and videos."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.images.photo import Photo
from blur_fusion.images.thumbnails import SIDE, encoded, small_photo, thumbnail
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.model.prediction import Prediction

Pixels = npt.NDArray[np.uint8]
Frame = tuple[float, Pixels]  # its time in seconds; RGB of full size

_QUALITY = 95  # of frames that are written


class Answer(NamedTuple):
    """A prediction and, where asked for, a thumbnail of the photo."""

    prediction: Prediction
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What all tasks of a scan share.

    Attributes
    ----------
    model : str, optional
        Absolute path of a model folder, which other machines must see too; None is the model
        shipped with their blur.
    fingerprint : str
        Of the classifier; a worker that has another one refuses the job.
    threshold : float, optional
        None is the classifier's own; with 0 every photo gets its likely kind of blur.
    thumbnails : bool
        Whether answers have a thumbnail.
    every : int
        Every N-th frame of a video is analysed.
    frames : Path, optional
        Folder to write the kept frames of videos to.
    """

    model: str | None
    fingerprint: str
    threshold: float | None = 0.0
    thumbnails: bool = False
    every: int = 5
    frames: Path | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A file to judge."""

    place: str  # absolute path: workers may have another working directory
    path: str  # as the prediction has it
    video: bool = False
    known: Prediction | None = None  # where only the thumbnail is missing


_LOADED: dict[tuple[str | None, str], Classifier] = {}
_LOADING = threading.Lock()


def lend(job: JobSpec, classifier: Classifier) -> None:
    """Have the tasks of `job` use this classifier, here and in forked processes."""
    _LOADED[job.model, job.fingerprint] = classifier


def classifier_for(job: JobSpec) -> Classifier:
    """The classifier of `job`, loaded once per process.

    Raises
    ------
    BlurError
        There is no such model here, or it is another one.
    """
    key = job.model, job.fingerprint
    with _LOADING:
        if key not in _LOADED:
            cv2.setNumThreads(1)  # each thread has its own task
            classifier = load(job.model, threshold=job.threshold)
            same = classifier.fingerprint == job.fingerprint
            require(same, "has another model or version of blur; install the same one there")
            _LOADED[key] = classifier
        return _LOADED[key]


def problem_of(job: JobSpec) -> str | None:
    """Why this process cannot do `job`, in one line; None if it can."""
    try:
        classifier_for(job)
    except BlurError as error:
        return str(error)
    return None


def _answer(
    job: JobSpec, task: Task, prediction: Prediction, small: Pixels | None = None
) -> Answer:
    """The answer for a photo, with a thumbnail if the job asks for one."""
    if not job.thumbnails or prediction.error is not None:
        return Answer(prediction)
    if small is None:  # a JPEG is decoded again, at its smallest scale
        small = small_photo(task.place, prediction.size)
    return Answer(prediction, None if small is None else thumbnail(small))


def _frames(path: str, every: int) -> Iterator[Frame]:
    """Every `every`-th frame, the first included."""
    require(os.path.isfile(path), f"{path}: is not a file")  # a pipe may never end
    video = cv2.VideoCapture(path)
    try:
        require(video.isOpened(), f"{path}: is not a video that OpenCV can read, or is damaged")
        rate = video.get(cv2.CAP_PROP_FPS)
        number = 0
        while video.grab():
            if number % every == 0:
                # Some containers hold no times; then the frame rate gives them.
                time = max(video.get(cv2.CAP_PROP_POS_MSEC) / 1000, 0.0)
                if time == 0 and number and rate > 0:
                    time = number / rate
                done, pixels = video.retrieve()
                if done and pixels is not None:
                    yield time, np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)
            number += 1
        require(number > 0, f"{path}: has no frame that OpenCV can read")
    finally:
        video.release()


def _write(frame: Frame, path: str, folder: Path) -> None:
    """Write a frame as JPEG below `folder`; nothing is overwritten."""
    time, pixels = frame
    target = folder / f"{os.path.basename(path)}.frames" / f"{time:010.3f}.jpg"
    data = encoded(pixels, quality=_QUALITY)
    with os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(data)
        except FileExistsError:
            raise BlurError(f"{target}: already exists; left unchanged") from None


def judge_video(classifier: Classifier, path: str, job: JobSpec) -> list[Answer]:
    """The prediction for the sharpest frame of each second, also written if `job` asks for it.

    Paths end in "#t=" and the frame's time in seconds. What goes wrong is a failed prediction.
    """

    def judged(frame: Frame) -> tuple[Frame, Prediction]:
        (prediction,) = classifier.predict([Photo(frame[1], f"{path}#t={frame[0]:.3f}")])
        return frame, replace(prediction, frame_s=frame[0])

    def blur(pair: tuple[Frame, Prediction]) -> float:
        logit = pair[1].logit
        return math.inf if logit is None else logit

    kept: list[Answer] = []
    try:
        for _, frames in groupby(_frames(path, job.every), lambda frame: int(frame[0])):
            frame, prediction = min(map(judged, frames), key=blur)
            kept.append(Answer(prediction, thumbnail(frame[1]) if job.thumbnails else None))
            if job.frames is not None:
                _write(frame, path, job.frames)
    except Exception as error:  # also damage that no decoder foresaw
        kept.append(Answer(Prediction.caught(path, error)))
    return kept


def _renamed(answer: Answer, task: Task) -> Answer:
    """Under the path that was asked for, with a frame's time after it."""
    prediction, small = answer
    path = task.path + prediction.path.removeprefix(task.place)
    if prediction.path in (path, task.path):
        return answer
    return Answer(replace(prediction, path=path), small)


def run_tasks(job: JobSpec, tasks: Sequence[Task]) -> list[list[Answer]]:
    """Answers for each task: one, or one for each second of a video.

    Raises
    ------
    BlurError
        This process cannot do `job`. A file that cannot be judged is a failed prediction.
    """
    classifier = classifier_for(job)
    side = SIDE if job.thumbnails else 0
    new = [task.place for task in tasks if not task.video and task.known is None]
    photos = [Photo(place, thumbnail=side) for place in new]
    judged = zip(photos, classifier.predict(photos), strict=True)
    found = []
    for task in tasks:
        if task.video:
            answers = judge_video(classifier, task.place, job)
        elif task.known:  # the cache has no thumbnails
            answers = [_answer(job, task, task.known)]
        else:
            photo, prediction = next(judged)
            answers = [_answer(job, task, prediction, photo.small)]
        found.append([_renamed(answer, task) for answer in answers])
    return found
