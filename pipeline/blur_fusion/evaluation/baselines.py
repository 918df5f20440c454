"""What the networks must beat: Laplacian variance with one threshold, and a constant answer."""

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
    """Variance by the published recipe of many files, with progress: float, shape (n,).

    Raises
    ------
    BlurError
        A file is missing or no image.
    """
    files = list(paths)
    values = ordered_map(lambda path: classifier.recipe_variance(Photo(path)), files, workers)
    return np.array(list(shown(values, len(files), "laplacian")), dtype=np.float64)


def fit_laplacian(
    labels: Ints, variances: Floats, max_false_alarm_rate: float
) -> LaplacianClassifier:
    """Fit threshold and probability on validation images, by the rule the models follow.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    variances : ndarray of float, shape (n,)
        From :func:`laplacian_variances`.
    max_false_alarm_rate : float

    Raises
    ------
    BlurError
        The validation images are of one class.
    """
    from sklearn.linear_model import LogisticRegression

    scores = 1 / (1 + variances)  # falls with variance, within 0..1 as a probability
    flagged = scores >= choose_threshold(labels, scores, max_false_alarm_rate)
    logistic = LogisticRegression()  # its mild penalty keeps two well-parted classes finite
    logistic.fit(np.log(np.maximum(variances, classifier.SMALLEST_VARIANCE))[:, None], labels)
    return LaplacianClassifier(
        limit=round(_between(variances[flagged], variances[~flagged]), 6),
        slope=round(float(logistic.coef_[0, 0]), 6),
        intercept=round(float(logistic.intercept_[0]), 6),
    )


def _between(flagged: Floats, passed: Floats) -> float:
    """The geometric middle between the two groups: no rounding moves an image across it.

    Something always passes, for no threshold flags everything.
    """
    high = float(passed.min())
    if flagged.size == 0:
        return high
    low = float(flagged.max())
    middle = float(np.sqrt(max(low, classifier.SMALLEST_VARIANCE) * high))
    return middle if low < middle <= high else high


def indices(store: Store, split: str) -> Ints:
    """Numbers of the images of a split, of which there is one at least."""
    found = np.flatnonzero(store.splits == split)
    require(len(found) > 0, f"the data set has no {split} images; give it more scenes")
    return found


def fit_baselines(store: Store, params: Params) -> tuple[ConstantClassifier, LaplacianClassifier]:
    """The constant answer, with the proportion of blurred training images, and the Laplacian.

    Raises
    ------
    BlurError
        A split is empty, the validation images are of one class, or a file is unreadable.
    """
    constant = ConstantClassifier(round(float(store.labels[indices(store, "train")].mean()), 6))
    held = indices(store, "validation")
    variances = laplacian_variances([store.rows[i].path for i in held], params.compute.workers)
    rate = params.threshold.max_false_alarm_rate
    return constant, fit_laplacian(store.labels[held], variances, rate)


def settings(judge: Classifier) -> dict[str, Any]:
    """What makes its answers, for metrics.json: `threshold`, and what a baseline was fitted to."""
    if isinstance(judge, ConstantClassifier):
        return {"threshold": None, "share_blurred": judge.probability}
    if isinstance(judge, LaplacianClassifier):
        return {"threshold": judge.limit, "slope": judge.slope, "intercept": judge.intercept}
    doubt = {} if judge.asked is not None else {"unsure": list(judge.band)}
    return {"threshold": judge.threshold, **doubt}


def known_baselines(report: Mapping[str, Any]) -> dict[str, Classifier]:
    """The constant answer and both Laplacian rows, from the :func:`settings` in metrics.json."""
    found = report["laplacian"]
    slope, intercept = found["slope"], found["intercept"]
    return {
        "constant": ConstantClassifier(report["constant"]["share_blurred"]),
        "laplacian_470": LaplacianClassifier(classifier.PUBLISHED_THRESHOLD, slope, intercept),
        "laplacian": LaplacianClassifier(found["threshold"], slope, intercept),
    }
