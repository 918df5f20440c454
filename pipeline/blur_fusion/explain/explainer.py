"""`Explainer`: a photo in, everything known about its prediction out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.explain.blur_map import BlurMap, blur_map
from blur_fusion.explain.extent import PointSpread, measure_defocus, measure_motion
from blur_fusion.fusion.stack import LOGIT_NAMES
from blur_fusion.images.photo import InputSpec, Photo, center_crop
from blur_fusion.images.resize import SMALLEST_INPUT, pad_to
from blur_fusion.model.classifier import PRESET_WEIGHTS, BlurDetector, Classifier, PresetClassifier
from blur_fusion.model.prediction import Band, Prediction

if TYPE_CHECKING:
    import keras

LONG_SIDE = 768  # of the pictures shown where a classifier looks at squares

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contribution:
    """How far one input moved the calibrated logit: above 0 it spoke for blurred.

    `name` is "network" or a measure of `blur_fusion.features.measures`.
    """

    name: str
    logit: float

    @property
    def shown(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class View:
    """A prediction, and the working image in grey, (h, w), and in RGB, (h, w, 3)."""

    prediction: Prediction
    working: Pixels
    photo: Pixels


@dataclass(frozen=True)
class Explanation:
    """What is known about one photo.

    Attributes
    ----------
    prediction : Prediction
    threshold : float
    photo : ndarray of uint8, shape (h, w, 3)
        RGB, at working size.
    map : BlurMap
    grad_cam : ndarray of float32, shape (h, w), optional
        0..1; None unless asked for.
    contributions : list of Contribution
        The largest first.
    spread : PointSpread, optional
        In pixels of the photo; None unless it is called blurred by motion or defocus.
    band : tuple of float, optional
        See `blur_fusion.model.prediction.verdict_at`.
    """

    prediction: Prediction
    threshold: float
    photo: Pixels
    map: BlurMap
    grad_cam: Floats | None
    contributions: list[Contribution]
    spread: PointSpread | None
    band: Band | None = None


def contributions(classifier: BlurDetector, working: Pixels) -> list[Contribution]:
    """Contributions of the network and of each measure, the largest first.

    Each is what the logit loses when that input has its usual value. `working` is the grey working
    image (h, w).
    """
    model, wide = classifier.model, len(LOGIT_NAMES)
    families = ["network"] * wide + [name.partition(".")[0] for name in model.stack.names]
    names = list(dict.fromkeys(families))
    logits = classifier.network.logits([working])[0]
    given = np.concatenate([logits, classifier.measures(Photo(working))[0]]).astype(np.float64)
    usual = model.stack.standardiser.centre
    without = [np.where([family == name for family in families], usual, given) for name in names]
    table = np.stack([given, *without])
    raw = model.stack.logits(table[:, :wide], table[:, wide:])["fused"]
    whole, *parts = model.calibrations["fused"].scaled(raw).tolist()
    found = [Contribution(name, whole - left) for name, left in zip(names, parts, strict=True)]
    return sorted(found, key=lambda one: -abs(one.logit))


def grad_cam_missing(classifier: Classifier) -> str | None:
    """Why Grad-CAM is not possible here, in one line; None where it is."""
    if any(importlib.util.find_spec(name) is None for name in ("tensorflow", "keras")):
        return "Grad-CAM needs TensorFlow, of the extra 'train': pip install 'blur-fusion[train]'"
    if isinstance(classifier, BlurDetector):
        return None
    if isinstance(classifier, PresetClassifier):
        path = Path(classifier.folder) / PRESET_WEIGHTS
        return None if path.is_file() else f"{path}: no such file, for Grad-CAM; train it again"
    return f"{classifier.name}: has no network for Grad-CAM"


class Explainer:
    """Explains predictions of a classifier.

    Any classifier has a blur map, the fused one also contributions of its inputs.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    @property
    def working(self) -> InputSpec:
        """Spec of the grey working image."""
        spec = self.classifier.spec
        return InputSpec(LONG_SIDE) if spec.square else replace(spec, colour=False)

    def view(self, photo: Photo) -> View:
        """Judge a photo. Raises a BlurError if it cannot be read."""
        (prediction,) = self.classifier.predict(photo)
        require(prediction.error is None, f"{photo.path}: {prediction.error}")
        spec = self.working
        return View(prediction, photo.image(spec), photo.image(replace(spec, colour=True)))

    def explain(self, photo: Photo | Any, grad_cam: bool = False) -> Explanation:
        """Judge a photo, or a source of one, and explain the prediction.

        Raises a BlurError if the photo cannot be read, or Grad-CAM is not possible.
        """
        photo = photo if isinstance(photo, Photo) else Photo(photo)
        return self.explain_view(self.view(photo), grad_cam)

    def explain_view(self, view: View, grad_cam: bool = False) -> Explanation:
        """Explain a prediction that was already made; see :meth:`explain`."""
        ours = self.classifier if isinstance(self.classifier, BlurDetector) else None
        return Explanation(
            prediction=view.prediction,
            threshold=self.classifier.threshold,
            band=self.classifier.band,
            photo=view.photo,
            map=self.blur_map(view.working),
            grad_cam=self.grad_cam(view.working, view.photo) if grad_cam else None,
            contributions=contributions(ours, view.working) if ours else [],
            spread=_spread(view),
        )

    def blur_map(self, working: Pixels) -> BlurMap:
        """Where a grey working image (h, w) is sharp and where it is not."""
        local = np.zeros((1, 1), np.float32)  # the energies of detail alone decide
        if isinstance(self.classifier, BlurDetector):
            local = self.classifier.network.maps(working)[0]
        return blur_map(working, local)

    @cached_property
    def _network(self) -> keras.Model:
        if isinstance(self.classifier, PresetClassifier):
            from blur_fusion.explain.gradcam import preset_network

            return preset_network(Path(self.classifier.folder))
        from blur_fusion.cnn.network import network_from

        assert isinstance(self.classifier, BlurDetector)
        contents = self.classifier.contents
        return network_from(contents.cnn, contents.weights)

    def grad_cam(self, working: Pixels, photo: Pixels) -> Floats:
        """Grad-CAM of blurred, (h, w) like the working image, 0..1.

        Our network sees the grey image `working`, (h, w), without its outer edge, which is 0 here;
        a preset sees the RGB one, `photo`, resized. Raises a BlurError if it is not possible.
        """
        if missing := grad_cam_missing(self.classifier):
            raise BlurError(missing)
        from blur_fusion.explain.gradcam import grad_cam

        if isinstance(self.classifier, PresetClassifier):
            given = Photo(photo).image(self.classifier.spec)
            single = self._network.output_shape[-1] == 1  # the probability of the second class
            blurred = self.classifier.blurred
            which = (0, 2.0 * blurred - 1) if single else (blurred, 1.0)
            seen = grad_cam(self._network, given.reshape(*given.shape[:2], -1), *which)
            return np.asarray(cv2.resize(seen, working.shape[::-1]), np.float32)
        whole = np.zeros(working.shape, np.float32)
        judged = center_crop(whole)
        padded = pad_to(center_crop(working), SMALLEST_INPUT)
        heat = cv2.resize(grad_cam(self._network, padded[:, :, None]), padded.shape[::-1])
        judged[:] = heat[: judged.shape[0], : judged.shape[1]]
        return whole


def _spread(view: View) -> PointSpread | None:
    """The photo's point-spread function, in its own pixels."""
    measures = {"motion": measure_motion, "defocus": measure_defocus}
    prediction = view.prediction
    if not prediction.blurred or prediction.kind not in measures:
        return None
    found = measures[prediction.kind](view.working)
    long_side = max(prediction.width or 0, prediction.height or 0)
    scale = max(1.0, long_side / max(view.working.shape))
    return replace(found, extent=found.extent and found.extent * scale)
