"""The photos of one visitor: judged once, shown under any threshold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.app.limits import Limits
from pipeline.config.errors import BlurError
from pipeline.explain.colours import encoded
from pipeline.explain.explanation import Explanation, Look, PhotoExplainer
from pipeline.scan.formats import Formatter
from pipeline.scan.judging import settled
from pipeline.serving.verdict import Verdict

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """One upload; the file itself is gone.

    Attributes
    ----------
    verdict : Verdict
        With threshold 0, so that its kind is the likely kind of blur.
    working, shown : bytes
        Working image: grey as PNG, in colour as JPEG; empty where the file could not be read.
    """

    verdict: Verdict
    working: bytes = b""
    shown: bytes = b""


def judge_upload(explainer: PhotoExplainer, path: Path, limits: Limits) -> Photo:
    """Judge an uploaded file; whatever is wrong with it is a failed verdict.

    Parameters
    ----------
    explainer : PhotoExplainer
        With threshold 0.
    path : Path
    limits : Limits
    """
    name = path.name
    try:
        limits.check(path)
        look = explainer.look(path, name)
        shown = encoded(look.photo)
    except BlurError as error:
        line = str(error).removeprefix(f"{path}: ")
        return Photo(Verdict.failed(name, line))
    except MemoryError:
        return Photo(Verdict.failed(name, "is too large for the memory of this machine"))
    except Exception as error:  # damage that no decoder foresaw must not end the batch
        return Photo(Verdict.failed(name, f"cannot be judged ({type(error).__name__})"))
    working = cv2.imencode(".png", look.working)[1].tobytes()
    return Photo(look.verdict, working, shown)


def _explained(explainer: PhotoExplainer, look: Look, grad_cam: bool) -> Explanation:
    """With Grad-CAM if that can be had; a network that Grad-CAM does not know has its map."""
    if grad_cam:
        try:
            return explainer.explain_look(look, True)
        except BlurError:
            pass
    return explainer.explain_look(look)


def _decoded(data: bytes, flag: int) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flag), dtype=np.uint8)


@dataclass
class Album:
    """Photos in the order they came, and the one that is looked at.

    Attributes
    ----------
    photos : list of Photo
    chosen : int
        Number of the photo shown.
    """

    photos: list[Photo] = field(default_factory=list)
    chosen: int = 0
    _explained: tuple[int, Explanation] | None = None

    def add(self, photos: list[Photo]) -> None:
        """Append photos; the first of them is shown."""
        if photos:
            self.chosen = len(self.photos)
            self.photos.extend(photos)

    def choose(self, number: int) -> None:
        """Look at another photo; a number that is none is ignored."""
        if 0 <= number < len(self.photos):
            self.chosen = number

    def verdicts(self, threshold: float) -> list[Verdict]:
        """All verdicts under `threshold`; nothing is judged anew."""
        return [settled(photo.verdict, threshold) for photo in self.photos]

    def csv(self, threshold: float) -> str:
        """All verdicts as `blur scan --format csv` writes them."""
        lines = Formatter("csv")
        return lines.head() + "".join(lines.row(verdict) for verdict in self.verdicts(threshold))

    def explained(
        self, explainer: PhotoExplainer, threshold: float, grad_cam: bool
    ) -> Explanation | None:
        """Explanation of the photo shown; None where there is none. Made once for each photo."""
        if not self.photos or not self.photos[self.chosen].working:
            return None
        photo = self.photos[self.chosen]
        if self._explained is None or self._explained[0] != self.chosen:
            working = _decoded(photo.working, cv2.IMREAD_GRAYSCALE)
            shown = np.ascontiguousarray(_decoded(photo.shown, cv2.IMREAD_COLOR)[..., ::-1])
            look = Look(photo.verdict, working, shown)
            self._explained = self.chosen, _explained(explainer, look, grad_cam)
        verdict = settled(photo.verdict, threshold)
        return dataclasses.replace(self._explained[1], verdict=verdict, threshold=threshold)
