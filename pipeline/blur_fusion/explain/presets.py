"""Verdicts of trained presets explained: their own Grad-CAM, and a blur map without a network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from blur_fusion.errors import BlurError
from blur_fusion.evaluation.baselines import laplacian_512
from blur_fusion.explain.blur_map import BlurMap, blur_map
from blur_fusion.explain.explanation import Contribution, Floats, Look, PhotoExplainer, Pixels
from blur_fusion.explain.gradcam import grad_cam
from blur_fusion.images.working import Opened, Source
from blur_fusion.model.classifier import laplacian_variance
from blur_fusion.model.prediction import Verdict
from blur_fusion.presets.examples import small, whole
from blur_fusion.presets.trained import Trained

LONG_SIDE = 768  # of the pictures shown; a preset sees its own size
EVEN = 0.5  # presets call a photo what is most probable


class PresetExplainer(PhotoExplainer):
    """Explains one trained preset; it tells no kinds, and its probability is not calibrated.

    Parameters
    ----------
    folder : Path
        Written by `blur preset`.
    threshold : float, optional
        Probability from which a photo counts as blurred; one half by default.

    Raises
    ------
    BlurError
        The folder's content is missing or damaged.
    """

    def __init__(self, folder: Path, *, threshold: float | None = None) -> None:
        self._trained = Trained.load(folder)
        self.threshold = EVEN if threshold is None else threshold
        self.long_side = LONG_SIDE

    def judge(self, opened: Opened, source: Source, name: str) -> Verdict:
        """Judge a file as the preset reads it."""
        if isinstance(source, np.ndarray):
            raise BlurError(f"{name}: presets judge files, not arrays")
        preset = self._trained.preset
        pixels = small(whole(Path(source), preset.input), preset.input)
        fused = self._trained.fused is not None
        variances = np.array([laplacian_512(source) if fused else 0.0])
        classes = self._trained.classes_of_pixels(pixels[None], variances)
        probability = float(self._trained.blurred(classes)[0][0])
        kept = float(np.clip(probability, 1e-9, 1 - 1e-9))
        return Verdict(
            path=name,
            blurred=probability >= self.threshold,
            probability=probability,
            kind="blurred" if probability >= self.threshold else "sharp",
            logit=float(np.log(kept / (1 - kept))),
            laplacian_variance=laplacian_variance(opened.pixels),
            width=opened.width,
            height=opened.height,
        )

    def blur_map(self, working: Pixels) -> BlurMap:
        """By the energies of detail alone."""
        return blur_map(working, np.zeros((1, 1), np.float32))

    def heat(self, look: Look) -> Floats:
        """Grad-CAM of the preset's network on the picture as small as it sees it."""
        preset = self._trained.preset
        shown = look.photo if preset.input.colour else look.working
        place = preset.layout.classes.index(preset.layout.blurred)
        sigmoid = preset.network.output == "sigmoid"  # one answer, of the second class
        towards = -1.0 if sigmoid and place == 0 else 1.0
        column = 0 if sigmoid else place
        heat = grad_cam(self._trained.model, small(shown, preset.input), column, towards=towards)
        size = (look.working.shape[1], look.working.shape[0])
        return np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def contributions(self, working: Pixels) -> list[Contribution]:
        """None: there is no stack to ask."""
        return []
