"""`BlurDetector`: photos in, verdicts out, with an exported model."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion import __version__
from blur_fusion.errors import BlurError, require
from blur_fusion.images.working import open_working
from blur_fusion.model.folder import MODEL, NETWORK, ModelFolder, read_folder
from blur_fusion.model.network import OnnxNetwork
from blur_fusion.model.prediction import Picture, Verdict
from blur_fusion.model.scores import Detector, Scores
from blur_fusion.native.library import library

EXPOSURES = ("normal", "dark", "overexposed", "low-contrast")

_ROWS = 4  # every fourth row will do

# Grey levels. Of 81 real photos, many at night or in snow, they call 2 dark (one of the moon), 3
# low in contrast and none overexposed.
_DARK = 64  # 95 % of a dark photo's pixels are below
_CLIPPED, _LIGHT = 250, 170  # half of an overexposed one's are at least this, or 95 % at least that
_CONTRAST = 51  # from the 5th to the 95th percentile, a fifth of the range

Pixels = npt.NDArray[np.uint8]


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


def laplacian_variance(image: npt.NDArray[np.uint8]) -> float:
    """Variance of the four-neighbour Laplacian of a grey image, squared grey levels.

    As `cv2.Laplacian(image, cv2.CV_64F).var()`; its values are whole, so their sums are exact.
    """
    total, squares = _sums(np.ascontiguousarray(image))
    return squares / image.size - (total / image.size) ** 2


def _sums(image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Sum and sum of squares of the Laplacian."""
    compiled = library()
    height, width = image.shape
    if compiled is None or min(height, width) < 2:
        edges = cv2.Laplacian(image, cv2.CV_16S)
        # Ten times as fast as cv2.meanStdDev; the norm comes from its own square root.
        return round(cv2.sumElems(edges)[0]), round(cv2.norm(edges, cv2.NORM_L2SQR))
    found = np.empty(2, np.int64)
    compiled.blur_laplacian(image.ctypes.data, width, height, width, found.ctypes.data)
    return int(found[0]), int(found[1])


SHIPPED = Path(__file__).parent / "shipped"
AHEAD = 2  # photos in work for each thread, so that none waits while an earlier one is slow

Source = str | Path | npt.NDArray[np.generic]


def _open_model(model: Path | str | None) -> tuple[ModelFolder, OnnxNetwork, str]:
    folder = SHIPPED if model is None else Path(model)
    if model is None and not (folder / MODEL).is_file():
        raise BlurError("this installation of blur holds no model; name one's folder (--model)")
    contents, digest = read_folder(folder)
    network = OnnxNetwork(contents.network, str(folder / NETWORK), rest=contents.rest)
    return contents, network, digest


def _choice(
    contents: ModelFolder, threshold: float | None, max_false_alarms: float | None
) -> float:
    """The threshold asked for, or else the model's own."""
    both = threshold is not None and max_false_alarms is not None
    require(not both, "threshold and max_false_alarms exclude each other; give one of them")
    if max_false_alarms is not None:
        return contents.rates.threshold(max_false_alarms)
    if threshold is None:
        return contents.model.thresholds["fused"]
    require(0 <= threshold <= 1, f"threshold: {threshold:g} is no probability, give 0..1")
    return float(threshold)


class BlurDetector:
    """Tells blurred photos from sharp ones; several threads may use one at once.

    Parameters
    ----------
    model : path, optional
        A folder written by `blur export`; the shipped model by default.
    threshold : float, optional
        Probability from which a photo counts as blurred, instead of the model's own.
    max_false_alarms : float, optional
        Instead of a threshold: share of sharp photos, 0..0.3, that may be called blurred (as
        measured on the model's validation images).
    threads : int
        Photos that `predict` and `stream` judge at once.

    Attributes
    ----------
    threshold : float
    long_side : int
        Of the working images that :meth:`judge` takes, in pixels.
    fingerprint : str
        Changes with whatever may change a verdict: model, threshold and version of blur.
    provenance : dict
        What the model was made from: params, digests of code and data, versions.

    Raises
    ------
    BlurError
        The model is missing, damaged or of another format; an argument is impossible.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        threshold: float | None = None,
        max_false_alarms: float | None = None,
        threads: int = 1,
    ) -> None:
        require(threads >= 1, f"threads: {threads} is below 1")
        contents, self._network, digest = _open_model(model)
        self.long_side = contents.long_side
        self.provenance: dict[str, Any] = contents.provenance
        self.threads = threads
        self._contents, self._digest = contents, digest
        self._set(_choice(contents, threshold, max_false_alarms))

    def _set(self, threshold: float) -> None:
        self.threshold = threshold
        key = f"{self._digest} {threshold!r} {__version__}"
        self.fingerprint = hashlib.sha256(key.encode()).hexdigest()
        model = self._contents.model
        judge = dataclasses.replace(model, thresholds={**model.thresholds, "fused": threshold})
        self._detector = Detector(self._network, judge, self._contents.features)

    def at(self, threshold: float) -> BlurDetector:
        """The same detector with another threshold; nothing is loaded again."""
        other = copy.copy(self)
        other._set(_choice(self._contents, threshold, None))
        return other

    def judge(self, working: Pixels, path: str, size: tuple[int, int]) -> Verdict:
        """Judge a working image at hand.

        Parameters
        ----------
        working, path, size
            See `blur_fusion.model.prediction.Picture`.
        """
        return self.judge_all([Picture(working, path, size)])[0]

    def judge_all(self, pictures: Sequence[Picture]) -> list[Verdict]:
        """Judge a few working images at hand, on this thread; each as if it were alone."""
        scores = self._detector.each([picture.working for picture in pictures])
        return [self._said(*pair) for pair in zip(pictures, scores, strict=True)]

    def _said(self, picture: Picture, scores: Scores) -> Verdict:
        probability = float(scores.fused[0])
        return Verdict(
            path=picture.path,
            blurred=probability >= self.threshold,
            probability=probability,
            kind=scores.kind[0],
            logit=float(scores.logit[0]),
            laplacian_variance=laplacian_variance(picture.working),
            width=picture.size[0],
            height=picture.size[1],
            exposure=exposure(picture.working),
        )

    def blur_map(self, working: Pixels) -> tuple[npt.NDArray[np.float32], ...]:
        """Local logits of blurred and their weights; see `OnnxNetwork.maps`."""
        return self._network.maps(working)

    def _verdict(self, source: Source, path: str) -> Verdict:
        """Open and judge; what cannot be read is a failed verdict."""
        try:
            opened = open_working(source, self.long_side)
            return self.judge(opened.pixels, path, (opened.width, opened.height))
        except (BlurError, OSError, cv2.error, MemoryError) as error:
            return Verdict.failed(path, str(error) or type(error).__name__)

    def stream(self, sources: Iterable[Source]) -> Iterator[Verdict]:
        """Judge photos one after the other; memory stays flat however many there are.

        Parameters
        ----------
        sources : iterable of path or ndarray
            Image files, or (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8 or uint16.

        Yields
        ------
        Verdict
            In the order of `sources`; an array's path is "array 0" if it came first, and so on.
        """
        named = (
            (source, f"array {number}" if isinstance(source, np.ndarray) else str(source))
            for number, source in enumerate(sources)
        )
        if self.threads == 1:
            for source, path in named:
                yield self._verdict(source, path)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: deque[Future[Verdict]] = deque()
            try:
                for source, path in named:
                    waiting.append(pool.submit(self._verdict, source, path))
                    if len(waiting) >= AHEAD * self.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:  # whoever stops listening does not wait for the rest
                for future in waiting:
                    future.cancel()

    def predict(self, sources: Iterable[Source]) -> list[Verdict]:
        """Judge photos; see :meth:`stream`."""
        return list(self.stream(sources))
