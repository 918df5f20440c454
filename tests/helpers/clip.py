"""A video of two seconds, with one sharp frame in each."""

from pathlib import Path

import cv2
import numpy as np
import pytest

RATE, SHARP = 10, (3, 18)  # frames a second, and the sharp one of each of two seconds


def frame(number: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    generator = np.random.default_rng(4)
    image = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 1.2 if number in SHARP else 4)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def write_clip(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (160, 120))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MJPG")
    for number in range(20):
        writer.write(frame(number))
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi")
