"""Classifiers: photos in, predictions out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion import __version__
from blur_fusion.errors import BlurError, require
from blur_fusion.features.content import exposure, laplacian_variance, sharpest_place
from blur_fusion.features.summary import describe
from blur_fusion.fusion.stack import BLURRED, JUDGES, LOGIT_NAMES, motion_logit, sigmoid
from blur_fusion.images.photo import InputSpec, Photo, as_photos
from blur_fusion.model.folder import MODEL, NETWORK, SHIPPED, read_folder, read_provenance
from blur_fusion.model.network import OnnxNetwork, open_session
from blur_fusion.model.prediction import Band, Prediction, verdict_at
from blur_fusion.parallel import ordered_map
from blur_fusion.startup import one_opencv_thread

BATCH = 12  # photos that pass one stage before the next, see `Classifier._batch`
RECIPE = InputSpec(512, square=True, colour=True, resampling="pillow")
PUBLISHED_THRESHOLD = 470.0  # chosen on CERTH's training rows; 87.2 % on its evaluation rows
SMALLEST_VARIANCE = 1e-3  # a flat picture has 0, whose logarithm would not be finite
PRESET_WEIGHTS = "network.npz"  # beside a trained preset's ONNX, for Grad-CAM
NOTHING = "holds nothing to judge: neither detail nor edges"


def recipe_variance(photo: Photo) -> float:
    """Laplacian variance of a photo by the published recipe, squared grey levels.

    RGB without EXIF orientation, 512x512 by Pillow's NEAREST, grey with OpenCV's BGR weights
    applied to RGB (red and blue swapped: that is the recipe), `cv2.Laplacian(CV_64F)`.
    """

    def variance() -> float:
        grey = cv2.cvtColor(photo.image(RECIPE), cv2.COLOR_BGR2GRAY)
        return float(cv2.Laplacian(grey, cv2.CV_64F).var())

    return photo.remember("recipe variance", variance)


class Classifier:
    """Tells blurred photos from sharp ones; each kind has its own `_said`."""

    name: str  # in reports and file names
    spec: InputSpec  # what it looks at
    threshold: float  # a photo is blurred where its probability is at least this
    band: Band  # verdicts between are "unsure"; both equal the threshold if it is never unsure
    digest: str  # of everything that determines its probabilities
    fingerprint: str  # of everything that determines its predictions
    threads = 1  # batches of photos judged in parallel

    @property
    def asked(self) -> float | None:
        """The threshold that gives this classifier again; None is the model's own."""
        return self.threshold if self.band[0] == self.band[1] else None

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """The steps a photo passes through; the last one gives its prediction."""
        return (lambda photo: photo.image(self.spec), self._said)

    def _said(self, photo: Photo) -> Prediction:
        """The prediction for a photo that can be decoded."""
        raise NotImplementedError

    def predict(self, photos: Any) -> list[Prediction]:
        """One prediction for each picture, a failed one for what cannot be read.

        Memory does not grow with the number of photos; OpenCV's threads are restored.

        Parameters
        ----------
        photos : Photo, path, bytes, ndarray, PIL image, or an iterable of them
            An array is one picture, a string one path. See `blur_fusion.images.photo.Photo`.

        Raises
        ------
        TypeError
            Something is not a picture.
        """
        waiting = as_photos(photos)
        batches: Iterator[list[Photo]] = iter(lambda: list(islice(waiting, BATCH)), [])
        with one_opencv_thread():
            mapped = map if self.threads == 1 else partial(ordered_map, workers=self.threads)
            return [prediction for part in mapped(self._batch, batches) for prediction in part]

    def _batch(self, photos: list[Photo]) -> list[Prediction]:
        """Predictions for a few photos: the same bits however many they are.

        All pass one stage before the next, so that its code and weights stay in the processor's
        cache.
        """
        answers: list[Any] = [None] * len(photos)
        for stage in self.stages():
            for place, photo in enumerate(photos):
                if not isinstance(answers[place], Prediction):
                    try:
                        answers[place] = stage(photo)
                    except Exception as error:  # decoders raise all sorts
                        answers[place] = Prediction.caught(photo.path, error)
        return answers

    def at(self, threshold: float) -> Self:
        """The same classifier with another threshold, never unsure; nothing is loaded again."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._use(threshold)
        return other

    def _use(self, threshold: float, band: Band | None = None) -> None:
        require(0 <= threshold <= 1, f"threshold: must be between 0 and 1, not {threshold:g}")
        self.threshold = float(threshold)
        self.band = band or (self.threshold, self.threshold)
        judge = f" {self.name}" if self.name in JUDGES[:-1] else ""
        doubt = "" if self.asked is not None else f" {self.band!r}"
        key = f"{self.digest} {self.threshold!r} {__version__}{judge}{doubt}"
        self.fingerprint = hashlib.sha256(key.encode()).hexdigest()

    def _answer(self, photo: Photo, logit: float, kind: str = "blurred", **seen: Any) -> Prediction:
        """The prediction for a calibrated logit; `kind` is the kind of blur, if any."""
        probability = float(sigmoid(np.array(logit)))
        blurred = probability >= self.threshold
        kind = kind if blurred else "sharp"
        seen = {"verdict": verdict_at(probability, self.band), "note": photo.note, **seen}
        seen |= {"width": photo.size[0], "height": photo.size[1]}
        return Prediction(photo.path, blurred, probability, kind, logit, **seen)


def _log_odds(probability: float) -> float:
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return float(np.log(kept / (1 - kept)))


class ConstantClassifier(Classifier):
    """Always the same answer, such as the proportion of blurred training images.

    Examples
    --------
    >>> import numpy as np
    >>> (said,) = ConstantClassifier(0.6).predict(np.zeros((30, 40), np.uint8))
    >>> said.blurred, round(said.probability, 3)
    (True, 0.6)
    """

    name, spec = "constant", RECIPE

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.digest = f"constant {probability!r}"
        self._use(0.0)

    def _said(self, photo: Photo) -> Prediction:
        return self._answer(photo, _log_odds(self.probability))


class LaplacianClassifier(Classifier):
    """Blurred where the Laplacian variance by the published recipe is below `limit`.

    The logit of blurred is `slope * log(variance) + intercept`; `slope` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.zeros((60, 80), np.uint8)
    >>> LaplacianClassifier(470.0, -1.0, 6.0).predict(flat)[0].blurred
    True
    """

    name, spec = "laplacian", RECIPE

    def __init__(self, limit: float, slope: float, intercept: float) -> None:
        self.limit, self.slope, self.intercept = limit, slope, intercept
        self.digest = f"laplacian {limit!r} {slope!r} {intercept!r}"
        at_limit = float(sigmoid(np.array(self._logit(limit))))
        self._use(min(1.0, float(np.nextafter(at_limit, 1))))  # the limit itself is sharp

    def _logit(self, variance: float) -> float:
        return float(self.slope * np.log(max(variance, SMALLEST_VARIANCE)) + self.intercept)

    def _said(self, photo: Photo) -> Prediction:
        variance = recipe_variance(photo)
        return self._answer(photo, self._logit(variance), laplacian_variance=variance)


class BlurDetector(Classifier):
    """Tells blurred photos from sharp ones; several threads may share one.

    A pickle or copy holds the folder's path and digest, not weights or sessions.

    Parameters
    ----------
    model : path, optional
        A folder written by `blur export`; the shipped model by default.
    judge : str
        "cnn", "features", or both "fused". The judges of one folder share what they compute of a
        `Photo`, so asking all three costs one pass.
    threshold : float, optional
        Probability from which a photo counts as blurred, instead of the model's own. Only photos
        with nothing to judge are then unsure.
    max_false_alarms : float, optional
        Instead of a threshold: proportion of sharp photos, 0..0.3, that may be called blurred (as
        measured on the model's validation images).
    threads : int
        Batches of photos that `predict` judges in parallel.

    Attributes
    ----------
    provenance : dict
        What the model was made from: params, digests of code and data, versions.

    Raises
    ------
    BlurError
        The model is missing, damaged or of another format; an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> smooth = np.add.outer(np.arange(300), np.arange(400)) / 700
    >>> (said,) = BlurDetector().predict(smooth)
    >>> said.blurred, said.width, said.height
    (True, 400, 300)
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        judge: str = "fused",
        threshold: float | None = None,
        max_false_alarms: float | None = None,
        threads: int = 1,
    ) -> None:
        require(threads >= 1, f"threads: must be at least 1, not {threads}")
        require(judge in JUDGES, f"judge: '{judge}' must be one of {', '.join(JUDGES)}")
        one = threshold is None or max_false_alarms is None
        require(one, "give either threshold or max_false_alarms, not both")
        self.folder = None if model is None else str(Path(model).absolute())
        folder = SHIPPED if model is None else Path(model)
        there = model is not None or (folder / MODEL).is_file()
        require(there, "no model is installed; name a model folder with --model")
        contents, self.digest = read_folder(folder)
        self.network = OnnxNetwork(contents.network, str(folder / NETWORK))
        self.contents, self.model = contents, contents.model
        self.name, self.spec, self.threads = judge, InputSpec(contents.long_side), threads
        self.provenance: dict[str, Any] = read_provenance(folder)
        if max_false_alarms is not None:
            require(judge == "fused", f"max_false_alarms: only for fused, not for {judge}")
            threshold = contents.model.rates.threshold(max_false_alarms)
        if threshold is None:
            self._use(contents.model.thresholds[judge], contents.model.bands.get(judge))
        else:
            self._use(threshold)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.folder, self.digest, self.name, self.asked, self.threads)

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """Decode, compute what the judge needs, answer."""
        heard = {"cnn": (self.logits,), "features": (self.measures,)}
        between = heard.get(self.name, (self.logits, self.measures))
        return (lambda photo: photo.image(self.spec), *between, self._said)

    def logits(self, photo: Photo) -> npt.NDArray[np.float32]:
        """The CNN's logits (1, 4) for a photo, in the order of `LOGIT_NAMES`."""
        key = "logits", self.digest
        return photo.remember(key, lambda: self.network.logits([photo.image(self.spec)]))

    def measures(self, photo: Photo) -> npt.NDArray[np.float32]:
        """The focus measures (1, F) of a photo that the stack uses."""
        key, params = ("measures", self.digest), self.contents.features
        names = self.model.stack.names  # the measures that this model uses
        return photo.remember(key, lambda: describe(photo.image(self.spec), params, names)[None])

    def _said(self, photo: Photo) -> Prediction:
        stack, towards_motion = self.model.stack, None
        raw: npt.NDArray[np.floating]
        if self.name == "features":  # without the network, so it tells no kinds
            logits = np.zeros((1, len(LOGIT_NAMES)), np.float32)
            raw = stack.logits(logits, self.measures(photo))["features"]
        elif self.name == "cnn":
            raw = self.logits(photo)[:, BLURRED]
            towards_motion = motion_logit(self.logits(photo)) if stack.tells_kinds else None
        else:
            answers = stack.logits(self.logits(photo), self.measures(photo))
            raw, towards_motion = answers["fused"], answers.get("motion")
        kind = "blurred"
        if towards_motion is not None:
            kind = "motion" if towards_motion[0] > 0 else "defocus"
        working, logit = photo.image(self.spec), self.model.calibrations[self.name].scaled(raw)[0]
        seen: dict[str, Any] = {"exposure": exposure(working)}
        seen["laplacian_variance"] = laplacian_variance(working)
        if (focus := sharpest_place(working)) is None:
            logit = _log_odds(self.model.rates.share_blurred)
            seen |= {"verdict": "unsure", "note": photo.note or NOTHING}
        elif photo.note is None:  # of a cut-off photo, the place is not known
            seen |= {"focus_x": focus[0], "focus_y": focus[1]}
        return self._answer(photo, float(logit), kind, **seen)


class PresetClassifier(Classifier):
    """A trained preset: an ONNX file, and a model.json that describes its input and output.

    The network has an input `image`, uint8 (n, side, side, 1 or 3), and may have an input
    `laplacian_512`, float32 (n, 1), the variance by the published recipe. Its output (n, classes)
    are probabilities. model.json holds `name`, `network` (`file` and `sha256`), `input` (the
    `InputSpec`), `blurred` (index of that class) and `threshold`. At its own threshold the most
    probable class decides; of three, its probability may be below the threshold. Raises BlurError
    if something is missing or damaged.
    """

    def __init__(self, folder: Path | str, *, threshold: float | None = None) -> None:
        self.folder, path = str(Path(folder).absolute()), Path(folder) / MODEL
        try:
            content = path.read_bytes()
            lines = json.loads(content)
            self.name, self.spec = str(lines["name"]), InputSpec(**lines["input"])
            self.blurred, self._own = int(lines["blurred"]), float(lines["threshold"])
            file = path.with_name(Path(lines["network"]["file"]).name)
            network = file.read_bytes()
            if lines["network"]["sha256"] != hashlib.sha256(network).hexdigest():
                raise ValueError(f"{file.name} is damaged, or of a different model")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(repr(error).split())[:200]
            raise BlurError(f"{path}: not a trained preset ({reason}); train it again") from None
        self.digest = hashlib.sha256(content).hexdigest()
        self._session = open_session(network, str(file))
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._use(self._own if threshold is None else threshold)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.folder, self.digest, JUDGES[-1], self.threshold, self.threads)

    def classes(self, photo: Photo) -> npt.NDArray[np.float32]:
        """Probability of each class, shape (classes,)."""
        image = photo.image(self.spec)
        given: dict[str, Any] = {"image": image.reshape(1, *image.shape[:2], -1)}
        if "laplacian_512" in self._inputs:
            given["laplacian_512"] = np.array([[recipe_variance(photo)]], np.float32)
        found: npt.NDArray[np.float32] = self._session.run(None, given)[0][0]
        return found

    def _said(self, photo: Photo) -> Prediction:
        classes = self.classes(photo)
        said = self._answer(photo, _log_odds(float(classes[self.blurred])))
        if self.threshold != self._own:
            return said
        blurred = int(classes.argmax()) == self.blurred
        word = "blurred" if blurred else "sharp"
        return dataclasses.replace(said, blurred=blurred, kind=word, verdict=word)


def _again(
    folder: str | None, digest: str, judge: str, threshold: float | None, threads: int
) -> Classifier:
    """Open what a pickle or copy refers to."""
    found = load(folder, judge=judge, threshold=threshold)
    where = "the shipped model" if folder is None else folder
    require(found.digest == digest, f"{where}: not the model that was pickled")
    found.threads = threads
    return found


def load(
    folder: Path | str | None = None,
    *,
    judge: str = "fused",
    threshold: float | None = None,
    max_false_alarms: float | None = None,
) -> Classifier:
    """The classifier of a model folder: one of ours, or a trained preset.

    Parameters
    ----------
    folder : path, optional
        The shipped model by default.
    judge, threshold, max_false_alarms
        See `BlurDetector`; a preset has one judge and no false-alarm rates.

    Raises
    ------
    BlurError
        The model is missing, damaged or of another format; an argument is not allowed.

    Examples
    --------
    >>> load(judge="cnn").name
    'cnn'
    """
    if folder is not None and _system(Path(folder)) == "preset":
        require(judge == "fused", f"{folder}: a preset has one judge; leave '{judge}' out")
        require(max_false_alarms is None, f"{folder}: a preset has no false-alarm rates")
        return PresetClassifier(folder, threshold=threshold)
    return BlurDetector(folder, judge=judge, threshold=threshold, max_false_alarms=max_false_alarms)


def _system(folder: Path) -> Any:
    """The system that model.json names; None where it cannot be read, which is reported later."""
    try:
        return json.loads((folder / MODEL).read_bytes())["system"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
