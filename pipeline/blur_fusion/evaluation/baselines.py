"""What the networks must beat: Laplacian variance with one threshold, and a constant answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.metrics import Flags, Floats, Ints
from blur_fusion.parallel import ordered_map, shown

PUBLISHED_THRESHOLD = 470.0  # chosen on CERTH's training rows; 87.2 % on its evaluation rows
_SIDE = 512
_SMALLEST = 1e-3  # variance of a flat image is 0, its logarithm would not be finite

ChooseThreshold = Callable[[Ints, Floats, float], float]


def nearest_indices(length: int, side: int = _SIDE) -> npt.NDArray[np.intp]:
    """Source index of each of `side` pixels, as Pillow's NEAREST takes them.

    floor((i + 0.5) * length / side), the positions summed up step by step as Pillow's
    `ImagingScaleAffine` (Geometry.c) does, so that rounding falls the same way.
    """
    step = length / side
    positions = np.full(side, step)
    positions[0] = step * 0.5
    return np.asarray(np.add.accumulate(positions), dtype=np.intp)


def laplacian_512(path: str | Path) -> float:
    """Laplacian variance of a file by the published recipe.

    RGB without EXIF orientation, 512x512 by NEAREST, grey with OpenCV's BGR weights applied to RGB
    (red and blue trade places: that is the recipe), variance of `cv2.Laplacian(CV_64F)`.

    Parameters
    ----------
    path : path

    Returns
    -------
    float
        In squared grey levels.

    Raises
    ------
    BlurError
        The file is missing or no image.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:
        image = None
    if image is None:
        raise BlurError(f"{path}: is no image that OpenCV can decode, or is damaged")
    return laplacian_of(np.asarray(image, dtype=np.uint8))


def laplacian_of(image: npt.NDArray[np.uint8]) -> float:
    """:func:`laplacian_512` of a picture at hand: RGB of uint8, shape (H, W, 3)."""
    rows, columns = nearest_indices(image.shape[0]), nearest_indices(image.shape[1])
    # Grey before columns are picked: the same, and one channel is picked far faster than three.
    grey = np.asarray(cv2.cvtColor(image.take(rows, axis=0), cv2.COLOR_BGR2GRAY))
    return float(cv2.Laplacian(grey.take(columns, axis=1), cv2.CV_64F).var())


def laplacian_variances(paths: Iterable[Path], workers: int = 0) -> Floats:
    """:func:`laplacian_512` of many files, over threads, with progress: float, shape (n,)."""
    files = list(paths)
    values = ordered_map(laplacian_512, files, workers)
    return np.array(list(shown(values, len(files), "laplacian")), dtype=np.float64)


@dataclass(frozen=True)
class LaplacianBaseline:
    """One threshold on Laplacian variance, and a probability for the metrics that need one."""

    threshold: float
    slope: float
    intercept: float

    def verdicts(self, variances: Floats) -> Flags:
        """Blurred is below the threshold: bool, shape (n,)."""
        return variances < self.threshold

    def probabilities(self, variances: Floats) -> Floats:
        """P(blurred) by logistic regression on the logarithm: float, shape (n,)."""
        logits = self.slope * np.log(np.maximum(variances, _SMALLEST)) + self.intercept
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float64)


def fit_laplacian(
    labels: Ints, variances: Floats, max_false_alarm_rate: float, choose: ChooseThreshold
) -> LaplacianBaseline:
    """Fit threshold and probability on validation images, by the rule the models follow.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    variances : ndarray of float, shape (n,)
        From :func:`laplacian_512`.
    max_false_alarm_rate : float
    choose : callable
        `blur_fusion.fusion.calibration.choose_threshold`.

    Raises
    ------
    BlurError
        The validation images are of one class.
    """
    require(
        len(np.unique(labels)) == 2,
        "the validation images are all sharp or all blurred: no threshold can be chosen; "
        "give a data set with more scenes of both",
    )
    scores = 1 / (1 + variances)  # falls with variance, within 0..1 as a probability
    flagged = scores >= choose(labels, scores, max_false_alarm_rate)
    logistic = LogisticRegression()  # its mild penalty keeps two well-parted classes finite
    logistic.fit(np.log(np.maximum(variances, _SMALLEST))[:, None], labels)
    return LaplacianBaseline(
        threshold=round(_between(variances[flagged], variances[~flagged]), 6),
        slope=round(float(logistic.coef_[0, 0]), 6),
        intercept=round(float(logistic.intercept_[0]), 6),
    )


def _between(flagged: Floats, passed: Floats) -> float:
    """The geometric middle between the two groups: no rounding moves an image across it."""
    if flagged.size == 0:
        return float(passed.min())
    if passed.size == 0:
        return float(flagged.max()) + 1
    low, high = float(flagged.max()), float(passed.min())
    middle = float(np.sqrt(max(low, _SMALLEST) * high))
    return middle if low < middle <= high else high


@dataclass(frozen=True)
class ConstantBaseline:
    """Always "blurred", with the training rows' share of blurred as its probability."""

    share_blurred: float

    def verdicts(self, count: int) -> Flags:
        """The same answer `count` times: bool, shape (count,)."""
        return np.full(count, True)

    def probabilities(self, count: int) -> Floats:
        """The same probability `count` times: float, shape (count,)."""
        return np.full(count, self.share_blurred)


def fit_constant(train_labels: Ints) -> ConstantBaseline:
    """The constant answer; its probability from the training labels, int, shape (n,)."""
    require(len(train_labels) > 0, "the data set has no training rows; check its folders")
    return ConstantBaseline(share_blurred=round(float(train_labels.mean()), 6))
