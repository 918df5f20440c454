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
from blur_fusion.explain.explainer import Explainer, Explanation, View
from blur_fusion.files import os_errors
from blur_fusion.images.photo import Photo
from blur_fusion.images.thumbnails import encoded
from blur_fusion.model.prediction import Band, Prediction
from blur_fusion.scan.output import Formatter

MEGA = 1_000_000

Pixels = npt.NDArray[np.uint8]


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

        with os_errors(path.name, "cannot be read"):
            size = path.stat().st_size
        require(size <= self.upload, f"has more than {self.upload // MEGA} MB")
        line = f"has more than {self.pixels // MEGA} million pixels"
        try:
            # Pillow warns of its own limit, which is not ours.
            with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
                width, height = picture.size
        except Image.DecompressionBombError:
            raise BlurError(line) from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return
        require(width * height <= self.pixels, line)


@dataclass(frozen=True)
class Upload:
    """One photo; the file itself is gone.

    Attributes
    ----------
    prediction : Prediction
        With threshold 0, so that its kind is the likely kind of blur.
    working, shown : bytes
        Working image: grey as PNG, in colour as JPEG; empty where the file could not be read.
    """

    prediction: Prediction
    working: bytes = b""
    shown: bytes = b""


def judge_upload(explainer: Explainer, path: Path, limits: Limits) -> Upload:
    """Judge an uploaded file; whatever is wrong with it is a failed prediction.

    Parameters
    ----------
    explainer : Explainer
        Of a classifier with threshold 0.
    path : Path
    limits : Limits
    """
    photo = Photo(path, path.name)
    try:
        limits.check(path)
        view = explainer.view(photo)
        return Upload(view.prediction, encoded(view.working, ".png"), encoded(view.photo))
    except Exception as error:
        return Upload(Prediction.caught(path.name, error))


def _decoded(data: bytes, flag: int) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flag), dtype=np.uint8)


@dataclass
class Album:
    """Photos in the order they came, and the one that is looked at.

    Attributes
    ----------
    uploads : list of Upload
    chosen : int
        Number of the photo shown.
    """

    uploads: list[Upload] = field(default_factory=list)
    chosen: int = 0
    _kept: tuple[int, Explanation] | None = None

    def add(self, uploads: list[Upload]) -> None:
        """Append photos; the first of them is shown."""
        if uploads:
            self.chosen = len(self.uploads)
            self.uploads.extend(uploads)

    def choose(self, number: int) -> None:
        """Look at another photo; a number that is none is ignored."""
        if 0 <= number < len(self.uploads):
            self.chosen = number

    def predictions(self, threshold: float, band: Band | None = None) -> list[Prediction]:
        """All predictions under a threshold and band; nothing is judged anew."""
        return [upload.prediction.settled(threshold, band) for upload in self.uploads]

    def csv(self, threshold: float, band: Band | None = None) -> str:
        """All predictions as `blur scan --format csv` writes them."""
        lines = Formatter("csv")
        return lines.head() + "".join(map(lines.row, self.predictions(threshold, band)))

    def explained(
        self, explainer: Explainer, threshold: float, grad_cam: bool, band: Band | None = None
    ) -> Explanation | None:
        """Explanation of the photo shown; None where there is none. Made once for each photo.

        With Grad-CAM if that can be had; a network that Grad-CAM does not know has its map.
        """
        if not self.uploads or not self.uploads[self.chosen].working:
            return None
        upload = self.uploads[self.chosen]
        if self._kept is None or self._kept[0] != self.chosen:
            working = _decoded(upload.working, cv2.IMREAD_GRAYSCALE)
            view = View(upload.prediction, working, _decoded(upload.shown, cv2.IMREAD_COLOR_RGB))
            try:
                found = explainer.explain_view(view, grad_cam)
            except BlurError:
                found = explainer.explain_view(view)
            self._kept = self.chosen, found
        prediction = upload.prediction.settled(threshold, band)
        known = self._kept[1]
        return dataclasses.replace(known, prediction=prediction, threshold=threshold, band=band)
