"""What decisions teach, and what they do not: on made-up measures with a known truth."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.fusion.calibration import Model
from blur_fusion.fusion.stack import Stack, sigmoid
from blur_fusion.params import ThresholdParams
from blur_fusion.personal import learn
from blur_fusion.personal.learn import Rows, as_text
from tiny_model import tiny_contents

MODEL = tiny_contents().model
WIDTH = len(MODEL.stack.names)


def photos(count: int, seed: int) -> Rows:
    """Measures of photos, each a scene of its own, without labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.7, 1.2, (count, 4)).astype(np.float32)
    measures = rng.normal(0.5, 3.0, (count, WIDTH)).astype(np.float32)
    return Rows(np.zeros(count, np.int64), logits, measures, np.arange(count))


def own_logits(rows: Rows, model: Model = MODEL) -> npt.NDArray[np.float64]:
    raw = model.stack.logits(rows.logits, rows.measures)["fused"]
    return model.calibrations["fused"].scaled(raw)


def labelled(rows: Rows, logits: npt.NDArray[np.float64], seed: int = 0) -> Rows:
    """The same, rejected with these log-odds."""
    rng = np.random.default_rng([seed, 1])  # another stream than that of the measures
    drawn = rng.uniform(size=len(logits)) < sigmoid(logits)
    return dataclasses.replace(rows, labels=drawn.astype(np.int64))


def loss(rows: Rows, model: Model) -> float:
    logits = own_logits(rows, model)
    return float((np.logaddexp(0, logits) - rows.labels * logits).mean())


def test_a_head_adds_a_linear_function_to_the_fused_logit_alone() -> None:
    rows, weights = photos(50, 1), np.random.default_rng(2).normal(0, 0.1, WIDTH + 4)
    stack = MODEL.stack
    inputs = stack.standardiser.apply(np.concatenate([rows.logits, rows.measures], axis=1))
    headed = stack.with_head(weights)
    before, after = (one.logits(rows.logits, rows.measures) for one in (stack, headed))
    for judge, logits in after.items():
        added = inputs @ weights if judge == "fused" else 0.0
        assert logits == pytest.approx(before[judge] + added, abs=1e-5), judge
    again = Stack.from_arrays(stack.names, headed.arrays())
    assert (again.logits(rows.logits, rows.measures)["fused"] == after["fused"]).all()


@pytest.mark.parametrize(
    ("learned", "gain", "shown"),
    [("calibration", 0.1, "calibration"), ("head", 0.05, "weights of measures")],
)
def test_another_taste_is_learned_and_holds_for_other_photos(
    learned: str, gain: float, shown: str
) -> None:
    """By calibration, that fewer are bad; by the head, that one measure matters."""

    def taste(count: int, seed: int) -> Rows:
        rows = photos(count, seed)
        more = rows.measures[:, 5] - 0.5 if learned == "head" else -2
        return labelled(rows, own_logits(rows) + more, seed + 1)

    rows, others = taste(200, 1), taste(2000, 3)
    outcome = learn.learn(MODEL, rows, head=learned == "head")
    model = outcome.model
    assert outcome.adopted[-1:] == (learned,) and model is not None
    assert loss(others, model) < loss(others, MODEL) - gain
    assert outcome.after["log_loss"]["value"] == pytest.approx(loss(others, model), abs=0.12)
    low, high = model.bands["fused"]
    assert 0 <= low <= model.thresholds["fused"] <= high <= 1
    assert model.rates.sharp == (rows.labels == 0).sum()
    for judge in ("cnn", "features"):
        assert model.calibrations[judge] == MODEL.calibrations[judge]
    text = as_text(outcome, MODEL, rows)
    assert f"{shown}: gain in log-loss 0." in text and "; learned" in text
    assert text.endswith("0.066 asked for; chosen anew")


def test_a_model_that_is_right_is_kept() -> None:
    many = photos(5000, 99)
    logits = own_logits(many)
    sharp = labelled(many, logits).labels == 0
    costs = ThresholdParams(float((logits[sharp] >= 0).mean()))
    kept = 0
    for seed in range(20):
        rows = photos(60, seed)
        outcome = learn.learn(MODEL, labelled(rows, own_logits(rows), seed), costs, head=False)
        kept += outcome.model is None
        assert (outcome.model is None) == (outcome.adopted == ())
    assert kept >= 19


@pytest.mark.parametrize("asked", [0.01, 0.28])
def test_thresholds_alone_follow_the_share_that_is_asked_for(asked: float) -> None:
    rows, others = (labelled(photos(n, n), 2 * own_logits(photos(n, n)), n) for n in (400, 4000))
    costs = ThresholdParams(asked)
    right = learn.learn(MODEL, rows, costs, head=False).model
    assert right is not None  # has learned the slope: only thresholds are left
    outcome = learn.learn(right, rows, ThresholdParams(0.1), head=False)
    assert outcome.adopted == ("thresholds",) and outcome.model is not None
    assert outcome.model.calibrations == right.calibrations
    probabilities = sigmoid(own_logits(others, outcome.model))
    flagged = (probabilities >= outcome.model.thresholds["fused"])[others.labels == 0].mean()
    assert flagged == pytest.approx(0.1, abs=0.05)
    assert outcome.after["false_alarm_rate"]["value"] == pytest.approx(0.1, abs=0.03)
    assert outcome.after["auc"] == outcome.before["auc"]


def test_labels_at_random_teach_nothing() -> None:
    """The model is sure and wrong of half of them: a flatter one would lose much less."""
    refused = 0
    for seed in range(20):
        rows = photos(60, seed)
        rows = labelled(rows, 4 * own_logits(rows), seed)
        shuffled = np.random.default_rng(seed).permutation(rows.labels)
        tried = seed < 2  # the head takes most of the time
        outcome = learn.learn(MODEL, dataclasses.replace(rows, labels=shuffled), head=tried)
        refused += outcome.model is None
    assert refused >= 19


def test_photos_of_a_burst_teach_nothing_about_one_another() -> None:
    """Eight copies of each of 24 photos, whose labels are random: by heart, all would be right."""
    labels = np.random.default_rng(2).permutation(np.arange(24) % 2)
    rows = dataclasses.replace(photos(24, 1), labels=labels).part(np.repeat(np.arange(24), 8))
    assert learn.learn(MODEL, rows).model is None
    apart = dataclasses.replace(rows, bursts=np.arange(len(rows.labels)))
    assert "head" in learn.learn(MODEL, apart).adopted  # as if they were strangers


@pytest.mark.parametrize(
    ("labels", "bursts", "line"),
    [
        ([0, 1] * 14, range(28), "28 photos are kept or rejected; at least 30"),
        ([0] * 30, range(30), "scenes with a rejected photo: 0; at least 5"),
        ([0] * 20 + [1] * 20, [*range(20), *[20] * 20], "scenes with a rejected photo: 1"),
        ([1] * 26 + [0] * 4, range(30), "scenes with a kept photo: 4"),
    ],
)
def test_too_little_is_one_line(labels: list[int], bursts: list[int], line: str) -> None:
    rows = photos(len(labels), 0)
    rows = dataclasses.replace(rows, labels=np.array(labels), bursts=np.array(bursts))
    with pytest.raises(BlurError, match=line):
        learn.learn(MODEL, rows)
