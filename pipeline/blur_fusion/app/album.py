"""The photos of one visitor: judged once, shown under any threshold."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.explain.drawing import encoded
from blur_fusion.explain.explanation import Explanation, Look, PhotoExplainer
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.judging import settled
from blur_fusion.scan.output import Formatter

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Largest upload in bytes, largest photo in pixels, photos of one visitor."""

    upload: int = 60 * MEGA
    pixels: int = 120 * MEGA
    photos: int = 500

    def check(self, path: Path) -> None:
        """Refuse a file that is too large, by its header alone where Pillow knows the format.

        Others, such as RAW, are bounded by their bytes and by OpenCV's own limit of pixels.

        Raises
        ------
        BlurError
            It has too many bytes or pixels, or cannot be read.
        """
        from PIL import Image, UnidentifiedImageError

        try:
            size = path.stat().st_size
        except OSError as error:
            raise BlurError(f"cannot be read ({error.strerror or error})") from None
        require(size <= self.upload, f"has more than {self.upload // MEGA} MB")
        line = f"has more than {self.pixels // MEGA} million pixels"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own limit is not ours
                with Image.open(path) as picture:
                    width, height = picture.size
        except Image.DecompressionBombError:
            raise BlurError(line) from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return
        require(width * height <= self.pixels, line)


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
