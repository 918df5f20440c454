"""Judging one photo stays a short way, and leaves the program as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np
import pytest

import blur_fusion
from blur_fusion.model.classifier import BlurDetector
from pictures import noise
from tiny_model import write_tiny_model

FILES, FUNCTIONS = 16, 85


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "blurred.jpg"
    smooth = cv2.GaussianBlur(noise(960, 1280), (0, 0), 9)
    cv2.imwrite(str(path), cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX))
    return path


def test_one_photo_takes_few_files_and_functions(photo: Path) -> None:
    detector, root = BlurDetector(), str(Path(blur_fusion.__file__).parent)
    assert detector.predict(photo)[0].blurred  # and so a kind is told
    seen: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, given: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(root) and "<" not in code.co_name:
            seen.add((code.co_filename, code.co_name))

    sys.setprofile(note)
    try:
        detector.predict(photo)
    finally:
        sys.setprofile(None)
    assert len({file for file, _ in seen}) <= FILES
    assert len(seen) <= FUNCTIONS, sorted(seen)


def test_threads_and_environment_are_as_before(photo: Path, tmp_path: Path) -> None:
    folder, before = write_tiny_model(tmp_path / "model"), dict(os.environ)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        (said,) = BlurDetector(folder).predict(photo)
        with pytest.raises(TypeError):
            BlurDetector(folder).predict([np.zeros((9, 9), np.uint8), None])
        assert said.error is None and cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)
    assert dict(os.environ) == before
