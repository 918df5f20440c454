"""A judge that needs no model: blurred where the Laplacian variance is small."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from blur_fusion.model.prediction import Picture, Verdict
from trees import write_photo


class FakeJudge:
    """Counts what it judges; threshold 0, so that every kind is a likely one."""

    long_side = 96
    threshold = 0.0
    fingerprint = "fake 1"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.judged: list[str] = []
        self._lock = threading.Lock()

    def judge(self, working: np.ndarray, path: str, size: tuple[int, int]) -> Verdict:
        time.sleep(self.seconds)
        with self._lock:
            self.judged.append(path)
        variance = float(cv2.Laplacian(working, cv2.CV_64F).var())
        logit = 3 - variance / 20
        probability = 1 / (1 + math.exp(min(50.0, -logit)))
        kind = "motion" if "motion" in path else "defocus"
        return Verdict(path, True, probability, kind, logit, variance, *size)

    def judge_all(self, pictures: Sequence[Picture]) -> list[Verdict]:
        return [self.judge(one.working, one.path, one.size) for one in pictures]


def album(folder: Path, number: int = 6) -> list[Path]:
    """Photos, every third blurred."""
    names = [folder / f"{k:02d}.jpg" for k in range(number)]
    return [write_photo(path, k, blurred=k % 3 == 0) for k, path in enumerate(names)]
