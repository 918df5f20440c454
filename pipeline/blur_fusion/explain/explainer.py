"""`Explainer`: a photo in, everything that can be said of its verdict out."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blur_fusion.errors import BlurError
from blur_fusion.explain.blur_map import BlurMap, blur_map
from blur_fusion.explain.explanation import (
    Contribution,
    Floats,
    Look,
    PhotoExplainer,
    Pixels,
    contributions,
    grad_cam_missing,
)
from blur_fusion.features.summary import describe
from blur_fusion.images.working import Opened, Source, middle
from blur_fusion.model.detector import SHIPPED, BlurDetector
from blur_fusion.model.folder import NETWORK, read_folder
from blur_fusion.model.network import OnnxNetwork
from blur_fusion.model.prediction import Verdict

if TYPE_CHECKING:
    import keras


PRESET = "preset.json"  # what a trained preset's folder holds


class Explainer(PhotoExplainer):
    """Explains verdicts of one exported model; the verdicts are `BlurDetector`'s own.

    Parameters
    ----------
    model : path, optional
        A folder written by `blur export`; the shipped model by default.
    threshold : float, optional
        Probability from which a photo counts as blurred, instead of the model's own.

    Raises
    ------
    BlurError
        As `BlurDetector` does.
    """

    def __init__(self, model: Path | str | None = None, *, threshold: float | None = None) -> None:
        self._detector = BlurDetector(model, threshold=threshold)
        self.threshold, self.long_side = self._detector.threshold, self._detector.long_side
        folder = SHIPPED if model is None else Path(model)
        self._name = str(folder / NETWORK)
        self._contents, _ = read_folder(folder)
        self._network = OnnxNetwork(self._contents.network, self._name)

    def judge(self, opened: Opened, source: Source, name: str) -> Verdict:
        """See `BlurDetector.judge`."""
        return self._detector.judge(opened.pixels, name, (opened.width, opened.height))

    def blur_map(self, working: Pixels) -> BlurMap:
        """Where a grey working image (h, w) is sharp and where it is not."""
        return blur_map(working, self._network.maps(working)[0])

    @cached_property
    def _keras(self) -> keras.Model:
        from blur_fusion.explain.from_onnx import keras_network

        return keras_network(self._contents.network, self._name)

    def heat(self, look: Look) -> Floats:
        """Grad-CAM of blurred; see :meth:`grad_cam`."""
        return self.grad_cam(look.working)

    def grad_cam(self, working: Pixels) -> Floats:
        """Grad-CAM of blurred on a grey working image (h, w): 0..1, same size.

        The outer edge, which the network is not shown, is 0.

        Raises
        ------
        BlurError
            TensorFlow is missing, or the network holds an operation that Grad-CAM does not know.
        """
        missing = grad_cam_missing()
        if missing:
            raise BlurError(missing)
        import cv2

        from blur_fusion.explain.gradcam import grad_cam
        from blur_fusion.images.resize import SMALLEST_INPUT, pad_to

        judged = middle(working)
        padded = pad_to(judged, SMALLEST_INPUT)
        size = (padded.shape[1], padded.shape[0])
        heat = cv2.resize(grad_cam(self._keras, padded[:, :, None]), size)
        height, width = judged.shape
        top, left = (working.shape[0] - height) // 2, (working.shape[1] - width) // 2
        whole = np.zeros(working.shape, np.float32)
        whole[top : top + height, left : left + width] = heat[:height, :width]
        return whole

    def contributions(self, working: Pixels) -> list[Contribution]:
        """What spoke for blurred and against; see `blur_fusion.explain.explanation`."""
        logits = self._network.logits([working])[0]
        measures = describe(working, self._contents.features)
        return contributions(self._contents.model, logits, measures)


def open_explainer(
    model: Path | str | None = None, *, threshold: float | None = None
) -> PhotoExplainer:
    """The explainer of an exported model or of a trained preset, whichever the folder holds.

    Raises
    ------
    BlurError
        The folder holds neither, or a preset's TensorFlow is missing.
    """
    if model is None or not (Path(model) / PRESET).is_file():
        return Explainer(model, threshold=threshold)
    missing = grad_cam_missing()
    if missing:
        raise BlurError(missing.replace("Grad-CAM needs", f"{model}: a preset needs"))
    from blur_fusion.explain.presets import PresetExplainer

    return PresetExplainer(Path(model), threshold=threshold)
