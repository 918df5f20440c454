"""Metrics, intervals and comparisons, against scikit-learn and by hand."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from blur_fusion.data.dataset import LabelledImage
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.metrics import Answers, estimate, proportions, scene_weights
from blur_fusion.evaluation.table import difference_lines, doubt_lines, kind_lines
from blur_fusion.model.prediction import Prediction
from evaluation_fakes import tiny_params

NONE = {"value": None, "low": None, "high": None}


def _images(
    labels: Iterable[int], kinds: Iterable[str] = (), scenes: Iterable[object] = ()
) -> list[LabelledImage]:
    """By default of unknown kind, each of a scene of its own."""
    rows = zip_longest(list(labels), kinds, scenes)
    return [
        LabelledImage(Path(), "", label, kind or "", "", str(n if scene is None else scene), "")
        for n, (label, kind, scene) in enumerate(rows)
    ]


def _answers(probabilities: Any, threshold: float = 0.45) -> Answers:
    values = np.asarray(probabilities, dtype=float)
    return Answers(values, values >= threshold)


def _drawn(count: int = 200) -> tuple[np.ndarray, Answers]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, count)
    return labels, _answers(np.clip(rng.normal(0.3 + 0.4 * labels, 0.3), 0.02, 0.98).round(2))


def _measure(labels: Any, answers: Answers) -> dict[str, float]:
    once = np.ones((1, len(labels)))
    found = metrics.weighted_metrics(np.asarray(labels), answers, once, 15)
    assert tuple(found) == metrics.METRICS
    return {name: float(values[0]) for name, values in found.items()}


def _measured(
    labels: np.ndarray, answers: Mapping[str, Answers], scenes: Iterable[object]
) -> tuple[dict[str, dict[str, Any]], metrics.Draws]:
    params = tiny_params()
    params = replace(params, evaluate=replace(params.evaluate, resamples=300), seed=5)
    return metrics.measured(_images(labels.tolist(), scenes=scenes), answers, params)


def _width(found: Mapping[str, Any]) -> float:
    return float(found["high"] - found["low"])


@pytest.mark.parametrize(
    ("labels", "probabilities", "error"),
    [
        ([1, 0, 1, 0], [0.5] * 4, 0),  # a bin is joined before it takes the gap
        ([1, 1, 1, 1], [0.5] * 4, 0.5),
        ([1], [1.0], 0),  # 1.0 is in the last bin
        ([1, 1, 1, 0], [0.9, 0.8, 0.2, 0.4], (0.1 + 0.2 + 0.8 + 0.4) / 4),
    ],
)
def test_calibration_error_by_hand(
    labels: list[int], probabilities: list[float], error: float
) -> None:
    found = _measure(labels, _answers(probabilities))["calibration_error"]
    assert found == pytest.approx(error)


@pytest.mark.parametrize(("label", "lacks"), [(1, "false_alarm_rate"), (0, "recall")])
def test_one_class_leaves_metrics_undefined(label: int, lacks: str) -> None:
    answers = _answers([0.2, 0.7, 0.7])
    weights = np.array([[1.0, 1.0, 0.0]])
    by_weight = metrics.weighted_metrics(np.array([label, label, 1 - label]), answers, weights, 15)
    for values in (_measure([label] * 2, answers.at([0, 1])), by_weight):
        undefined = {name for name, value in values.items() if np.isnan(value)}
        assert undefined == {"auc", "balanced_accuracy", lacks}


def test_weights_equal_scikit_learn_and_as_many_copies() -> None:
    labels, answers = _drawn()
    probabilities, verdicts = answers.probabilities, answers.verdicts
    weights = np.random.default_rng(1).integers(0, 4, (7, len(labels)))
    ours = metrics.weighted_metrics(labels, answers, weights.astype(float), bins=15)
    for row, weight in enumerate(weights):
        calm = sk.recall_score(labels, verdicts, pos_label=0, sample_weight=weight)
        known = {
            "false_alarm_rate": 1 - calm,
            "accuracy": sk.accuracy_score(labels, verdicts, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, verdicts, sample_weight=weight),
            "auc": sk.roc_auc_score(labels, probabilities, sample_weight=weight),  # there are ties
            "recall": sk.recall_score(labels, verdicts, sample_weight=weight),
            "log_loss": sk.log_loss(labels, probabilities, sample_weight=weight),
        }
        taken = np.repeat(np.arange(len(labels)), weight)
        for name, value in {**_measure(labels[taken], answers.at(taken)), **known}.items():
            assert ours[name][row] == pytest.approx(value, abs=1e-12), name


def test_worst_rows_are_the_most_confident_mistakes_of_both_kinds() -> None:
    labels = np.array([1, 1, 1, 0, 0, 0])
    fused = np.array([0.4, 0.1, 0.9, 0.6, 0.95, 0.2])
    verdicts = fused >= 0.5
    worst_rows = metrics.worst_rows
    assert worst_rows(labels, fused, verdicts, 10).tolist() == [1, 0, 4, 3]
    assert worst_rows(labels, fused, verdicts, 2).tolist() == [1, 4]
    assert worst_rows(labels, fused, labels == 1, 4).tolist() == []
    assert worst_rows(labels[:3], fused[:3], verdicts[:3], 2).tolist() == [1, 0]


def test_scenes_are_drawn_whole_after_the_images_themselves() -> None:
    keys = (("a", "1"), ("b", "1"), ("a", "1"), ("b", "2"))
    codes = metrics.scenes_of([LabelledImage(Path(), "", 0, "", *key, "") for key in keys])
    assert codes.tolist() == [0, 1, 0, 2]  # the same stem in two subsets is two scenes
    weights = np.concatenate(list(scene_weights(codes, 50, seed=1)))
    assert weights.shape == (51, 4) and (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 2]).all() and len(np.unique(weights[:, 0])) > 2
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    missing = np.concatenate(list(scene_weights(np.array([7, 7, 30]), 100, seed=1)))
    assert (missing[:, 1:].sum(axis=1) == 2).all()  # two scenes present, two drawn


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(scene_weights(np.arange(20), 30, seed=4)))
    monkeypatch.setattr(metrics, "_BLOCK", 200)
    parts = list(scene_weights(np.arange(20), 30, seed=4))
    assert len(parts) == 4 and (np.concatenate(parts) == whole).all()


def test_intervals_hold_the_value_and_grow_with_scene_size() -> None:
    labels, answers = _drawn(400)
    alone = _measured(labels, {"m": answers}, range(400))[0]["m"]
    assert alone == _measured(labels, {"m": answers}, range(400))[0]["m"]
    for name, value in _measure(labels, answers).items():
        assert alone[name]["value"] == value
        if name != "calibration_error":  # biased upwards in any resample
            assert alone[name]["low"] < value < alone[name]["high"], name
    copies = np.repeat(np.arange(50), 8)  # 50 scenes of 8 equal images: less is known
    few, labels = {"m": answers.at(copies)}, labels[copies]
    grouped, naive = (_measured(labels, few, codes)[0]["m"] for codes in (copies, range(400)))
    assert _width(grouped["accuracy"]) > 2 * _width(naive["accuracy"])


def test_an_interval_leaves_out_resamples_that_define_nothing() -> None:
    labels, answers = np.array([1, 0, 0]), _answers([0.9, 0.1, 0.4], 0.5)
    assert _measured(labels, {"m": answers}, range(3))[0]["m"]["auc"] == dict.fromkeys(NONE, 1)
    none = _measured(labels[1:], {"m": answers.at([1, 2])}, range(2))[0]["m"]
    assert none["auc"] == none["recall"] == NONE
    assert none["false_alarm_rate"] == dict.fromkeys(NONE, 0)
    assert estimate(np.array([np.nan, 1.0, 2.0])) == NONE
    assert estimate(np.array([0.5, np.nan])) == {**NONE, "value": 0.5}
    found = estimate(np.concatenate([[0.4], np.arange(101) / 100]))
    assert found == {"value": 0.4, "low": pytest.approx(0.025), "high": pytest.approx(0.975)}


@pytest.mark.parametrize(
    ("found", "form", "texts"),
    [
        ((0.912, 0.89, 0.931), ".3f", ("0.912", "0.890-0.931", "0.912 (0.890 to 0.931)")),
        ((0.1, 0.05, 0.234), ".1%", ("10.0 %", "5.0-23.4 %", "10.0 % (5.0 to 23.4 %)")),
        ((0.5, None, None), "+.1f", ("+0.5", "", "+0.5")),
        ((None, None, None), ".1%", ("n/a", "", "n/a")),
    ],
)
def test_how_a_figure_is_printed(found: Any, form: str, texts: tuple[str, ...]) -> None:
    one = dict(zip(NONE, found, strict=True))
    printers = metrics.figure, metrics.interval, metrics.with_interval
    assert tuple(shown(one, form) for shown in printers) == texts


def test_a_proportion_is_resampled_by_scene_over_what_is_counted() -> None:
    hits = np.repeat([True, False, True, True, False], 40)  # five scenes of 40 equal images
    draws = proportions(hits, np.ones(200, bool), np.repeat(np.arange(5), 40), 400, 2)
    assert draws[0] == pytest.approx(0.6)
    assert set(np.round(draws * 5, 9)) == set(range(6))
    hits, counted = np.array([True, False, False]), np.array([True, True, False])
    draws = proportions(hits, counted, np.array([0, 0, 1]), 300, 3)
    assert set(draws[np.isfinite(draws)]) == {0.5}
    assert np.isnan(draws).any()  # resamples of the second scene alone


def test_mcnemar_and_one_image_of_each_scene_by_hand() -> None:
    first = np.repeat([True, False, True], [8, 1, 5])
    second = np.repeat([False, True], [8, 6])
    found = {"images": 14, "first_only_right": 8, "second_only_right": 1}
    assert metrics.mcnemar(first, second) == {**found, "p_value": 2 * (1 + 9) / 2**9}
    for same in ((first, first), (first[7:9], second[7:9])):
        assert metrics.mcnemar(*same)["p_value"] == 1
    codes = np.array([0, 0, 1, 2, 2, 2])
    draws = [metrics.one_per_scene(codes, seed).tolist() for seed in (*range(20), 0)]
    assert {tuple(codes[chosen]) for chosen in draws} == {(0, 1, 2)}
    assert draws[0] == draws[-1] and len(set(map(tuple, draws))) > 2


def test_kinds_and_their_lines_by_hand() -> None:
    known = ["sharp", "sharp", *["defocus"] * 3, "motion", "motion", "", ""]
    named = ["sharp", "motion", "defocus", "motion", "sharp", "motion", "defocus", "sharp", ""]
    found = metrics.measure_kinds(_images([0] * len(known), known), named, resamples=200, seed=1)
    counts = [[1, 0, 1], [1, 1, 1], [0, 1, 1]]
    assert [list(row.values()) for row in found["confusion"].values()] == counts
    assert (found["images"], found["blur"]["images"]) == (7, 4)  # blurred, and called so
    assert found["accuracy"]["value"] == pytest.approx(3 / 7)
    assert found["accuracy"]["low"] < 3 / 7 < found["accuracy"]["high"]
    assert found["blur"]["accuracy"]["value"] == pytest.approx(2 / 4)
    lines = list(kind_lines(found))
    first = r"kind named rightly: 0\.429 \(.* of 7 images; defocus or motion: 0\.500 \("
    assert re.match(first, lines[0])
    assert [line.split() for line in lines[2::2]] == [
        ["named:", *metrics.KINDS],
        ["defocus", "1", "1", "1"],
    ]


@pytest.mark.parametrize(
    ("known", "named", "accuracy", "line"),
    [
        (["", ""], ["sharp", "motion"], None, ""),
        (["sharp", ""], ["sharp", "motion"], 1, ""),  # repeats the false-alarm rate
        (["motion"], ["sharp"], 0, "defocus or motion: n/a of 0 called blurred"),
    ],
)
def test_unknown_kinds_have_no_line(
    known: list[str], named: list[str], accuracy: float | None, line: str
) -> None:
    found = metrics.measure_kinds(_images([0] * len(known), known), named, resamples=10, seed=1)
    assert found["accuracy"]["value"] == accuracy
    assert found["blur"] == {"images": 0, "accuracy": NONE}
    lines = list(kind_lines(found))
    assert line in lines[0] if line else lines == []


def test_doubt_and_its_line_by_hand() -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    piles = ["sharp", "sharp", "blurred", "unsure", *["blurred"] * 3, "sharp", "unsure", "unsure"]
    said = [Prediction("", pile != "sharp", 0.5, verdict=pile) for pile in piles]
    images = _images(labels)
    found = metrics.measure_doubt(images, said, resamples=300, seed=1)
    counts = {"unsure": (3, 10), "false_alarms": (1, 3), "misses": (1, 4)}
    for name, (hits, of) in counts.items():
        one = found[name]
        assert (one["images"], one["of"], one["value"]) == (hits, of, pytest.approx(hits / of))
        assert one["low"] < one["value"] < one["high"]
    (line,) = doubt_lines(found)
    start = r"unsure: 30\.0 % \(.*\), 3 of 10 images; of the others wrong: 33\.3 % \("
    assert re.match(start, line) and line.endswith(") of 4 blurred")
    settled = [replace(one, verdict="sharp") for one in said]
    assert list(doubt_lines(metrics.measure_doubt(images, settled, 10, 1))) == []


def _differences(labels: np.ndarray, fused: Any, cnn: Answers) -> dict[str, Any]:
    features = _answers(cnn.probabilities, 2)  # flags nothing
    answers = {"fused": _answers(fused), "cnn": cnn, "features": features}
    return metrics.differences(_measured(labels, answers, np.arange(len(labels)) // 2)[1])


def test_a_steady_gain_excludes_zero_and_has_a_narrow_interval() -> None:
    labels, cnn = _drawn(300)
    fused = cnn.probabilities + 0.1 * (labels - cnn.probabilities)  # nearer on every image
    found = _differences(labels, fused, cnn)["fused_minus_cnn"]["log_loss"]
    assert found["low"] < found["value"] < found["high"] < 0 and found["excludes_zero"] is True
    alone = [_measure(labels, answers)["log_loss"] for answers in (_answers(fused), cnn)]
    assert found["value"] == pytest.approx(alone[0] - alone[1])
    figures, _ = _measured(labels, {"m": _answers(fused)}, np.arange(300) // 2)
    assert _width(found) < 0.5 * _width(figures["m"]["log_loss"])


def test_chance_and_no_difference_include_zero() -> None:
    labels, cnn = _drawn(300)
    other = np.clip(cnn.probabilities + np.random.default_rng(8).normal(0, 0.05, 300), 0.02, 0.98)
    for metric, found in _differences(labels, other, cnn)["fused_minus_cnn"].items():
        assert found["low"] < 0 < found["high"] and not found["excludes_zero"], metric
    same = _differences(labels, cnn.probabilities, cnn)
    zero = {**dict.fromkeys(NONE, 0), "excludes_zero": False}
    assert same["fused_minus_cnn"]["log_loss"] == zero
    ones = _differences(np.ones(300, dtype=int), cnn.probabilities / 2, cnn)["fused_minus_cnn"]
    assert ones["balanced_accuracy"] == {**NONE, "excludes_zero": False}
    first, *_, last = difference_lines(same)
    assert first.startswith("fused minus cnn, log-loss: +0.000 (+0.000 to +0.000), does not")
    assert last.endswith("), excludes zero")
