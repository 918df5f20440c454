"""Videos: the sharpest frame of each second."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fake_classifier import FakeClassifier, scan_here
from pictures import RATE, SHARP, frame


def test_the_sharpest_of_each_second_is_kept(clip: Path) -> None:
    kept = [answer.prediction for answer in scan_here(clip, FakeClassifier(), every=1)]
    assert [one.path for one in kept] == [f"{clip}#t={number / RATE:.3f}" for number in SHARP]
    assert (kept[0].width, kept[0].height) == (160, 120)
    few = FakeClassifier()
    scan_here(clip, few, every=3)
    times = [float(path.rsplit("=", 1)[1]) for path in few.judged]
    assert times == pytest.approx([number / RATE for number in range(0, 20, 3)], abs=1e-3)


def test_kept_frames_are_written_and_nothing_is_overwritten(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = scan_here(clip, FakeClassifier(), every=1, frames=out, thumbnails=True)
    assert [answer.prediction.error for answer in kept] == [None, None]
    assert all(answer.thumbnail for answer in kept)
    written = sorted(out.rglob("*.jpg"))
    assert [path.name for path in written] == ["000000.300.jpg", "000001.800.jpg"]
    images = (cv2.imread(str(written[0])), frame(SHARP[0]))
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(int) for image in images]
    assert np.abs(grey[0] - grey[1]).mean() < 6
    before = written[0].read_bytes()
    again = scan_here(clip, FakeClassifier(), every=1, frames=out)
    assert "exists and stays as it is" in str(again[-1].prediction.error)
    assert written[0].read_bytes() == before


def test_damaged_video_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video" * 50)
    (answer,) = scan_here(path, FakeClassifier())
    assert answer.prediction.error == "is not a video that OpenCV can read, or is damaged"
