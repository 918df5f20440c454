"""Metrics, intervals and McNemar's test, against scikit-learn and by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn import metrics as sk

from blur_fusion.evaluation import comparisons as mcnemar
from blur_fusion.evaluation.intervals import (
    intervals,
    scene_codes,
    scene_weights,
    weighted_auc,
    weighted_metrics,
)
from blur_fusion.evaluation.metrics import METRICS, calibration_error, counts, measure


def _drawn(count: int = 200, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    probabilities = np.clip(rng.normal(0.3 + 0.4 * labels, 0.3), 0, 1).round(2)  # with ties
    return labels, probabilities, probabilities >= 0.45


def test_metrics_by_hand() -> None:
    labels, probabilities = np.array([1, 1, 1, 0]), np.array([0.9, 0.8, 0.2, 0.4])
    values = measure(labels, probabilities, probabilities >= 0.4, bins=10)
    assert values["accuracy"] == pytest.approx(0.5)
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["false_alarm_rate"] == 1
    assert values["balanced_accuracy"] == pytest.approx(1 / 3)
    assert values["auc"] == pytest.approx(2 / 3)
    assert values["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.2, 0.6]).mean())
    assert values["calibration_error"] == pytest.approx((0.1 + 0.2 + 0.8 + 0.4) / 4)
    assert counts(labels, probabilities >= 0.4) == {
        "blurred": 3,
        "found": 2,
        "sharp": 1,
        "flagged": 1,
    }


def test_calibration_error_joins_a_bin_before_it_takes_the_gap() -> None:
    probabilities = np.array([0.5, 0.5, 0.5, 0.5])
    assert calibration_error(np.array([1, 0, 1, 0]), probabilities, 15) == 0
    assert calibration_error(np.array([1, 1, 1, 1]), probabilities, 15) == 0.5
    assert calibration_error(np.array([1]), np.array([1.0]), 15) == 0  # 1.0 is in the last bin


@pytest.mark.parametrize(
    ("label", "undefined"),
    [
        (1, {"auc", "balanced_accuracy", "false_alarm_rate"}),
        (0, {"auc", "balanced_accuracy", "recall"}),
    ],
)
def test_one_class_leaves_metrics_undefined(label: int, undefined: set[str]) -> None:
    probabilities = np.array([0.2, 0.7])
    values = measure(np.array([label] * 2), probabilities, probabilities >= 0.5, bins=15)
    assert {name for name, value in values.items() if value is None} == undefined


def test_weights_equal_scikit_learn() -> None:
    labels, probabilities, verdicts = _drawn()
    weights = np.random.default_rng(1).integers(0, 4, (7, len(labels))).astype(float)
    ours = weighted_metrics(labels, probabilities, verdicts, weights, bins=15)
    for row, weight in enumerate(weights):
        known = {
            "accuracy": sk.accuracy_score(labels, verdicts, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, verdicts, sample_weight=weight),
            "auc": sk.roc_auc_score(labels, probabilities, sample_weight=weight),
            "recall": sk.recall_score(labels, verdicts, sample_weight=weight),
            "log_loss": sk.log_loss(labels, probabilities, sample_weight=weight),
        }
        for name, value in known.items():
            assert ours[name][row] == pytest.approx(value, abs=1e-12), name


def test_a_weight_means_as_many_copies() -> None:
    labels, probabilities, verdicts = _drawn()
    weights = np.random.default_rng(2).integers(0, 4, (3, len(labels)))
    ours = weighted_metrics(labels, probabilities, verdicts, weights.astype(float), bins=15)
    for row, weight in enumerate(weights):
        taken = np.repeat(np.arange(len(labels)), weight)
        known = measure(labels[taken], probabilities[taken], verdicts[taken], bins=15)
        for name in METRICS:
            assert ours[name][row] == pytest.approx(known[name], abs=1e-12), name


def test_auc_of_constant_scores_is_one_half_and_of_one_class_undefined() -> None:
    weights = np.array([[1.0, 1, 1], [0, 1, 1]])
    values = weighted_auc(np.array([1, 0, 0]), np.full(3, 0.4), weights)
    assert values[0] == 0.5
    assert np.isnan(values[1])


def test_scenes_are_drawn_whole() -> None:
    codes = scene_codes([("a", "1"), ("b", "1"), ("a", "1"), ("b", "2")])
    assert codes.tolist() == [0, 1, 0, 2]  # the same stem in two subsets is two scenes
    (weights,) = scene_weights(codes, 50, seed=1)
    assert (weights[:, 0] == weights[:, 2]).all()
    drawn = weights[:, [0, 1, 3]].sum(axis=1)
    assert (drawn == 3).all()
    assert len(np.unique(weights[:, 0])) > 2


def test_intervals_hold_the_value_and_grow_with_scene_size() -> None:
    labels, probabilities, verdicts = _drawn(400)
    judged = {"m": (probabilities, verdicts)}
    alone = intervals(labels, judged, np.arange(400), bins=15, resamples=400, seed=5)["m"]
    value = measure(labels, probabilities, verdicts, bins=15)
    for name in METRICS[:-1]:  # the calibration error is biased upwards in any resample
        low, high = alone[name] or (1.0, 0.0)
        assert low < value[name] < high, name
    copies = np.repeat(np.arange(50), 8)  # 50 scenes of 8 equal images: less is known
    few = {"m": (probabilities[copies], verdicts[copies])}
    grouped = intervals(labels[copies], few, copies, bins=15, resamples=400, seed=5)["m"]
    naive = intervals(labels[copies], few, np.arange(400), bins=15, resamples=400, seed=5)["m"]
    width = [high - low for low, high in (grouped["accuracy"], naive["accuracy"])]  # type: ignore[misc]
    assert width[0] > 2 * width[1]


def test_intervals_are_repeatable_and_leave_out_one_class_resamples() -> None:
    labels, probabilities = np.array([1, 0, 0]), np.array([0.9, 0.1, 0.4])
    judged = {"m": (probabilities, probabilities > 0.5)}
    settings = {"bins": 15, "resamples": 200}
    first = intervals(labels, judged, np.arange(3), seed=1, **settings)  # type: ignore[arg-type]
    again = intervals(labels, judged, np.arange(3), seed=1, **settings)  # type: ignore[arg-type]
    assert first == again
    assert first["m"]["auc"] == (1, 1)
    sharp = {"m": (probabilities[1:], probabilities[1:] > 0.5)}
    none = intervals(labels[1:], sharp, np.arange(2), seed=1, **settings)  # type: ignore[arg-type]
    assert none["m"]["auc"] is None
    assert none["m"]["recall"] is None
    assert none["m"]["false_alarm_rate"] == (0, 0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.arange(20)
    (whole,) = scene_weights(codes, 30, seed=4)
    monkeypatch.setattr("blur_fusion.evaluation.intervals._BLOCK", 200)
    parts = list(scene_weights(codes, 30, seed=4))
    assert len(parts) == 3
    assert (np.concatenate(parts) == whole).all()


def test_intervals_are_fast_enough() -> None:
    labels, probabilities, verdicts = _drawn(1000)
    judged = {str(model): (probabilities, verdicts) for model in range(5)}
    began = time.process_time()
    intervals(labels, judged, np.arange(1000) // 3, bins=15, resamples=1000, seed=1)
    assert time.process_time() - began < 15  # three such calls within a minute


def test_mcnemar_by_hand() -> None:
    first = np.array([True] * 8 + [False] * 1 + [True] * 5)
    second = np.array([False] * 8 + [True] * 1 + [True] * 5)
    result = mcnemar.mcnemar(first, second)
    assert (result["first_only_right"], result["second_only_right"]) == (8, 1)
    assert result["p_value"] == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar.mcnemar(first, first)["p_value"] == 1


def test_one_image_of_each_scene() -> None:
    codes = np.array([0, 0, 1, 2, 2, 2])
    chosen = mcnemar.one_per_scene(codes, seed=3)
    assert codes[chosen].tolist() == [0, 1, 2]
    assert (mcnemar.one_per_scene(codes, seed=3) == chosen).all()
    assert len({tuple(mcnemar.one_per_scene(codes, seed)) for seed in range(20)}) > 2
