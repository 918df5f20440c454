"""Calibration, thresholds and a small head from decisions; adopted only if they show a gain.

Candidates are judged by cross-validation that never splits a burst. A calibration or head is
adopted if the mean log-loss falls, with a 95 % interval (bootstrap over bursts) that excludes zero;
it comes with thresholds. Otherwise the thresholds alone are chosen anew if the requested share of
false alarms lies outside the 95 % interval of the observed one. Nothing is adopted unless the 99 %
interval of its AUC lies above one half: decisions unrelated to what the model measures teach it
nothing, though a flatter model would lose less on them.
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
    log_losses,
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
FEWEST_OF_A_KIND = 5  # bursts with a kept photo, and bursts with a rejected one
FOLDS, INNER_FOLDS, RESAMPLES, SEED = 10, 5, 2000, 1
FIGURES = ("recall", "false_alarm_rate", "auc", "log_loss")
STRENGTHS = (1e-4, 1e-3, 1e-2)  # inverse strengths of the head's penalty
_UNPENALISED = 100.0  # scale of the model's own logit, which makes its penalty negligible
_BINS = 15

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Decisions with the measurements of their photos."""

    labels: Ints  # (n,); 1 is rejected, 0 kept
    logits: npt.NDArray[np.float32]  # (n, 4), of the CNN
    measures: npt.NDArray[np.float32]  # (n, F), those that the model's stack names
    bursts: Ints  # (n,), number of each photo's burst or scene

    def part(self, rows: Ints) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was learned.

    Attributes
    ----------
    model : Model, optional
        None if nothing showed a gain.
    adopted : tuple of str
        Of "calibration" (with thresholds), "thresholds" alone and "head" (with both), those that
        were adopted, in order.
    before, after : dict of str to Estimate
        `FIGURES` with 95 % intervals; `after` by cross-validation.
    gains : dict of str to Estimate
        By how much the log-loss falls: each candidate against what it would replace.
    alarms : Estimate
        Share of kept photos that the model calls blurred.
    asked : float
        The requested share.
    """

    model: Model | None
    adopted: tuple[str, ...]
    before: dict[str, Estimate]
    after: dict[str, Estimate]
    gains: dict[str, Estimate]
    alarms: Estimate
    asked: float


# Fits on the first rows; returns probabilities of the second, and of the first for a threshold.
_Fit = Callable[[Ints, Ints], tuple[Floats, Floats]]


def _splits(rows: Rows, folds: int) -> list[tuple[Ints, Ints]]:
    """Rows outside and in each fold: whole bursts, those with a rejected photo spread evenly."""
    rng = np.random.default_rng(SEED)
    rejected = np.unique(rows.bursts[rows.labels == 1])
    others = np.setdiff1d(rows.bursts, rejected)
    order = np.concatenate([rng.permutation(rejected), rng.permutation(others)])
    place = dict(zip(order.tolist(), range(len(order)), strict=True))
    fold = np.array([place[burst] % folds for burst in rows.bursts.tolist()])
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]


def require_enough(count: int) -> None:
    """Refuse fewer than `FEWEST` decisions."""
    line = f"{count} photos are kept or rejected; at least {FEWEST} are needed"
    require(count >= FEWEST, line)


def _folds(rows: Rows) -> int:
    """How many folds the rows allow; BlurError if there are too few."""
    require_enough(len(rows.labels))
    bursts = [len(np.unique(rows.bursts[rows.labels == label])) for label in (0, 1)]
    for number, kind in zip(bursts, ("kept", "rejected"), strict=True):
        line = f"bursts or scenes with a {kind} photo: {number}; at least {FEWEST_OF_A_KIND} are"
        require(number >= FEWEST_OF_A_KIND, f"{line} needed")
    return min(FOLDS, *bursts)


def _share(hits: npt.NDArray[np.bool_], bursts: Ints) -> Estimate:
    """A proportion and its 95 % interval, as if each burst were one photo.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927: unlike
    the bootstrap's it is sound without any hits.
    """
    number, share, z = len(np.unique(bursts)), float(hits.mean()), 1.96
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * np.sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    half = float(half / (1 + z * z / number))
    return {"value": share, "low": middle - half, "high": middle + half}


class _Head:
    """A logistic regression on the stack's inputs, beside the model's own logit."""

    def __init__(self, model: Model, rows: Rows) -> None:
        self.model, self.rows = model, rows
        joined = np.concatenate([rows.logits, rows.measures], axis=1)
        raw = model.stack.logits(rows.logits, rows.measures)["fused"]
        own = model.calibrations["fused"].scaled(raw)
        inputs = model.stack.standardiser.apply(joined).astype(np.float64)
        self.columns = np.concatenate([_UNPENALISED * own[:, None], inputs], axis=1)

    def regression(self, inside: Ints) -> tuple[Any, Floats]:
        """Fit on some rows, and their out-of-fold logits."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_predict

        part, table = self.rows.part(inside), self.columns[inside]
        splits, tried = _splits(part, INNER_FOLDS), []
        for strength in STRENGTHS:
            regression = LogisticRegression(C=strength, solver="newton-cholesky")
            logits = cross_val_predict(
                regression, table, part.labels, cv=splits, method="decision_function"
            )
            losses = np.logaddexp(0, logits) - part.labels * logits
            tried.append((float(losses.mean()), regression, logits))
        _, regression, logits = min(tried, key=lambda one: one[0])
        return regression.fit(table, part.labels), logits

    def fit(self, inside: Ints, held: Ints) -> tuple[Floats, Floats]:
        """See `_Fit`."""
        regression, logits = self.regression(inside)
        return sigmoid(regression.decision_function(self.columns[held])), sigmoid(logits)

    def fitted(self) -> tuple[Model, Calibration, Floats] | None:
        """The model with a head from all rows, its calibration, and out-of-fold probabilities.

        The head's logit is `slope * own + weights @ inputs + intercept`, where `own` is
        `raw / temperature + bias`. None if the slope is not positive.
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
        return headed, Calibration(temperature, bias), sigmoid(logits)


def learn(
    model: Model, rows: Rows, costs: ThresholdParams | None = None, *, head: bool = True
) -> Outcome:
    """Learn what decisions can teach.

    Parameters
    ----------
    model : Model
    rows : Rows
        Measured with it.
    costs : ThresholdParams, optional
        Shares that decide the thresholds; by default those of `params.yaml`.
    head : bool
        Try the head too, which needs scikit-learn.

    Raises
    ------
    BlurError
        There are fewer than `FEWEST` decisions, or too few of a kind.
    """
    splits = _splits(rows, _folds(rows))
    costs, labels = costs or ThresholdParams(), rows.labels
    raw = model.stack.logits(rows.logits, rows.measures)["fused"]
    calibration = model.calibrations["fused"]
    own = calibration.probability(raw)
    weights = np.concatenate(list(scene_weights(rows.bursts, RESAMPLES, SEED)))

    def recalibrate(inside: Ints, held: Ints) -> tuple[Floats, Floats]:
        found = fit_calibration(labels[inside], raw[inside])
        return found.probability(raw[held]), found.probability(raw[inside])

    def crossed(fit: _Fit) -> Answers:
        """Each row judged by a fit on the other folds."""
        probabilities, thresholds = np.zeros(len(labels)), np.zeros(len(labels))
        for inside, held in splits:
            probabilities[held], known = fit(inside, held)
            rate = costs.max_false_alarm_rate
            thresholds[held] = choose_threshold(labels[inside], known, rate)
        return Answers(probabilities, probabilities >= thresholds)

    def calibrated(model: Model, calibration: Calibration, own: Floats) -> Model:
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

    def figures(said: Answers) -> dict[str, Estimate]:
        found = weighted_metrics(labels, said, weights, _BINS)
        return {name: estimate(found[name]) for name in FIGURES}

    def separates(said: Answers) -> bool:
        """Whether rejected photos surely rank above the others."""
        auc = weighted_auc(labels, said.probabilities, weights)
        return float(np.nanpercentile(auc[1:], 0.5)) > 0.5

    before = best = Answers(own, own >= model.thresholds["fused"])
    gains: dict[str, Estimate] = {}
    fitted: Model | None = None
    adopted: list[str] = []

    def better(said: Answers, name: str) -> bool:
        """Whether it shows a gain over the best so far."""
        old, new = (log_losses(labels, one.probabilities) for one in (best, said))
        saved = weights @ (old - new)
        gains[name] = estimate(ratio(saved, weights.sum(axis=1)))
        return (gains[name]["low"] or 0) > 0 and separates(said)

    kept, asked = labels == 0, costs.max_false_alarm_rate
    alarms = _share(before.verdicts[kept], rows.bursts[kept])
    recalibrated = crossed(recalibrate)
    if better(recalibrated, "calibration"):
        best = recalibrated
        adopted.append("calibration")
        anew = fit_calibration(labels, raw)
        fitted = calibrated(model, anew, anew.probability(raw))
    elif not (alarms["low"] or 0) <= asked <= (alarms["high"] or 0) and separates(before):
        best = crossed(lambda inside, held: (own[held], own[inside]))
        adopted.append("thresholds")
        fitted = calibrated(model, calibration, own)
    if head:
        trained = _Head(model, rows)
        headed = crossed(trained.fit)
        if better(headed, "head") and (found := trained.fitted()) is not None:
            best, fitted = headed, calibrated(*found)
            adopted.append("head")
    return Outcome(fitted, tuple(adopted), figures(before), figures(best), gains, alarms, asked)


_TRIED = {"calibration": "calibration", "head": "weights of measures"}


def as_text(outcome: Outcome, model: Model, rows: Rows) -> str:
    """A table of figures before and after, and what showed a gain."""
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
