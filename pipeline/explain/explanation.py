"""What is said of one photo, and how any explainer comes to say it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.explain.blur_map import BlurMap
from pipeline.explain.contributions import Contribution
from pipeline.explain.extent import Defocus, Motion, measure_defocus, measure_motion
from pipeline.images.opened import Opened, Source, open_working
from pipeline.serving.verdict import Verdict

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A verdict and what it was made from.

    Attributes
    ----------
    verdict : Verdict
    working : ndarray of uint8, shape (h, w)
        Grey working image.
    photo : ndarray of uint8, shape (h, w, 3)
        The same in RGB.
    """

    verdict: Verdict
    working: Pixels
    photo: Pixels


@dataclass(frozen=True)
class Explanation:
    """What is said of one photo.

    Attributes
    ----------
    verdict : Verdict
    photo : ndarray of uint8, shape (h, w, 3)
        RGB, at working size.
    map : BlurMap
    grad_cam : ndarray of float32 or None, shape (h, w)
        0..1; None where it was not asked for.
    contributions : list of Contribution
        The largest first.
    motion, defocus : Motion or None, Defocus or None
        In pixels of the photo; None unless the verdict is of that kind.
    threshold : float
    """

    verdict: Verdict
    photo: Pixels
    map: BlurMap
    grad_cam: Floats | None
    contributions: list[Contribution]
    motion: Motion | None
    defocus: Defocus | None
    threshold: float


def grad_cam_missing() -> str | None:
    """Why there can be no Grad-CAM here, in one line; None where there can."""
    from importlib.util import find_spec

    absent = [name for name in ("tensorflow", "keras", "onnx") if find_spec(name) is None]
    if not absent:
        return None
    return "Grad-CAM needs TensorFlow, of the extra 'train': pip install 'blur-fusion[train]'"


class PhotoExplainer(ABC):
    """Judges photos and explains the verdicts.

    Attributes
    ----------
    threshold : float
        Probability from which a photo counts as blurred.
    long_side : int
        Of working images, in pixels.
    """

    threshold: float
    long_side: int

    @abstractmethod
    def judge(self, opened: Opened, source: Source, name: str) -> Verdict:
        """Verdict of a grey working image, and of the source that it comes from."""

    @abstractmethod
    def blur_map(self, working: Pixels) -> BlurMap:
        """Where a grey working image (h, w) is sharp and where it is not."""

    @abstractmethod
    def heat(self, look: Look) -> Floats:
        """Grad-CAM of blurred, (h, w), 0..1."""

    @abstractmethod
    def contributions(self, working: Pixels) -> list[Contribution]:
        """What spoke for blurred and against, the largest first."""

    def look(self, source: Source, name: str | None = None) -> Look:
        """Open a photo, given as for `BlurDetector.predict`, and judge it.

        Parameters
        ----------
        source : path or ndarray
        name : str, optional
            For the verdict; that of `source` by default.

        Raises
        ------
        BlurError
            The photo cannot be read.
        """
        opened = open_working(source, self.long_side)
        given = "array" if isinstance(source, np.ndarray) else str(source)
        verdict = self.judge(opened, source, given if name is None else name)
        photo = open_working(source, self.long_side, colour=True).pixels
        return Look(verdict, opened.pixels, photo)

    def explain(
        self, source: Source, name: str | None = None, grad_cam: bool = False
    ) -> Explanation:
        """Judge a photo and explain the verdict; see :meth:`look`.

        Raises
        ------
        BlurError
            The photo cannot be read; or there is no Grad-CAM.
        """
        return self.explain_look(self.look(source, name), grad_cam)

    def explain_look(self, look: Look, grad_cam: bool = False) -> Explanation:
        """Explain a verdict at hand."""
        verdict, working = look.verdict, look.working
        long_side = max(verdict.width or 0, verdict.height or 0)
        scale = max(1.0, long_side / max(working.shape))
        return Explanation(
            verdict=verdict,
            photo=look.photo,
            map=self.blur_map(working),
            grad_cam=self.heat(look) if grad_cam else None,
            contributions=self.contributions(working),
            motion=_of_kind(verdict, "motion", lambda: _motion(working, scale)),
            defocus=_of_kind(verdict, "defocus", lambda: _defocus(working, scale)),
            threshold=self.threshold,
        )


def _of_kind(verdict: Verdict, kind: str, measure: Callable[[], Any]) -> Any:
    return measure() if verdict.blurred and verdict.kind == kind else None


def _times(extent: float | None, scale: float) -> float | None:
    return None if extent is None else extent * scale


def _motion(working: Pixels, scale: float) -> Motion:
    found = measure_motion(working)
    return Motion(found.angle, _times(found.length, scale))


def _defocus(working: Pixels, scale: float) -> Defocus:
    return Defocus(_times(measure_defocus(working).radius, scale))
