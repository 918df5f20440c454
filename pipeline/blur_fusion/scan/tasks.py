"""What workers do: load the classifier that a job names, once, and answer tasks."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2

from blur_fusion.errors import BlurError, require
from blur_fusion.images.photo import InputSpec, Photo
from blur_fusion.images.thumbnails import file_thumbnail, thumbnail
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.model.prediction import Prediction


class Answer(NamedTuple):
    """A prediction and, where asked for, a small JPEG of the photo."""

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
    threshold : float
        Of the classifier; 0 tells the likely kind of every photo.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    frames : Path, optional
        Folder that the kept frames of videos are written to.
    """

    model: str | None
    fingerprint: str
    threshold: float = 0.0
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


def answer_of(photo: Photo, prediction: Prediction, small_of: InputSpec | None) -> Answer:
    """The answer to a photo that was judged; where a spec is given, with that image, small."""
    if small_of is None or prediction.error is not None:
        return Answer(prediction)
    return Answer(prediction, thumbnail(photo.image(small_of)))


def run_tasks(job: JobSpec, tasks: Sequence[Task]) -> list[list[Answer]]:
    """Answers to each task: one, or one for each second of a video.

    Raises
    ------
    BlurError
        This process cannot do `job`. What is wrong with a file is a failed prediction.
    """
    classifier = classifier_for(job)
    photos = [Photo(task.place) for task in tasks if not task.video and task.known is None]
    judged = iter(zip(photos, classifier.predict(photos), strict=True))
    small_of = classifier.spec if job.thumbnails else None
    found = []
    for task in tasks:
        if task.video:
            from blur_fusion.scan.video import judge_video

            answers = judge_video(classifier, task.place, job.every, job.thumbnails, job.frames)
        elif task.known is not None:  # the cache holds no pictures
            width, height = task.known.width, task.known.height
            size = (width, height) if width and height else None
            answers = [Answer(task.known, file_thumbnail(task.place, size))]
        else:
            answers = [answer_of(*next(judged), small_of)]
        found.append([_renamed(answer, task) for answer in answers])
    return found


def _renamed(answer: Answer, task: Task) -> Answer:
    """Under the name that was asked for; a frame's time stays behind it."""
    prediction, small = answer
    path = task.path + prediction.path.removeprefix(task.place)
    if prediction.path in (path, task.path):
        return answer
    return Answer(dataclasses.replace(prediction, path=path), small)


def settled(prediction: Prediction, threshold: float) -> Prediction:
    """A prediction under another threshold.

    Parameters
    ----------
    prediction : Prediction
        Of a classifier with this threshold, or a lower one: its `kind` is the likely kind of blur.
    threshold : float
        Blurred where the probability reaches it.
    """
    if prediction.probability is None:
        return prediction
    blurred = prediction.probability >= threshold
    if blurred == prediction.blurred:
        return prediction
    kind = prediction.kind if blurred else "sharp"
    return dataclasses.replace(prediction, blurred=blurred, kind=kind)
