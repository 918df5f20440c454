"""What the models must beat: a threshold on the Laplacian variance, and a constant answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blur_fusion.data.store import Store
from blur_fusion.errors import require
from blur_fusion.evaluation.metrics import Floats, Ints
from blur_fusion.fusion.calibration import choose_threshold
from blur_fusion.images.photo import Photo
from blur_fusion.model import classifier
from blur_fusion.model.classifier import Classifier, ConstantClassifier, LaplacianClassifier
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params


def laplacian_variances(paths: Iterable[Path], workers: int = 0) -> Floats:
    """Variance of each file by the published recipe, with a progress bar: float, shape (n,).

    Raises a BlurError if a file is missing or not an image.
    """
    files = list(paths)
    values = ordered_map(lambda path: classifier.recipe_variance(Photo(path)), files, workers)
    return np.array(list(shown(values, len(files), "laplacian")), dtype=np.float64)


def fit_laplacian(
    labels: Ints, variances: Floats, max_false_alarm_rate: float
) -> LaplacianClassifier:
    """Fit threshold and probability on validation images, as for our models.

    Parameters
    ----------
    labels, variances : ndarray, shape (n,)
    max_false_alarm_rate : float

    Raises
    ------
    BlurError
        The images are all sharp or all blurred.
    """
    from sklearn.linear_model import LogisticRegression

    scores = 1 / (1 + variances)  # falls with variance, between 0 and 1 like a probability
    flagged = scores >= choose_threshold(labels, scores, max_false_alarm_rate)
    logistic = LogisticRegression()  # its mild penalty keeps well separated classes finite
    logistic.fit(np.log(np.maximum(variances, classifier.SMALLEST_VARIANCE))[:, None], labels)
    return LaplacianClassifier(
        limit=round(_between(variances[flagged], variances[~flagged]), 6),
        slope=round(float(logistic.coef_[0, 0]), 6),
        intercept=round(float(logistic.intercept_[0]), 6),
    )


def _between(flagged: Floats, passed: Floats) -> float:
    """The geometric mean between the groups, so rounding moves no image to the other.

    Some image always passes, as no threshold flags everything.
    """
    high = float(passed.min())
    if flagged.size == 0:
        return high
    low = float(flagged.max())
    middle = float(np.sqrt(max(low, classifier.SMALLEST_VARIANCE) * high))
    return middle if low < middle <= high else high


def indices(store: Store, split: str) -> Ints:
    """Numbers of the images of a split. Raises a BlurError if it is empty."""
    found = np.flatnonzero(store.splits == split)
    require(len(found) > 0, f"the data set has no {split} images; give it more scenes")
    return found


def fit_baselines(store: Store, params: Params) -> tuple[ConstantClassifier, LaplacianClassifier]:
    """The proportion of blurred training images as a constant, and the Laplacian.

    Raises a BlurError if a split is empty or of one class, or a file is unreadable.
    """
    constant = ConstantClassifier(round(float(store.labels[indices(store, "train")].mean()), 6))
    held = indices(store, "validation")
    variances = laplacian_variances([store.rows[i].path for i in held], params.compute.workers)
    rate = params.threshold.max_false_alarm_rate
    return constant, fit_laplacian(store.labels[held], variances, rate)


def settings(judge: Classifier) -> dict[str, Any]:
    """For metrics.json: a classifier's `threshold`, and what a baseline was fitted to."""
    if isinstance(judge, ConstantClassifier):
        return {"threshold": None, "share_blurred": judge.probability}
    if isinstance(judge, LaplacianClassifier):
        return {"threshold": judge.limit, "slope": judge.slope, "intercept": judge.intercept}
    doubt = {} if judge.asked is not None else {"unsure": list(judge.band)}
    return {"threshold": judge.threshold, **doubt}


def known_baselines(report: Mapping[str, Any]) -> dict[str, Classifier]:
    """The constant and both Laplacian rows, from their :func:`settings` in metrics.json."""
    found = report["laplacian"]
    slope, intercept = found["slope"], found["intercept"]
    return {
        "constant": ConstantClassifier(report["constant"]["share_blurred"]),
        "laplacian_470": LaplacianClassifier(classifier.PUBLISHED_THRESHOLD, slope, intercept),
        "laplacian": LaplacianClassifier(found["threshold"], slope, intercept),
    }
