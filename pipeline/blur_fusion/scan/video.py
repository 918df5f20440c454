"""Videos: of each second, the sharpest of the frames that were looked at."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.tasks import Answer, answer_of

Pixels = npt.NDArray[np.uint8]

_QUALITY = 95  # of frames that are written


class _Frame(NamedTuple):
    time: float  # seconds
    pixels: Pixels  # BGR, full size


def _frames(path: str, every: int) -> Iterator[_Frame]:
    """Every `every`-th frame, the first included."""
    require(os.path.isfile(path), f"{path}: is no file")  # a pipe may never end
    video = cv2.VideoCapture(path)
    try:
        require(video.isOpened(), f"{path}: is no video that OpenCV can read, or is damaged")
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
                    yield _Frame(time, np.asarray(pixels, dtype=np.uint8))
            number += 1
        require(number > 0, f"{path}: holds no frame that OpenCV can read")
    finally:
        video.release()


def _write(frame: _Frame, path: str, folder: Path) -> None:
    """Write a frame as JPEG below `folder`; nothing is overwritten."""
    target = folder / f"{os.path.basename(path)}.frames" / f"{frame.time:010.3f}.jpg"
    done, data = cv2.imencode(".jpg", frame.pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    require(bool(done), f"{target}: OpenCV could not write the frame")
    with os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(data.tobytes())
        except FileExistsError:
            raise BlurError(f"{target}: exists and stays as it is") from None


def judge_video(
    classifier: Classifier,
    path: str,
    every: int,
    thumbnails: bool = False,
    folder: Path | None = None,
) -> list[Answer]:
    """Judge the sharpest frame of each second.

    Parameters
    ----------
    classifier : Classifier
    path : str
        A video that OpenCV reads.
    every : int
        Each how manieth frame is looked at.
    thumbnails : bool
        Whether answers carry a small JPEG.
    folder : Path, optional
        Where the kept frames are written, in a folder named after the video.

    Returns
    -------
    list of Answer
        Paths end in "#t=" and the frame's time in seconds. What goes wrong is a failed prediction.
    """

    def look(frame: _Frame) -> tuple[_Frame, Answer]:
        rgb = np.ascontiguousarray(frame.pixels[:, :, ::-1])
        photo = Photo(rgb, f"{path}#t={frame.time:.3f}")
        (prediction,) = classifier.predict([photo])
        prediction = dataclasses.replace(prediction, frame_s=frame.time)
        return frame, answer_of(photo, prediction, classifier.spec if thumbnails else None)

    def blur(pair: tuple[_Frame, Answer]) -> float:
        logit = pair[1].prediction.logit
        return np.inf if logit is None else logit

    kept: list[Answer] = []
    try:
        for _, frames in groupby(_frames(path, every), lambda frame: int(frame.time)):
            frame, answer = min(map(look, frames), key=blur)
            kept.append(answer)
            if folder is not None:
                _write(frame, path, folder)
    except Exception as error:  # also damage that no decoder foresaw
        kept.append(Answer(Prediction.caught(path, error)))
    return kept
