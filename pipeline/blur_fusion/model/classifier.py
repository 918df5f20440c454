"""Classifiers: photos in, predictions out. Whatever takes one takes all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion import __version__
from blur_fusion.errors import BlurError, require
from blur_fusion.features.summary import describe
from blur_fusion.fusion.calibration import sigmoid
from blur_fusion.fusion.stack import BLURRED, JUDGES, LOGIT_NAMES, motion_logit
from blur_fusion.images.photo import InputSpec, Photo, as_photos
from blur_fusion.model.folder import MODEL, NETWORK, read_folder
from blur_fusion.model.network import OnnxNetwork, open_session
from blur_fusion.model.prediction import Prediction
from blur_fusion.native.library import library
from blur_fusion.parallel import ordered_map
from blur_fusion.startup import one_opencv_thread

SHIPPED = Path(__file__).parent / "shipped"
BATCH = 12  # photos that pass one stage before the next, for the sake of the processor's cache
RECIPE = InputSpec(512, square=True, colour=True, resampling="pillow")
PUBLISHED_THRESHOLD = 470.0  # chosen on CERTH's training rows; 87.2 % on its evaluation rows
SMALLEST_VARIANCE = 1e-3  # a flat picture has 0, whose logarithm would not be finite
EXPOSURES = ("normal", "dark", "overexposed", "low-contrast")

_ROWS = 4  # every fourth row will do

# Grey levels. Of 81 real photos, many at night or in snow, they call 2 dark (one of the moon), 3
# low in contrast and none overexposed.
_DARK = 64  # 95 % of a dark photo's pixels are below
_CLIPPED, _LIGHT = 250, 170  # half of an overexposed one's are at least this, or 95 % at least that
_CONTRAST = 51  # from the 5th to the 95th percentile, a fifth of the range

Pixels = npt.NDArray[np.uint8]


class Classifier(Protocol):
    """Whatever tells blurred photos from sharp ones."""

    @property
    def name(self) -> str:
        """In reports and file names."""

    @property
    def spec(self) -> InputSpec:
        """What it looks at."""

    @property
    def threshold(self) -> float:
        """A photo is blurred where its probability reaches it."""

    @property
    def fingerprint(self) -> str:
        """Changes with whatever may change a prediction."""

    def predict(self, photos: Any) -> list[Prediction]:
        """One prediction for each picture; what cannot be read is a failed one.

        Parameters
        ----------
        photos : Photo, path, bytes, ndarray, PIL image, or an iterable of them
            An array is one picture, a string one path. See `blur_fusion.images.photo.Photo`.

        Raises
        ------
        TypeError
            Something is no picture.
        """

    def at(self, threshold: float) -> Self:
        """The same classifier with another threshold; nothing is loaded again."""


def exposure(working: Pixels) -> str:
    """One of `EXPOSURES`; where several hold, the first of them after "normal".

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey.
    """
    seen = np.ascontiguousarray(working[::_ROWS])
    histogram = cv2.calcHist([seen], [0], None, [256], [0, 256])
    below = np.cumsum(histogram.ravel()) / seen.size
    low, middle, high = (int(np.searchsorted(below, share)) for share in (0.05, 0.5, 0.95))
    if high < _DARK:
        return "dark"
    if middle >= _CLIPPED or low >= _LIGHT:
        return "overexposed"
    return "low-contrast" if high - low < _CONTRAST else "normal"


def laplacian_variance(image: Pixels) -> float:
    """Variance of the four-neighbour Laplacian of a grey image, squared grey levels.

    As `cv2.Laplacian(image, cv2.CV_64F).var()`; its values are whole, so their sums are exact.
    """
    image = np.ascontiguousarray(image)
    compiled = library()
    height, width = image.shape
    if compiled is None or min(height, width) < 2:
        edges = cv2.Laplacian(image, cv2.CV_16S)
        # Ten times as fast as cv2.meanStdDev; the norm comes from its own square root.
        total, squares = round(cv2.sumElems(edges)[0]), round(cv2.norm(edges, cv2.NORM_L2SQR))
    else:
        sums = np.empty(2, np.int64)
        compiled.blur_laplacian(image.ctypes.data, width, height, width, sums.ctypes.data)
        total, squares = int(sums[0]), int(sums[1])
    return squares / image.size - (total / image.size) ** 2


def recipe_variance(photo: Photo) -> float:
    """Laplacian variance of a photo by the published recipe, squared grey levels.

    RGB without EXIF orientation, 512x512 by Pillow's NEAREST, grey with OpenCV's BGR weights
    applied to RGB (red and blue trade places: that is the recipe), `cv2.Laplacian(CV_64F)`.
    """

    def variance() -> float:
        grey = cv2.cvtColor(photo.image(RECIPE), cv2.COLOR_BGR2GRAY)
        return float(cv2.Laplacian(grey, cv2.CV_64F).var())

    return photo.remember("recipe variance", variance)


class Staged:
    """What all kinds share: photos pass one stage before the next, and each fails for itself."""

    threads = 1

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """What is done with a photo; the last one gives its prediction."""
        raise NotImplementedError

    def predict(self, photos: Any) -> list[Prediction]:
        """See :meth:`Classifier.predict`; memory stays flat however many photos come."""
        waiting = as_photos(photos)
        batches: Iterator[list[Photo]] = iter(lambda: list(islice(waiting, BATCH)), [])
        with one_opencv_thread():
            mapped = map if self.threads == 1 else partial(ordered_map, workers=self.threads)
            return [prediction for part in mapped(self._batch, batches) for prediction in part]

    def _batch(self, photos: list[Photo]) -> list[Prediction]:
        """Predictions of a few photos: the same bits however many they are.

        All pass one stage before the next, so that its code and weights stay in the cache.
        """
        answers: list[Any] = [None] * len(photos)
        for stage in self.stages():
            for place, photo in enumerate(photos):
                if not isinstance(answers[place], Prediction):
                    try:
                        answers[place] = stage(photo)
                    except Exception as error:  # damage that no decoder foresaw ends no scan
                        answers[place] = _failed(photo, error)
        return answers


def _failed(photo: Photo, error: Exception) -> Prediction:
    if isinstance(error, MemoryError):
        return Prediction.failed(photo.path, "is too large for the memory of this machine")
    known = isinstance(error, BlurError)
    line = str(error) if known else f"cannot be judged ({type(error).__name__}: {error})"
    return Prediction.failed(photo.path, line)


def _plain(photo: Photo, blurred: bool, logit: float, variance: float | None = None) -> Prediction:
    """A prediction of a classifier that tells no kinds."""
    kind, probability = "blurred" if blurred else "sharp", float(sigmoid(np.array(logit)))
    return Prediction(photo.path, blurred, probability, kind, logit, variance, *photo.size)


def _log_odds(probability: float) -> float:
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return float(np.log(kept / (1 - kept)))


@dataclass(frozen=True)
class ConstantClassifier(Staged):
    """Always the same answer, such as the training images' share of blurred.

    Examples
    --------
    >>> import numpy as np
    >>> (said,) = ConstantClassifier(0.6).predict(np.zeros((30, 40), np.uint8))
    >>> said.blurred, round(said.probability, 3)
    (True, 0.6)
    """

    probability: float
    threshold: float = 0.0
    name: ClassVar[str] = "constant"
    spec: ClassVar[InputSpec] = RECIPE

    @property
    def fingerprint(self) -> str:
        """See :class:`Classifier`."""
        return repr(self)

    def at(self, threshold: float) -> ConstantClassifier:
        """See :meth:`Classifier.at`."""
        return ConstantClassifier(self.probability, threshold)

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """See :class:`Staged`."""
        return (self._said,)

    def _said(self, photo: Photo) -> Prediction:
        photo.image(self.spec)  # what cannot be read gets no answer
        return _plain(photo, self.probability >= self.threshold, _log_odds(self.probability))


@dataclass(frozen=True)
class LaplacianClassifier(Staged):
    """Blurred where the Laplacian variance of the published recipe is below a limit.

    Parameters
    ----------
    limit : float
        Squared grey levels.
    slope, intercept : float
        The logit of blurred is `slope * log(variance) + intercept`.
    asked : float, optional
        A threshold of the probability, which then decides instead of `limit`.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.zeros((60, 80), np.uint8)
    >>> LaplacianClassifier(470.0, -1.0, 6.0).predict(flat)[0].blurred
    True
    """

    limit: float
    slope: float
    intercept: float
    asked: float | None = None
    name: ClassVar[str] = "laplacian"
    spec: ClassVar[InputSpec] = RECIPE

    @property
    def threshold(self) -> float:
        """Probability at the limit, or the one that was asked for."""
        return self._logit(self.limit)[1] if self.asked is None else self.asked

    @property
    def fingerprint(self) -> str:
        """See :class:`Classifier`."""
        return repr(self)

    def at(self, threshold: float) -> LaplacianClassifier:
        """See :meth:`Classifier.at`."""
        return LaplacianClassifier(self.limit, self.slope, self.intercept, threshold)

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """See :class:`Staged`."""
        return (self._said,)

    def _logit(self, variance: float) -> tuple[float, float]:
        logit = float(self.slope * np.log(max(variance, SMALLEST_VARIANCE)) + self.intercept)
        return logit, float(sigmoid(np.array(logit)))

    def _said(self, photo: Photo) -> Prediction:
        variance = recipe_variance(photo)
        logit, probability = self._logit(variance)
        below = variance < self.limit if self.asked is None else probability >= self.asked
        return _plain(photo, below, logit, variance)


class FromFolder(Staged):
    """A classifier whose model lies in a folder.

    A pickle or a copy holds the folder's path and digest, neither weights nor sessions.
    """

    name: str
    spec: InputSpec
    threshold: float
    fingerprint: str
    _judge = "fused"

    def __init__(self, folder: Path | str | None, digest: str, threshold: float) -> None:
        self.folder = None if folder is None else str(Path(folder).absolute())
        self.digest = digest
        self._set(threshold)

    def _set(self, threshold: float) -> None:
        require(0 <= threshold <= 1, f"threshold: {threshold:g} is no probability, give 0..1")
        self.threshold = float(threshold)
        judge = "" if self._judge == "fused" else f" {self._judge}"
        key = f"{self.digest} {self.threshold!r} {__version__}{judge}"
        self.fingerprint = hashlib.sha256(key.encode()).hexdigest()

    def at(self, threshold: float) -> Self:
        """See :meth:`Classifier.at`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._set(threshold)
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.folder, self.digest, self._judge, self.threshold, self.threads)


def _again(
    folder: str | None, digest: str, judge: str, threshold: float, threads: int
) -> FromFolder:
    """What a pickle or a copy opens."""
    found = load(folder, judge=judge, threshold=threshold)
    where = "the shipped model" if folder is None else folder
    require(found.digest == digest, f"{where}: is another model than the one that was pickled")
    found.threads = threads
    return found


class BlurDetector(FromFolder):
    """Tells blurred photos from sharp ones; several threads may use one at once.

    Parameters
    ----------
    model : path, optional
        A folder written by `blur export`; the shipped model by default.
    judge : str
        "cnn", "features", or both "fused". Those of one folder share what they compute of a
        `Photo`, so that asking all three costs one pass.
    threshold : float, optional
        Probability from which a photo counts as blurred, instead of the model's own.
    max_false_alarms : float, optional
        Instead of a threshold: share of sharp photos, 0..0.3, that may be called blurred (as
        measured on the model's validation images).
    threads : int
        Batches of photos that `predict` judges at once.

    Attributes
    ----------
    name : str
        The judge.
    spec : InputSpec
        Of the working image.
    threshold : float
    fingerprint : str
        Changes with whatever may change a prediction: model, threshold and version of blur.
    provenance : dict
        What the model was made from: params, digests of code and data, versions.

    Raises
    ------
    BlurError
        The model is missing, damaged or of another format; an argument is impossible.

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
        require(threads >= 1, f"threads: {threads} is below 1")
        require(judge in JUDGES, f"judge: '{judge}' is none of {', '.join(JUDGES)}")
        both = threshold is not None and max_false_alarms is not None
        require(not both, "threshold and max_false_alarms exclude each other; give one of them")
        folder = SHIPPED if model is None else Path(model)
        if model is None and not (folder / MODEL).is_file():
            raise BlurError("this installation of blur holds no model; name one's folder (--model)")
        contents, digest = read_folder(folder)
        self.network = OnnxNetwork(contents.network, str(folder / NETWORK), rest=contents.rest)
        self.model, self.features = contents.model, contents.features
        self.name = self._judge = judge
        self.spec = InputSpec(contents.long_side)
        self.provenance: dict[str, Any] = contents.provenance
        self.threads = threads
        if max_false_alarms is not None:
            require(judge == "fused", f"max_false_alarms: not known of {judge}, only of fused")
            threshold = contents.rates.threshold(max_false_alarms)
        elif threshold is None:
            threshold = contents.model.thresholds[judge]
        super().__init__(model, digest, threshold)

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """Of `judge`; see :class:`Staged`."""
        heard = {"cnn": (self._logits,), "features": (self._measures,)}
        between = heard.get(self._judge, (self._logits, self._measures))
        return (self._working, *between, self._said)

    def _working(self, photo: Photo) -> Pixels:
        return photo.image(self.spec)

    def _logits(self, photo: Photo) -> npt.NDArray[np.float32]:
        key = "logits", self.digest
        return photo.remember(key, lambda: self.network.logits([photo.image(self.spec)]))

    def _measures(self, photo: Photo) -> npt.NDArray[np.float32]:
        key = "measures", self.digest
        return photo.remember(key, lambda: describe(photo.image(self.spec), self.features)[None])

    def _heard(self, photo: Photo) -> tuple[npt.NDArray[np.float64], str]:
        """The judge's raw logit (1,) and the kind of blur, should there be any."""
        if self._judge == "cnn":
            logits = self._logits(photo)
            towards = motion_logit(logits) if self.model.stack.kind is not None else None
            return logits[:, BLURRED].astype(np.float64), _kind(towards)
        measures, stack = self._measures(photo), self.model.stack
        if self._judge == "features":  # which does not hear the network, and so tells no kinds
            logits = np.zeros((1, len(LOGIT_NAMES)), np.float32)
            return stack.logits(logits, measures)["features"], _kind(None)
        logits = self._logits(photo)
        return stack.logits(logits, measures)["fused"], _kind(stack.motion(logits, measures))

    def _said(self, photo: Photo) -> Prediction:
        raw, kind = self._heard(photo)
        calibration, working = self.model.calibrations[self._judge], photo.image(self.spec)
        probability = float(calibration.probability(raw)[0])
        blurred = probability >= self.threshold
        return Prediction(
            path=photo.path,
            blurred=blurred,
            probability=probability,
            kind=kind if blurred else "sharp",
            logit=float(calibration.scaled(raw)[0]),
            laplacian_variance=laplacian_variance(working),
            width=photo.size[0],
            height=photo.size[1],
            exposure=exposure(working),
        )


def _kind(towards_motion: npt.NDArray[np.float64] | None) -> str:
    if towards_motion is None:
        return "blurred"
    return "motion" if towards_motion[0] > 0 else "defocus"


class PresetClassifier(FromFolder):
    """A trained preset: one ONNX file, and a model.json that says what goes in and comes out.

    The network, `cnn.onnx`, has an input `image`, float32 (1, channels, side, side) of grey levels
    0..255, and may have an input `laplacian` (1, 1), the variance by the published recipe. Its
    first output (1, n) are the classes after `output.activation` ("softmax", "sigmoid" or "none");
    a single number is the second class's. `output.blurred` is the place of the class blurred.
    """

    def __init__(self, folder: Path | str, *, threshold: float | None = None) -> None:
        path = Path(folder) / MODEL
        try:
            content, network = path.read_bytes(), (path.parent / NETWORK).read_bytes()
            lines = json.loads(content)
            self.name, self.spec = str(lines["name"]), InputSpec(**lines["input"])
            self._activation = _ACTIVATIONS[lines["output"]["activation"]]
            self._blurred = int(lines["output"]["blurred"])
            chosen = float(lines["threshold"]) if threshold is None else threshold
            if lines["files"][NETWORK] != hashlib.sha256(network).hexdigest():
                raise ValueError(f"{NETWORK} is damaged or another's")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(repr(error).split())[:200]
            raise BlurError(f"{path}: no trained preset ({reason}); train it again") from None
        self._session = open_session(network, str(path.parent / NETWORK))
        self._inputs = {given.name for given in self._session.get_inputs()}
        super().__init__(folder, hashlib.sha256(content).hexdigest(), chosen)

    def stages(self) -> tuple[Callable[[Photo], Any], ...]:
        """See :class:`Staged`."""
        return (self._said,)

    def _said(self, photo: Photo) -> Prediction:
        pixels = photo.image(self.spec)
        image = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)[None]
        given = {"image": np.ascontiguousarray(image, np.float32)}
        if "laplacian" in self._inputs:
            given["laplacian"] = np.array([[recipe_variance(photo)]], np.float32)
        classes = self._activation(self._session.run(None, given)[0][0].astype(np.float64))
        if len(classes) == 1:
            classes = np.array([1 - classes[0], classes[0]])
        probability = float(classes[self._blurred])
        return _plain(photo, probability >= self.threshold, _log_odds(probability))


def _softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


_ACTIVATIONS: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "softmax": _softmax,
    "sigmoid": sigmoid,
    "none": np.asarray,
}


def load(
    folder: Path | str | None = None,
    *,
    judge: str = "fused",
    threshold: float | None = None,
    max_false_alarms: float | None = None,
) -> BlurDetector | PresetClassifier:
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
        The model is missing, damaged or of another format; an argument is impossible.

    Examples
    --------
    >>> load(judge="cnn").name
    'cnn'
    """
    if folder is not None and _system(Path(folder)) == "preset":
        require(judge == "fused", f"{folder}: a preset has one judge; leave '{judge}' out")
        require(max_false_alarms is None, f"{folder}: a preset knows no false-alarm rates")
        return PresetClassifier(folder, threshold=threshold)
    return BlurDetector(folder, judge=judge, threshold=threshold, max_false_alarms=max_false_alarms)


def _system(folder: Path) -> Any:
    """What model.json names; None where it cannot be read, which is said by who opens it."""
    try:
        return json.loads((folder / MODEL).read_bytes())["system"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
