"""A classifier that needs no model: blurred where the Laplacian variance is small."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from blur_fusion.images.photo import InputSpec, Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found, Search, named
from blur_fusion.scan.pool import WorkerPool
from blur_fusion.scan.tasks import Answer, JobSpec
from trees import write_photo


class FakeClassifier(Classifier):
    """Records what it judges; at threshold 0 every photo is blurred."""

    name, spec, threshold, fingerprint = "fake", InputSpec(96), 0.0, "fake 1"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.judged: list[str] = []

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        return (self.one,)

    def one(self, photo: Photo) -> Prediction:
        time.sleep(self.seconds)
        self.judged.append(photo.path)
        variance = float(cv2.Laplacian(photo.image(self.spec), cv2.CV_64F).var())
        logit = 3 - variance / 20
        probability = 1 / (1 + math.exp(min(50.0, -logit)))
        kind = "motion" if "motion" in photo.path else "defocus"
        return Prediction(photo.path, True, probability, kind, logit, variance, *photo.size)


def album(folder: Path, number: int = 6, size: tuple[int, int] = (64, 96)) -> list[Path]:
    """Photos, every third blurred."""
    names = [folder / f"{k:02d}.jpg" for k in range(number)]
    return [write_photo(path, k, k % 3 == 0, size) for k, path in enumerate(names)]


def files_in(place: Path) -> list[Found]:
    """A file, or the files of a folder, as a scan finds them."""
    return list(Search().find(named([str(place)])))


def threads(classifier: Any, workers: int = 2, **job: Any) -> WorkerPool:
    return WorkerPool(JobSpec(None, classifier.fingerprint, **job), classifier, workers)


def scan_here(
    given: Path, classifier: Any, workers: int = 2, cache: Path | None = None, **job: Any
) -> list[Answer]:
    """Scan a file or a folder with threads of this process."""
    with threads(classifier, workers, **job) as pool:
        return [answer for of_one in scan(files_in(given), pool, cache) for answer in of_one]
