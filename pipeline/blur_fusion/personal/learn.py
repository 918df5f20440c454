"""Calibration, thresholds and a small head anew, from decisions; only where they show a gain.

What is tried is judged by cross-validation, in which a burst is never parted: each photo by a fit
that has not seen its burst. A calibration or head is adopted where the mean log-loss falls, with a
95 % interval (bootstrap over bursts) that excludes zero. Thresholds come with them; else they are
chosen anew where the share of kept photos that the model calls blurred is not the one asked for:
the latter lies outside the 95 % interval of the former. Nothing is adopted unless the 99 % interval
of its AUC lies above one half: decisions that have nothing to do with what the model measures teach
it nothing, though a flatter model would lose less on them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.evaluation.metrics import (
    HEADINGS,
    Answers,
    Estimate,
    estimate,
    ratio,
    scene_weights,
    weighted_auc,
    weighted_metrics,
    with_interval,
)
from blur_fusion.fusion.calibration import (
    Model,
    RateTable,
    choose_threshold,
    doubt_band,
    fit_calibration,
)
from blur_fusion.fusion.stack import Calibration, sigmoid
from blur_fusion.params import ThresholdParams

FEWEST = 30  # decisions
FEWEST_OF_A_KIND = 5  # bursts with a photo that is kept, and as many with a rejected one
FOLDS, INNER_FOLDS, RESAMPLES, SEED = 10, 5, 2000, 1
FIGURES = ("recall", "false_alarm_rate", "auc", "log_loss")
STRENGTHS = (1e-4, 1e-3, 1e-2)  # inverse strengths of the head's penalty
_UNPENALISED = 100.0  # times the model's own logit, so that the penalty hardly weighs on it
_BINS = 15

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Decisions with what the model measures of their photos.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        1 is rejected, 0 kept.
    logits : ndarray of float32, shape (n, 4)
        Of the CNN.
    measures : ndarray of float32, shape (n, F)
        Those that the model's stack names.
    bursts : ndarray of int, shape (n,)
        Number of the burst or scene of each photo.
    """

    labels: Ints
    logits: npt.NDArray[np.float32]
    measures: npt.NDArray[np.float32]
    bursts: Ints


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it.

    Attributes
    ----------
    model : Model, optional
        None where nothing showed a gain.
    adopted : tuple of str
        Of "calibration" (with thresholds), "thresholds" alone and "head" (with both of its own)
        those that were, each over what was before it.
    before, after : dict of str to Estimate
        `FIGURES` with 95 % intervals; after by cross-validation.
    gains : dict of str to Estimate
        By how much the log-loss falls: what was tried, against what it would replace.
    alarms : Estimate
        Share of kept photos that the model calls blurred, with the interval that decides.
    asked : float
        The share asked for.
    """

    model: Model | None
    adopted: tuple[str, ...]
    before: dict[str, Estimate]
    after: dict[str, Estimate]
    gains: dict[str, Estimate]
    alarms: Estimate
    asked: float


@dataclass(frozen=True, eq=False)
class _Said:
    """Probabilities (n,), and verdicts by thresholds that go with them."""

    probabilities: Floats
    verdicts: npt.NDArray[np.bool_]

    def losses(self, labels: Ints) -> Floats:
        """Log-loss of each photo, nats."""
        tiny = np.finfo(np.float64).eps
        sure = np.clip(self.probabilities, tiny, 1 - tiny)
        return np.asarray(-np.where(labels == 1, np.log(sure), np.log1p(-sure)))


# From the rows to fit on and those to judge: probabilities of the latter, and the threshold.
_Fit = Callable[[Ints, Ints], tuple[Floats, float]]


def _dealt(rows: Rows, folds: int, seed: int) -> Ints:
    """Fold of each row: whole bursts, those with a rejected photo spread evenly."""
    rng = np.random.default_rng(seed)
    rejected = np.unique(rows.bursts[rows.labels == 1])
    others = np.setdiff1d(rows.bursts, rejected)
    order = np.concatenate([rng.permutation(rejected), rng.permutation(others)])
    place = dict(zip(order.tolist(), range(len(order)), strict=True))
    return np.array([place[burst] % folds for burst in rows.bursts.tolist()])


def require_enough(count: int) -> None:
    """Refuse fewer than `FEWEST` decisions."""
    line = f"{count} photos are kept or rejected; at least {FEWEST} are needed"
    require(count >= FEWEST, line)


def _check(rows: Rows) -> int:
    """How many folds the rows allow."""
    require_enough(len(rows.labels))
    bursts = [len(np.unique(rows.bursts[rows.labels == label])) for label in (0, 1)]
    for number, kind in zip(bursts, ("kept", "rejected"), strict=True):
        line = f"{number} bursts or scenes hold a photo that is {kind}"
        require(number >= FEWEST_OF_A_KIND, f"{line}; at least {FEWEST_OF_A_KIND} are needed")
    return min(FOLDS, *bursts)


def _crossed(fit: _Fit, folds: Ints) -> _Said:
    """Each row judged by a fit on the other folds."""
    probabilities, thresholds = np.zeros(len(folds)), np.zeros(len(folds))
    for fold in np.unique(folds):
        inside, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        probabilities[held], thresholds[held] = fit(inside, held)
    return _Said(probabilities, probabilities >= thresholds)


def _recalibrated(labels: Ints, logits: Floats, costs: ThresholdParams) -> _Fit:
    """Temperature, bias and threshold from some rows."""

    def fit(inside: Ints, held: Ints) -> tuple[Floats, float]:
        found = fit_calibration(labels[inside], logits[inside])
        own = found.probability(logits[inside])
        threshold = choose_threshold(labels[inside], own, costs.max_false_alarm_rate)
        return found.probability(logits[held]), threshold

    return fit


def _calibrated(
    model: Model, calibration: Calibration, labels: Ints, own: Floats, costs: ThresholdParams
) -> Model:
    """`model` with another calibration of the fused judge, and thresholds that go with it."""
    threshold = min(1.0, choose_threshold(labels, own, costs.max_false_alarm_rate))
    low, high = doubt_band(labels, own, threshold, costs)
    return dataclasses.replace(
        model,
        calibrations={**model.calibrations, "fused": calibration},
        thresholds={**model.thresholds, "fused": threshold},
        bands={**model.bands, "fused": (max(0.0, low), min(1.0, high))},
        rates=RateTable.fit(labels, own),
    )


def _rethresholded(labels: Ints, own: Floats, costs: ThresholdParams) -> _Fit:
    """The model's own probabilities, and a threshold from some rows."""

    def fit(inside: Ints, held: Ints) -> tuple[Floats, float]:
        rate = costs.max_false_alarm_rate
        return own[held], choose_threshold(labels[inside], own[inside], rate)

    return fit


def _share(hits: npt.NDArray[np.bool_], bursts: Ints) -> Estimate:
    """A proportion and its 95 % interval, as if each burst were one photo.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927: unlike
    the bootstrap's it is sound where nothing was hit.
    """
    number, share, z = len(np.unique(bursts)), float(hits.mean()), 1.96
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * np.sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    half = float(half / (1 + z * z / number))
    return {"value": share, "low": middle - half, "high": middle + half}


class _Head:
    """A logistic regression on the stack's inputs, beside the model's own logit.

    Parameters
    ----------
    model : Model
        The model as it is.
    rows : Rows
    costs : ThresholdParams
    """

    def __init__(self, model: Model, rows: Rows, costs: ThresholdParams) -> None:
        self.model, self.rows, self.costs = model, rows, costs
        joined = np.concatenate([rows.logits, rows.measures], axis=1)
        raw = model.stack.logits(rows.logits, rows.measures)["fused"]
        own = model.calibrations["fused"].scaled(raw)
        inputs = model.stack.standardiser.apply(joined).astype(np.float64)
        self.columns = np.concatenate([_UNPENALISED * own[:, None], inputs], axis=1)

    def regression(self, inside: Ints) -> tuple[Any, Floats]:
        """Fit on some rows; also their own logits, out of fold."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_predict

        part = Rows(*(getattr(self.rows, f.name)[inside] for f in dataclasses.fields(Rows)))
        table, labels = self.columns[inside], part.labels
        folds = _dealt(part, INNER_FOLDS, SEED)
        splits = [
            (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in np.unique(folds)
        ]
        tried = []
        for strength in STRENGTHS:
            regression = LogisticRegression(C=strength, solver="newton-cholesky")
            logits = cross_val_predict(
                regression, table, labels, cv=splits, method="decision_function"
            )
            losses = np.logaddexp(0, logits) - labels * logits
            tried.append((float(losses.mean()), strength, logits))
        _, strength, logits = min(tried, key=lambda one: one[0])
        regression = LogisticRegression(C=strength, solver="newton-cholesky")
        return regression.fit(table, labels), logits

    def fit(self, inside: Ints, held: Ints) -> tuple[Floats, float]:
        """See `_Fit`."""
        regression, logits = self.regression(inside)
        rate = self.costs.max_false_alarm_rate
        threshold = choose_threshold(self.rows.labels[inside], sigmoid(logits), rate)
        return sigmoid(regression.decision_function(self.columns[held])), threshold

    def fitted(self) -> Model | None:
        """The model with a head from all rows; None where its own logit counts for nothing.

        The head's logit is `slope * own + weights @ inputs + intercept`, and the own one is
        `raw / temperature + bias`.
        """
        regression, logits = self.regression(np.arange(len(self.rows.labels)))
        first, *weights = regression.coef_[0].tolist()
        slope, before = _UNPENALISED * first, self.model.calibrations["fused"]
        if slope <= 0:
            return None
        temperature = before.temperature / slope
        bias = slope * before.bias + float(regression.intercept_[0])
        stack = self.model.stack.with_head(temperature * np.array(weights))
        headed = dataclasses.replace(self.model, stack=stack)
        anew = Calibration(temperature, bias)
        return _calibrated(headed, anew, self.rows.labels, sigmoid(logits), self.costs)


def learn(
    model: Model, rows: Rows, costs: ThresholdParams | None = None, *, head: bool = True
) -> Outcome:
    """Learn from decisions what they can teach.

    Parameters
    ----------
    model : Model
        The model as it is.
    rows : Rows
        Measured with it.
    costs : ThresholdParams, optional
        Shares by which thresholds are chosen; the built-in ones by default.
    head : bool
        Try the head too, which needs scikit-learn.

    Raises
    ------
    BlurError
        There are fewer than `FEWEST` decisions, or too few of a kind.
    """
    folds = _dealt(rows, _check(rows), SEED)
    costs, labels = costs or ThresholdParams(), rows.labels
    raw = model.stack.logits(rows.logits, rows.measures)["fused"]
    own = model.calibrations["fused"].probability(raw)
    weights = np.concatenate(list(scene_weights(rows.bursts, RESAMPLES, SEED)))

    def gain(first: _Said, second: _Said) -> Floats:
        """By how much `second` loses less, on all photos and on each resample."""
        return ratio(weights @ (first.losses(labels) - second.losses(labels)), weights.sum(axis=1))

    def figures(said: _Said) -> dict[str, Estimate]:
        answers = Answers(said.probabilities, said.verdicts)
        found = weighted_metrics(labels, answers, weights, _BINS)
        return {name: estimate(found[name]) for name in FIGURES}

    before = best = _Said(own, own >= model.thresholds["fused"])
    gains: dict[str, Estimate] = {}
    fitted: Model | None = None
    adopted: list[str] = []

    def tells(said: _Said) -> bool:
        """Whether it tells rejected photos from others."""
        return _lower(weighted_auc(labels, said.probabilities, weights), 99) > 0.5

    def better(said: _Said, name: str) -> bool:
        """Whether it shows a gain over the best so far."""
        found = gain(best, said)
        gains[name] = estimate(found)
        return _lower(found, 95) > 0 and tells(said)

    kept, asked = labels == 0, costs.max_false_alarm_rate
    alarms = _share(before.verdicts[kept], rows.bursts[kept])
    recalibrated = _crossed(_recalibrated(labels, raw, costs), folds)
    if better(recalibrated, "calibration"):
        best = recalibrated
        adopted.append("calibration")
        anew = fit_calibration(labels, raw)
        fitted = _calibrated(model, anew, labels, anew.probability(raw), costs)
    elif not (alarms["low"] or 0) <= asked <= (alarms["high"] or 0) and tells(before):
        best = _crossed(_rethresholded(labels, own, costs), folds)
        adopted.append("thresholds")
        fitted = _calibrated(model, model.calibrations["fused"], labels, own, costs)
    if head:
        trained = _Head(model, rows, costs)
        headed = _crossed(trained.fit, folds)
        if better(headed, "head") and (joined := trained.fitted()) is not None:
            best, fitted = headed, joined
            adopted.append("head")
    found = figures(before), figures(best)
    return Outcome(fitted, tuple(adopted), *found, gains, alarms, asked)


def _lower(values: Floats, level: float) -> float:
    """Lower end of the interval of a figure on resamples, those behind its first value."""
    return float(np.nanpercentile(values[1:], (100 - level) / 2))


_TRIED = {"calibration": "calibration", "head": "weights of measures"}


def as_text(outcome: Outcome, model: Model, rows: Rows) -> str:
    """What came of it, for people: a table of figures before and after, and what showed a gain."""
    kept, rejected = int((rows.labels == 0).sum()), int(rows.labels.sum())
    bursts = len(np.unique(rows.bursts))
    found = [f"{kept + rejected} photos ({rejected} rejected, {kept} kept), {bursts} scenes"]
    table = [("", "before", "after, by cross-validation")]
    before, after = outcome.before, outcome.after
    table += [(HEADINGS[k], with_interval(before[k]), with_interval(after[k])) for k in FIGURES]
    ends = []
    for one in (model, outcome.model or model):
        threshold = one.thresholds["fused"]
        low, high = one.bands.get("fused", (threshold, threshold))
        ends.append((f"{threshold:.3f}", f"{low:.3f} to {high:.3f}"))
    table += zip(("threshold", "unsure"), *ends, strict=True)
    found += [f"{head:14}{first:26}{then}".rstrip() for head, first, then in table]
    for name, gain in outcome.gains.items():
        word = "learned" if name in outcome.adopted else "kept, no gain is shown"
        found.append(f"{_TRIED[name]}: gain in log-loss {with_interval(gain)}; {word}")
    word = "chosen anew" if outcome.adopted else "kept"
    share = f"{with_interval(outcome.alarms)} of kept photos called blurred"
    found.append(f"thresholds: {share}, {outcome.asked:.3f} asked for; {word}")
    return "\n".join(found)
