"""What is said of one photo, and how any explainer comes to say it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blur_fusion.explain.blur_map import BlurMap
from blur_fusion.explain.extent import PointSpread, measure_defocus, measure_motion
from blur_fusion.fusion.stack import LOGIT_NAMES, Model
from blur_fusion.images.working import Opened, Source, open_working
from blur_fusion.model.prediction import Verdict

NETWORK = "network"


@dataclass(frozen=True)
class Contribution:
    """What one input moved the fused logit by: above 0 it spoke for blurred.

    Attributes
    ----------
    name : str
        `NETWORK`, or a measure of `blur_fusion.features.measures`.
    logit : float
        Calibrated.
    """

    name: str
    logit: float

    @property
    def shown(self) -> str:
        """For people."""
        return self.name.replace("_", " ")


def contributions(
    model: Model, logits: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
) -> list[Contribution]:
    """Contributions of the network and of each family of measures, the largest first.

    Parameters
    ----------
    model : Model
    logits : ndarray of float, shape (4,)
        The network's.
    measures : ndarray of float, shape (F,)
        In the order of `model.stack.names`.
    """
    families = [NETWORK] * len(LOGIT_NAMES)
    families += [name.partition(".")[0] for name in model.stack.names]
    given = np.concatenate([logits, measures]).astype(np.float64)
    usual = np.asarray(model.stack.standardiser.centre)
    names = list(dict.fromkeys(families))
    rows = [given] + [
        np.where([family == name for family in families], usual, given) for name in names
    ]
    table = np.stack(rows)
    wide = len(LOGIT_NAMES)
    raw = model.stack.logits(table[:, :wide], table[:, wide:])["fused"]
    scaled = model.calibrations["fused"].scaled(raw)
    found = [
        Contribution(name, float(scaled[0] - without))
        for name, without in zip(names, scaled[1:], strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.logit))


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
    motion, defocus : PointSpread or None
        In pixels of the photo; None unless the verdict is of that kind.
    threshold : float
    """

    verdict: Verdict
    photo: Pixels
    map: BlurMap
    grad_cam: Floats | None
    contributions: list[Contribution]
    motion: PointSpread | None
    defocus: PointSpread | None
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
        return Explanation(
            verdict=verdict,
            photo=look.photo,
            map=self.blur_map(working),
            grad_cam=self.heat(look) if grad_cam else None,
            contributions=self.contributions(working),
            motion=_spread(verdict, "motion", measure_motion, working),
            defocus=_spread(verdict, "defocus", measure_defocus, working),
            threshold=self.threshold,
        )


def _spread(
    verdict: Verdict, kind: str, measure: Callable[[Pixels], PointSpread], working: Pixels
) -> PointSpread | None:
    if not verdict.blurred or verdict.kind != kind:
        return None
    found = measure(working)
    long_side = max(verdict.width or 0, verdict.height or 0)
    scale = max(1.0, long_side / max(working.shape))
    return PointSpread(None if found.extent is None else found.extent * scale, found.angle)


READ_MAP = (
    "Blur map: dark places are sharp, yellow ones blurred; hatched ones, such as sky, hold nothing "
    "to tell by."
)
READ_HEAT = (
    "Grad-CAM: red and yellow places drew the network towards 'blurred', blue ones hardly counted; "
    "the outer edge of a photo is not judged."
)
READ_BARS = (
    "Each bar is how far the verdict's logit would move if that input were as usual in training: "
    "to the right it spoke for blurred, to the left against."
)
SHARP_END, BLURRED_END = "sharp", "blurred"
LOW_END, HIGH_END = "low attention", "high attention"
_SHOWN = 4  # inputs for and against
_SLIGHT = 0.05  # logit that no bar is worth


def confidence(probability: float, blurred: bool) -> float:
    """Calibrated probability that the verdict is right."""
    return probability if blurred else 1 - probability


def percent(share: float) -> str:
    """A share for people: never a certainty that nobody has."""
    if share > 0.995:
        return "over 99 %"
    return "below 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")


def headline(verdict: Verdict) -> str:
    """For example "Blurred"."""
    return "Blurred" if verdict.blurred else "Not blurred"


def surely(verdict: Verdict, threshold: float) -> str:
    """For example "probability of blur 93 %, blurred from 72 % on"."""
    assert verdict.probability is not None
    return (
        f"probability of blur {percent(verdict.probability)}, "
        f"called blurred from {percent(threshold)} on"
    )


def _pixels(extent: float, verdict: Verdict) -> str:
    long_side = max(verdict.width or 0, verdict.height or 0)
    share = f" ({100 * extent / long_side:.1f} % of the long side)" if long_side else ""
    return (
        f"about {extent:.0f} pixels{share}" if extent >= 3 else f"about {extent:.1f} pixels{share}"
    )


def kind_line(explanation: Explanation) -> str:
    """The kind of blur with its direction and extent, one sentence or two."""
    verdict, motion, defocus = explanation.verdict, explanation.motion, explanation.defocus
    if not verdict.blurred:
        return "Not blurred as a whole; the map shows where it is soft."
    if motion is not None:
        if motion.angle is None:
            return "Motion blur; no single direction stands out."
        line = (
            f"Motion blur along {motion.angle:.0f} degrees "
            "(0 is level, 90 upright, counterclockwise)"
        )
        if motion.extent is None:
            return f"{line}; its length cannot be told from this photo."
        return f"{line}, {_pixels(motion.extent, verdict)} long."
    if defocus is not None:
        if defocus.extent is None:
            return "Out of focus; how far cannot be told from this photo."
        return f"Out of focus: points are disks of {_pixels(2 * defocus.extent, verdict)} across."
    return "Blurred; this model tells no kinds."


def strongest(found: list[Contribution]) -> list[Contribution]:
    """Those that spoke most for blurred and most against, for first."""
    forth = [one for one in found if one.logit >= _SLIGHT][:_SHOWN]
    against = [one for one in found if one.logit <= -_SLIGHT][:_SHOWN]
    return forth + against[::-1]
