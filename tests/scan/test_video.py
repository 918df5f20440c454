"""Videos: the sharpest frame of each second."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.judging import ScanOptions
from blur_fusion.scan.video import judge_video
from clip import RATE, SHARP, frame
from fake_judge import FakeJudge


def test_the_sharpest_of_each_second_is_kept(clip: Path) -> None:
    kept = judge_video(FakeJudge(), str(clip), 1)
    assert [judged.verdict.path for judged in kept] == [
        f"{clip}#t={number / RATE:.3f}" for number in SHARP
    ]
    assert (kept[0].verdict.width, kept[0].verdict.height) == (160, 120)


def test_every_few_frames(clip: Path) -> None:
    judge = FakeJudge()
    judge_video(judge, str(clip), 3)
    times = [float(path.rsplit("=", 1)[1]) for path in judge.judged]
    assert times == pytest.approx([number / RATE for number in range(0, 20, 3)], abs=1e-3)


def test_kept_frames_are_written_and_nothing_is_overwritten(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ScanOptions(every=1, frames=out, thumbnails=True)
    ((*kept,),) = scan([Found(str(clip))], FakeJudge(), options)
    assert [judged.verdict.error for judged in kept] == [None, None]
    assert all(judged.thumbnail for judged in kept)
    written = sorted(out.rglob("*.jpg"))
    assert [path.name for path in written] == ["000000.300.jpg", "000001.800.jpg"]
    image = cv2.imread(str(written[0]))
    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).astype(int) for each in (image, frame(3))]
    assert np.abs(grey[0] - grey[1]).mean() < 6
    before = written[0].read_bytes()
    again = judge_video(FakeJudge(), str(clip), 1, folder=out)
    assert "exists and stays as it is" in str(again[-1].verdict.error)
    assert written[0].read_bytes() == before


def test_damaged_video_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video" * 50)
    (judged,) = judge_video(FakeJudge(), str(path), 5)
    assert judged.verdict.error == "is no video that OpenCV can read, or is damaged"
