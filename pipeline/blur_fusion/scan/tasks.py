"""What workers do: load the classifier that a job names, once, and judge photos and videos."""

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
from blur_fusion.images.thumbnails import encoded, small_photo, thumbnail
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.model.prediction import Prediction

Frame = tuple[float, npt.NDArray[np.uint8]]  # its time in seconds; RGB of full size

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
        Absolute path of a model folder, which other machines must see too; None is the model that
        comes with their blur.
    fingerprint : str
        Of the classifier; a worker whose classifier has another one does nothing.
    threshold : float, optional
        Of the classifier, None its own; 0 tells the likely kind of every photo.
    thumbnails : bool
        Whether answers carry a thumbnail.
    every : int
        Of a video, the distance from one frame that is looked at to the next.
    frames : Path, optional
        Folder that the kept frames of videos are written to.
    """

    model: str | None
    fingerprint: str
    threshold: float | None = 0.0
    thumbnails: bool = False
    every: int = 5
    frames: Path | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A file to judge.

    Attributes
    ----------
    place : str
        Its absolute path, as workers may have another working directory.
    path : str
        What the prediction calls it.
    video : bool
    known : Prediction, optional
        Where only the thumbnail is missing.
    """

    place: str
    path: str
    video: bool = False
    known: Prediction | None = None


_LOADED: dict[tuple[str | None, str], Classifier] = {}
_LOADING = threading.Lock()


def lend(job: JobSpec, classifier: Classifier) -> None:
    """Have tasks of `job` use this classifier here, and in processes forked from this one."""
    _LOADED[job.model, job.fingerprint] = classifier


def classifier_for(job: JobSpec) -> Classifier:
    """The classifier that `job` asks for, loaded once in a process.

    Raises
    ------
    BlurError
        Its model is not there, or predictions would not be those of the machine that asks.
    """
    key = job.model, job.fingerprint
    with _LOADING:
        if key not in _LOADED:
            cv2.setNumThreads(1)  # there is a task for each thread
            classifier = load(job.model, threshold=job.threshold)
            same = classifier.fingerprint == job.fingerprint
            require(same, "has another model or version of blur; install the same one there")
            _LOADED[key] = classifier
        return _LOADED[key]


def problem_of(job: JobSpec) -> str | None:
    """Why this process cannot do `job`, in one line; None where it can."""
    try:
        classifier_for(job)
    except BlurError as error:
        return str(error)
    return None


def _answer(job: JobSpec, task: Task, prediction: Prediction) -> Answer:
    """The answer to a photo, with a thumbnail of its file if `job` asks so."""
    if not job.thumbnails or prediction.error is not None:
        return Answer(prediction)
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
                # Some containers tell no time; then the frame rate does.
                time = max(video.get(cv2.CAP_PROP_POS_MSEC) / 1000, 0.0)
                if time == 0 and number and rate > 0:
                    time = number / rate
                done, pixels = video.retrieve()
                if done and pixels is not None:
                    yield time, np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)
            number += 1
        require(number > 0, f"{path}: holds no frame that OpenCV can read")
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
            raise BlurError(f"{target}: exists and stays as it is") from None


def judge_video(classifier: Classifier, path: str, job: JobSpec) -> list[Answer]:
    """Judge the sharpest frame of each second.

    Parameters
    ----------
    classifier : Classifier
    path : str
        A video that OpenCV reads.
    job : JobSpec
        Says which frames are looked at, and whether those that are kept are written, in a folder
        named after the video.

    Returns
    -------
    list of Answer
        Paths end in "#t=" and the frame's time in seconds. What goes wrong is a failed prediction.
    """

    def look(frame: Frame) -> tuple[Frame, Answer]:
        photo = Photo(frame[1], f"{path}#t={frame[0]:.3f}")
        (prediction,) = classifier.predict([photo])
        prediction = replace(prediction, frame_s=frame[0])
        return frame, Answer(prediction)

    def blur(pair: tuple[Frame, Answer]) -> float:
        logit = pair[1].prediction.logit
        return math.inf if logit is None else logit

    kept: list[Answer] = []
    try:
        for _, frames in groupby(_frames(path, job.every), lambda frame: int(frame[0])):
            frame, answer = min(map(look, frames), key=blur)
            kept.append(answer._replace(thumbnail=thumbnail(frame[1]) if job.thumbnails else None))
            if job.frames is not None:
                _write(frame, path, job.frames)
    except Exception as error:  # also damage that no decoder foresaw
        kept.append(Answer(Prediction.caught(path, error)))
    return kept


def run_tasks(job: JobSpec, tasks: Sequence[Task]) -> list[list[Answer]]:
    """Answers to each task: one, or one for each second of a video.

    Raises
    ------
    BlurError
        This process cannot do `job`. What is wrong with a file is a failed prediction.
    """
    classifier = classifier_for(job)
    photos = [Photo(task.place) for task in tasks if not task.video and task.known is None]
    judged = iter(classifier.predict(photos))
    found = []
    for task in tasks:
        if task.video:
            answers = judge_video(classifier, task.place, job)
        else:  # the cache holds no pictures
            answers = [_answer(job, task, task.known or next(judged))]
        found.append([_renamed(answer, task) for answer in answers])
    return found


def _renamed(answer: Answer, task: Task) -> Answer:
    """Under the name that was asked for; a frame's time stays behind it."""
    prediction, small = answer
    path = task.path + prediction.path.removeprefix(task.place)
    if prediction.path in (path, task.path):
        return answer
    return Answer(replace(prediction, path=path), small)
