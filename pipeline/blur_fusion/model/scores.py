"""Judge working images: the network, the focus measures, and both fused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.fusion.stack import JUDGES, Model
from blur_fusion.params import FeatureParams, Params

CHUNK = 32  # images in memory at a time

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class LogitSource(Protocol):
    """What a detector needs of `blur_fusion.cnn.fit.Network`."""

    def logits(self, images: Iterable[Pixels]) -> npt.NDArray[np.float32]:
        """Logits (n, 4): blurred, sharp, defocus, motion."""


@dataclass(frozen=True)
class Scores:
    """Judgements of n images.

    Attributes
    ----------
    cnn, features, fused : ndarray of float64, shape (n,)
        Calibrated probabilities of blurred.
    logit : ndarray of float64, shape (n,)
        Calibrated fused logit; finer than the probability near 0 and 1.
    kind : list of str
        "sharp" where the fused verdict says so, else "defocus" or "motion", or "blurred" from a
        model whose training images did not tell kinds.
    thresholds : dict
        Of the probabilities; blurred where probability >= threshold.
    """

    cnn: Floats
    features: Floats
    fused: Floats
    logit: Floats
    kind: list[str]
    thresholds: dict[str, float]


def _chunks(images: Iterable[Pixels]) -> Iterator[list[Pixels]]:
    iterator = iter(images)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _joined(parts: list[Scores]) -> Scores:
    """Scores of one image after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("cnn", "features", "fused", "logit")
    }
    kinds = [kind for part in parts for kind in part.kind]
    return Scores(**columns, kind=kinds, thresholds=parts[0].thresholds)


class Detector:
    """The trained model; load it with :meth:`Detector.load`."""

    def __init__(self, network: LogitSource, model: Model, params: FeatureParams) -> None:
        names = tuple(feature_names(params))
        require(
            names == model.stack.names,
            "the model was trained on other focus measures than params.yaml asks for; "
            "run 'make repro'",
        )
        self.network = network
        self.model = model
        self.params = params

    @classmethod
    def load(cls, cnn_folder: Path | str, fuse_folder: Path | str, params: Params) -> Detector:
        """Read the artefacts of the stages `cnn` and `fuse`.

        Raises
        ------
        BlurError
            A file is missing, damaged, or belongs to other params.
        """
        model = Model.load(Path(fuse_folder))
        from blur_fusion.cnn.fit import Network  # TensorFlow takes seconds to import

        return cls(Network.load(cnn_folder, params.cnn), model, params.features)

    def predict(
        self, images: Iterable[Pixels], progress: Callable[[int], object] | None = None
    ) -> Scores:
        """Judge working images, a few at a time, so that memory stays flat.

        Parameters
        ----------
        images : iterable of ndarray of uint8, shape (h, w)
            Grey, from `working_image`.
        progress : callable, optional
            Called with the number of images just judged, such as the `update` of a tqdm bar.
        """
        found = []
        with ThreadPoolExecutor(1) as beside:  # starts a thread only where it is asked
            for chunk in _chunks(images):
                # Of several images both are computed at once; for one that would not pay.
                later = beside.submit(self._measures, chunk) if len(chunk) > 1 else None
                logits = np.asarray(self.network.logits(chunk))
                measures = later.result() if later else self._measures(chunk)
                found.append(self.scores(logits, measures))
                if progress is not None:
                    progress(len(chunk))
        none = np.zeros((0, 4), np.float32), np.zeros((0, len(self.model.stack.names)))
        return _joined(found or [self.scores(*none)])

    def each(self, images: list[Pixels]) -> list[Scores]:
        """Scores of each image alone: the same bits however many there are.

        All images pass one stage before the next, on this thread, so that code and weights of a
        stage stay in the processor's cache.
        """
        logits = [np.asarray(self.network.logits([image])) for image in images]
        measured = [self._measures([image]) for image in images]
        return [self.scores(*pair) for pair in zip(logits, measured, strict=True)]

    def _measures(self, chunk: list[Pixels]) -> npt.NDArray[np.float32]:
        """Focus measures (n, F) of some images."""
        return np.stack([describe(np.asarray(image), self.params) for image in chunk])

    def scores(
        self, logits: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
    ) -> Scores:
        """Scores from CNN logits (n, 4) and focus measures (n, F) at hand."""
        raw = self.model.stack.logits(logits, measures)
        probability = {
            judge: self.model.calibrations[judge].probability(raw[judge]) for judge in JUDGES
        }
        blurred = probability["fused"] >= self.model.thresholds["fused"]
        kinds = np.where(blurred, "blurred", "sharp").astype(object)
        rows = np.flatnonzero(blurred)
        if len(rows):
            motion = self.model.stack.motion(logits[rows], measures[rows])
            if motion is not None:
                kinds[rows] = np.where(motion > 0, "motion", "defocus")
        return Scores(
            cnn=probability["cnn"],
            features=probability["features"],
            fused=probability["fused"],
            logit=self.model.calibrations["fused"].scaled(raw["fused"]),
            kind=kinds.tolist(),
            thresholds=dict(self.model.thresholds),
        )
