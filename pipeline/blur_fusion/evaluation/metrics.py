"""Metrics with 95 % intervals, and paired comparisons. Blurred is the positive class.

Every metric is computed for many weightings of the images at once: the first counts each image
once and gives the value, the others are resamples of scenes and give the interval (percentile
bootstrap). All models share the resamples, so differences and ratios are paired (Efron and
Tibshirani 1993, chapter 8). What a weighting leaves undefined is NaN: AUC and balanced accuracy
need both classes, recall a blurred image, the false-alarm rate a sharp one.

Labels are int, 1 is blurred; probabilities are P(blurred).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.data.dataset import LabelledImage
from blur_fusion.errors import require
from blur_fusion.model.prediction import Prediction
from blur_fusion.params import Params

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Estimate = dict[str, float | None]  # "value", "low", "high"; None where undefined
Draws = dict[str, dict[str, Floats]]  # model -> metric -> the value, then one for each resample

HEADINGS = {  # column titles
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
    "log_loss": "log-loss",
    "calibration_error": "calibration",
}
METRICS = tuple(HEADINGS)
KINDS = ("sharp", "defocus", "motion")
COMPARED = ("log_loss", "balanced_accuracy")
_BLOCK = 4_000_000  # weights held at once


def readable(predictions: Iterable[Prediction]) -> list[Prediction]:
    """The predictions. Raises a BlurError for the first that failed."""
    found = list(predictions)
    for one in found:
        require(one.error is None, f"{one.path}: {one.error}")
    return found


@dataclass(frozen=True)
class Answers:
    """What one classifier says of n photos: P(blurred), float, and the verdict, bool."""

    probabilities: Floats
    verdicts: Flags

    @classmethod
    def of(cls, predictions: Iterable[Prediction]) -> Answers:
        """Collect predictions. Raises a BlurError for the first that failed."""
        pairs = [(one.probability, one.blurred) for one in readable(predictions)]
        probabilities, verdicts = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        return cls(probabilities, verdicts == 1)

    def at(self, rows: Sequence[int]) -> Answers:
        """Only some of the photos."""
        return Answers(self.probabilities[rows], self.verdicts[rows])


def calibration_bins(probabilities: Floats, bins: int) -> Ints:
    """Bin number of each probability, in `bins` equal bins from 0 to 1: int, shape (n,)."""
    return np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)


def log_losses(labels: Ints, probabilities: Floats) -> Floats:
    """Log-loss of each image in nats, shape (n,); clipped as in sklearn.metrics.log_loss."""
    tiny = np.finfo(np.float64).eps
    sure = np.clip(probabilities, tiny, 1 - tiny)
    return np.asarray(-np.where(labels == 1, np.log(sure), np.log1p(-sure)))


def ratio(above: Floats, below: Floats) -> Floats:
    """`above` / `below`, NaN where `below` is 0 or either is NaN."""
    defined = np.isfinite(above) & (below > 0)
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=defined)


def weighted_auc(labels: Ints, scores: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve by weighted ranks; ties count half.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
    weights : ndarray of float, shape (r, n)

    Returns
    -------
    ndarray of float, shape (r,)
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    ranked = weights[:, order]
    positive = np.add.reduceat(ranked * labels[order], starts, axis=1)
    negative = np.add.reduceat(ranked * (1 - labels[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return ratio((positive * below).sum(axis=1), pairs)


def weighted_metrics(
    labels: Ints, answers: Answers, weights: Floats, bins: int
) -> dict[str, Floats]:
    """All `METRICS`, equal to scikit-learn's with `sample_weight`.

    The calibration error of P(blurred) is the gap between mean probability and proportion of
    blurred photos in each bin, averaged over photos (Guo et al., ICML 2017, for two classes).

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    answers : Answers
    weights : ndarray of float, shape (r, n)
    bins : int
        Equal bins of the calibration error.

    Returns
    -------
    dict of ndarray of float, shape (r,)
    """
    probabilities, verdicts = answers.probabilities, answers.verdicts
    total, blurred = weights.sum(axis=1), weights @ labels
    recall = ratio(weights @ (labels * verdicts), blurred)
    false_alarms = ratio(weights @ ((1 - labels) * verdicts), total - blurred)
    losses = log_losses(labels, probabilities)
    gaps = np.zeros((len(labels), bins))
    gaps[np.arange(len(labels)), calibration_bins(probabilities, bins)] = probabilities - labels
    return {
        "accuracy": ratio(weights @ (verdicts == labels), total),
        "balanced_accuracy": (recall + 1 - false_alarms) / 2,
        "auc": weighted_auc(labels, probabilities, weights),
        "recall": recall,
        "false_alarm_rate": false_alarms,
        "log_loss": ratio(weights @ losses, total),
        "calibration_error": ratio(np.abs(weights @ gaps).sum(axis=1), total),
    }


def counts(labels: Ints, verdicts: Flags) -> dict[str, int]:
    """How many photos are `blurred` and `found`, `sharp` and `flagged`."""
    return {
        "blurred": int((labels == 1).sum()),
        "found": int((verdicts & (labels == 1)).sum()),
        "sharp": int((labels == 0).sum()),
        "flagged": int((verdicts & (labels == 0)).sum()),
    }


def labels_of(images: Sequence[LabelledImage]) -> Ints:
    """Labels of images: int, shape (n,)."""
    return np.array([image.label for image in images], dtype=np.int64)


def scenes_of(images: Sequence[LabelledImage]) -> Ints:
    """Scene number of each image, in order of appearance: int, shape (n,)."""
    keys = dict.fromkeys(image.key for image in images)
    numbers = {key: number for number, key in enumerate(keys)}
    return np.array([numbers[image.key] for image in images], dtype=np.int64)


def scene_weights(codes: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each image counts: once, then in each resample of scenes.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Scene numbers from :func:`scenes_of`; some may be missing.
    resamples, seed : int

    Yields
    ------
    ndarray of float, shape (r, n)
        Blocks of 1 + `resamples` rows in all. The first row is all ones.
    """
    yield np.ones((1, len(codes)))
    if len(codes) == 0:
        return
    rng = np.random.default_rng(seed)
    present, codes = np.unique(codes, return_inverse=True)
    scenes = len(present)
    block = max(1, _BLOCK // len(codes))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = rng.integers(0, scenes, size=(rows, scenes))
        draws += np.arange(rows)[:, None] * scenes
        times = np.bincount(draws.ravel(), minlength=rows * scenes).reshape(rows, scenes)
        yield times[:, codes].astype(np.float64)


def estimate(values: Floats) -> Estimate:
    """Value and 95 % interval of a metric, over the resamples that define it.

    Parameters
    ----------
    values : ndarray of float, shape (1 + resamples,)
        On all images, then on each resample.

    Returns
    -------
    dict with `value`, `low`, `high`
    """
    if not np.isfinite(values[0]):
        return {"value": None, "low": None, "high": None}
    defined = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(defined, [2.5, 97.5]).tolist() if defined.size else (None, None)
    return {"value": float(values[0]), "low": low, "high": high}


def difference(first: Floats, second: Floats) -> dict[str, Any]:
    """First minus second as an :func:`estimate`, and whether it `excludes_zero`."""
    found = estimate(first - second)
    low, high = found["low"], found["high"]
    excludes = low is not None and high is not None and (low > 0 or high < 0)
    return {**found, "excludes_zero": excludes}


def proportions(hits: Flags, counted: Flags, codes: Ints, resamples: int, seed: int) -> Floats:
    """Proportion of hits among counted images; columns share the resamples.

    Parameters
    ----------
    hits, counted : ndarray of bool, shape (n,) or (n, k)
        Every hit is counted.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    resamples, seed : int

    Returns
    -------
    ndarray of float, shape (1 + resamples,) or (1 + resamples, k)
    """
    blocks = scene_weights(codes, resamples, seed)
    return np.concatenate([ratio(weights @ hits, weights @ counted) for weights in blocks])


def measured(
    images: Sequence[LabelledImage], answers: Mapping[str, Answers], params: Params
) -> tuple[dict[str, dict[str, Any]], Draws]:
    """All metrics of each model, with intervals on the same resamples.

    Returns
    -------
    figures : dict of model -> metric -> Estimate, and `counts`
    draws : dict of model -> metric -> ndarray of float, shape (1 + resamples,)
    """
    labels, codes = labels_of(images), scenes_of(images)
    bins = params.evaluate.calibration_bins
    blocks = [
        {name: weighted_metrics(labels, one, weights, bins) for name, one in answers.items()}
        for weights in scene_weights(codes, params.evaluate.resamples, params.seed)
    ]
    draws = {
        name: {key: np.concatenate([block[name][key] for block in blocks]) for key in METRICS}
        for name in answers
    }
    figures = {
        name: {
            "counts": counts(labels, one.verdicts),
            **{metric: estimate(draws[name][metric]) for metric in METRICS},
        }
        for name, one in answers.items()
    }
    return figures, draws


def one_per_scene(codes: Ints, seed: int) -> Ints:
    """Index of one random image of each scene (n,): int, shape (scenes,), ascending."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    _, first = np.unique(codes[shuffled], return_index=True)
    return np.sort(shuffled[first])


def mcnemar(first_right: Flags, second_right: Flags) -> dict[str, float | int]:
    """Exact two-sided McNemar test (McNemar 1947, binomial form).

    Parameters
    ----------
    first_right, second_right : ndarray of bool, shape (n,)
        Whether each model judged each image correctly.

    Returns
    -------
    dict with `images`, `first_only_right`, `second_only_right`, `p_value`
    """
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    differing = first_only + second_only
    tail = sum(comb(differing, k) for k in range(min(first_only, second_only) + 1))
    return {
        "images": len(first_right),
        "first_only_right": first_only,
        "second_only_right": second_only,
        "p_value": min(1.0, 2 * tail / 2**differing),
    }


def compare(labels: Ints, cnn: Flags, fused: Flags, codes: Ints, seed: int) -> dict[str, object]:
    """McNemar's test of the verdicts of CNN and fused, on all images and on one per scene.

    Images of a scene are alike, which the test over all images ignores; hence the second.
    """
    cnn_right, fused_right = cnn == (labels == 1), fused == (labels == 1)
    one = one_per_scene(codes, seed)
    return {
        "first": "cnn",
        "second": "fused",
        "all_images": mcnemar(cnn_right, fused_right),
        "one_image_per_scene": mcnemar(cnn_right[one], fused_right[one]),
    }


def differences(draws: Draws) -> dict[str, dict[str, dict[str, Any]]]:
    """Paired differences: "fused_minus_cnn" or "fused_minus_features" -> metric -> difference."""
    fused = draws["fused"]
    return {
        f"fused_minus_{other}": {
            metric: difference(fused[metric], draws[other][metric]) for metric in COMPARED
        }
        for other in ("cnn", "features")
    }


def measure_kinds(
    images: Sequence[LabelledImage], named: Sequence[str | None], resamples: int, seed: int
) -> dict[str, Any]:
    """How often the kind of blur is right, among images whose kind is known.

    Parameters
    ----------
    images : sequence of LabelledImage, length n
    named : sequence of str, length n
        Predicted kinds, "sharp" where the verdict is.
    resamples, seed : int

    Returns
    -------
    dict
        `images` and `accuracy` (an :func:`estimate`); the same two in `blur`, for blurred images
        that are called blurred; `confusion`, true kind -> predicted kind -> images.
    """
    truth, codes = np.array([image.kind for image in images], dtype=np.str_), scenes_of(images)
    answer = np.array(named, dtype=np.str_)

    def accuracy(chosen: Flags) -> dict[str, Any]:
        right = (truth == answer)[chosen]
        draws = proportions(right, np.ones_like(right), codes[chosen], resamples, seed)
        return {"images": len(right), "accuracy": estimate(draws)}

    called_blurred = np.isin(truth, KINDS[1:]) & np.isin(answer, KINDS[1:])
    return {
        **accuracy(np.isin(truth, KINDS)),
        "blur": accuracy(called_blurred),
        "confusion": {
            kind: {name: int(((truth == kind) & (answer == name)).sum()) for name in KINDS}
            for kind in KINDS
        },
    }


def measure_doubt(
    images: Sequence[LabelledImage], said: Sequence[Prediction], resamples: int, seed: int
) -> dict[str, Any]:
    """How often the verdict is unsure, and how often the others are wrong.

    Returns
    -------
    dict
        `unsure`, `false_alarms` (of the sharp images with a verdict) and `misses` (of the blurred
        ones), each with `images`, `of`, `value`, `low`, `high`.
    """
    labels, codes = labels_of(images), scenes_of(images)
    piles = np.array([one.pile for one in said], dtype=np.str_)
    sure, sharp = piles != "unsure", labels == 0
    columns = {
        "unsure": (~sure, np.ones_like(sure)),
        "false_alarms": (sharp & (piles == "blurred"), sharp & sure),
        "misses": (~sharp & (piles == "sharp"), ~sharp & sure),
    }
    hits, counted = (np.stack(part, axis=1) for part in zip(*columns.values(), strict=True))
    draws = proportions(hits, counted, codes, resamples, seed)
    return {
        name: {"images": int(hit.sum()), "of": int(count.sum()), **estimate(draws[:, place])}
        for place, (name, (hit, count)) in enumerate(columns.items())
    }


def worst_rows(labels: Ints, probabilities: Floats, verdicts: Flags, count: int) -> Ints:
    """Rows of the `count` most confident mistakes: misses, then false alarms, the worst first.

    Half are misses and half false alarms; where there are fewer of one, there are more of the
    other.
    """
    order = np.argsort(probabilities, kind="stable")
    misses = order[(labels[order] == 1) & ~verdicts[order]]
    order = np.argsort(-probabilities, kind="stable")
    alarms = order[(labels[order] == 0) & verdicts[order]]
    kept = min(len(misses), max(count // 2, count - len(alarms)))
    return np.concatenate([misses[:kept], alarms[: count - kept]])


def figure(found: Mapping[str, Any], form: str = ".3f") -> str:
    """The value, such as "0.912", or "91.2 %" for the format ".1%"."""
    return "n/a" if found["value"] is None else f"{found['value']:{form}}".replace("%", " %")


def interval(found: Mapping[str, Any], form: str = ".3f", to: str = "-") -> str:
    """The interval, such as "0.890-0.931" or "89.0-93.1 %"; empty where there is none."""
    if found["low"] is None:
        return ""
    low, high = (f"{found[end]:{form}}" for end in ("low", "high"))
    return f"{low.removesuffix('%')}{to}{high.replace('%', ' %')}"


def with_interval(found: Mapping[str, Any], form: str = ".3f", to: str = " to ") -> str:
    """Both, such as "0.912 (0.890 to 0.931)"."""
    spread = interval(found, form, to)
    return f"{figure(found, form)} ({spread})" if spread else figure(found, form)
