"""Videos: of each second, the sharpest of the frames that were looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.images.working import open_working
from blur_fusion.model.prediction import Picture, Verdict
from blur_fusion.scan.judging import Judge, Judged, judge_picture

Pixels = npt.NDArray[np.uint8]

_QUALITY = 95  # of frames that are written


@dataclass(frozen=True)
class _Frame:
    second: int
    time: float
    pixels: Pixels  # BGR, full size


def _frames(path: str, every: int) -> Iterator[_Frame]:
    """Every `every`-th frame, the first included."""
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
                    yield _Frame(int(time), time, np.asarray(pixels, dtype=np.uint8))
            number += 1
        require(number > 0, f"{path}: holds no frame that OpenCV can read")
    finally:
        video.release()


def _write(frame: _Frame, path: str, folder: Path) -> None:
    """Write a frame as JPEG below `folder`; nothing is overwritten."""
    target = folder / f"{os.path.basename(path)}.frames" / f"{frame.time:010.3f}.jpg"
    done, data = cv2.imencode(".jpg", frame.pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    require(bool(done), f"{target}: OpenCV could not write the frame")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data.tobytes())
    except FileExistsError:
        raise BlurError(f"{target}: exists and stays as it is") from None
    except OSError as error:
        raise BlurError(f"{target}: cannot be written ({error.strerror or error})") from None


def _look(judge: Judge, frame: _Frame, path: str, thumbnails: bool) -> Judged:
    rgb = np.ascontiguousarray(frame.pixels[:, :, ::-1])
    opened = open_working(rgb, judge.long_side)
    name, size = f"{path}#t={frame.time:.3f}", (opened.width, opened.height)
    return judge_picture(judge, Picture(opened.pixels, name, size), thumbnails)


def _score(judged: Judged) -> float:
    return judged.verdict.logit if judged.verdict.logit is not None else np.inf


def judge_video(
    judge: Judge, path: str, every: int, thumbnails: bool = False, folder: Path | None = None
) -> list[Judged]:
    """Judge the sharpest frame of each second.

    Parameters
    ----------
    judge : Judge
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
    list of Judged
        Paths end in "#t=" and the frame's time in seconds. What goes wrong is a failed verdict.
    """
    kept: list[Judged] = []
    best: tuple[_Frame, Judged] | None = None

    def keep() -> None:
        if best is not None:
            kept.append(best[1])
            if folder is not None:
                _write(best[0], path, folder)

    try:
        for frame in _frames(path, every):
            judged = _look(judge, frame, path, thumbnails)
            if best is None or frame.second != best[0].second:
                keep()
                best = frame, judged
            elif _score(judged) < _score(best[1]):
                best = frame, judged
        keep()
    except BlurError as error:
        kept.append(Judged(Verdict.failed(path, str(error))))
    except Exception as error:  # damage that no decoder foresaw must not end a scan
        line = f"cannot be judged ({type(error).__name__}: {error})"
        kept.append(Judged(Verdict.failed(path, line)))
    return kept
