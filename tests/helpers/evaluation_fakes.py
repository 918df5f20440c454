"""A small data set on disk and classifiers without a model, for tests of the evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from blur_fusion.data.dataset import DataSet
from blur_fusion.data.split import Row
from blur_fusion.data.store import Store, write_store
from blur_fusion.evaluation.report import OURS
from blur_fusion.evaluation.run import evaluate
from blur_fusion.images.photo import InputSpec, Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.params import EvaluateParams, ImageParams, LoadParams, Params

Judge = Callable[[np.ndarray], float]


def _spread(image: np.ndarray) -> float:
    """P(blurred) falls with the mean absolute difference of neighbours."""
    return float(1 / (1 + np.exp((np.abs(np.diff(image.astype(float))).mean() - 12) / 4)))


JUDGES: dict[str, Judge] = {
    "cnn": lambda image: float(np.clip(_spread(image) + 0.3 * np.sin(image.sum()), 0.01, 0.99)),
    "features": lambda image: _spread(image) ** 2,
}


class FakeClassifier(Classifier):
    """Judges working images by a function of grey levels; keeps what it saw."""

    threshold, band, spec = 0.5, (0.5, 0.5), InputSpec(768)

    def __init__(self, name: str, judge: Judge | None = None) -> None:
        self.name, self.judge = name, judge or JUDGES.get(name, _spread)
        self.seen: list[np.ndarray] = []

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        return (self._said,)

    def _said(self, photo: Photo) -> Prediction:
        self.seen.append(photo.image(self.spec))
        value = self.judge(self.seen[-1])
        blurred, logit = value >= self.threshold, float(np.log(max(value, 1e-9) / (1 - value)))
        return Prediction(photo.path, blurred, value, "defocus" if blurred else "sharp", logit)


def draw(label: int, number: int, side: int = 96) -> np.ndarray:
    """A noisy RGB picture; label 1 is smoothed, how much depends on `number`."""
    noise = np.random.default_rng(100 * label + number).integers(0, 256, (side, side * 2, 3))
    picture = noise.astype(np.uint8)
    sigma = 0.4 + 0.25 * (number % 6) if label else 0.3 * (number % 3)
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture


def write_images(folder: Path, count: int) -> None:
    """`count` images of each class under `folder`, as class folders."""
    for label, name in ((0, "sharp"), (1, "blurred")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / name / f"{number}.png"), draw(label, number))


def write_load(folder: Path, count: int) -> Store:
    """`folder`/load: every fourth scene trains, every fourth validates, the others test."""
    splits = ("train", "validation", "test", "test")
    rows = [
        Row(
            *(folder / "data" / name / f"{n}.png", f"{name}/{n}.png", label, kind),
            *("even" if n % 8 < 4 else "odd", str(n), "", splits[n % 4], -(n % 4 > 0)),
        )
        for label, name, kind in ((0, "sharp", "sharp"), (1, "blurred", "defocus"))
        for n in range(count)
    ]
    dataset = DataSet("fake", folder / "data", tuple(rows))
    write_store(dataset, rows, folder / "load", ImageParams(768), LoadParams(16), 1)
    return Store.open(folder / "load")


def tiny_params() -> Params:
    return Params(evaluate=EvaluateParams(resamples=50, worst_images=6))


def run_stage(folder: Path, out: Path) -> dict[str, Any]:
    """Evaluate `folder`/load with fake classifiers into `out`; returns the report."""
    history = folder / "cnn" / "history.csv"
    history.parent.mkdir(exist_ok=True)
    rows = ("fold_0,0,0.9,0.8,0.7", "final,0,0.6,0.5,0.8", "final,1,0.4,0.3,0.9")
    header = "fit,epoch,loss,validation_loss,validation_auc"
    history.write_text("\n".join([header, *rows, ""]))
    ours = {name: FakeClassifier(name) for name in OURS}
    return evaluate(Store.open(folder / "load"), ours, tiny_params(), out, history)[0]
