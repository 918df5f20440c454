"""Kinds named rightly, and differences between models, on data made up for it."""

from __future__ import annotations

import numpy as np
import pytest

from blur_fusion.evaluation.comparisons import differences, measure_kinds
from blur_fusion.evaluation.intervals import resampled, scene_weights, share_cell, share_draws
from blur_fusion.evaluation.metrics import METRICS, measure
from blur_fusion.evaluation.table import difference_lines, kind_lines

KNOWN = ["sharp", "sharp", "defocus", "defocus", "defocus", "motion", "motion", "", ""]
NAMED = ["sharp", "motion", "defocus", "motion", "sharp", "motion", "defocus", "sharp", "motion"]


def test_confusion_and_shares_by_hand() -> None:
    found = measure_kinds(KNOWN, NAMED, np.arange(9), resamples=200, seed=1)
    assert found["confusion"] == {
        "sharp": {"sharp": 1, "defocus": 0, "motion": 1},
        "defocus": {"sharp": 1, "defocus": 1, "motion": 1},
        "motion": {"sharp": 0, "defocus": 1, "motion": 1},
    }
    assert found["images"] == 7
    assert found["accuracy"]["value"] == pytest.approx(3 / 7)
    assert found["accuracy"]["low"] < 3 / 7 < found["accuracy"]["high"]
    assert found["blur"]["images"] == 4  # blurred, and called so
    assert found["blur"]["accuracy"]["value"] == pytest.approx(2 / 4)


def test_kinds_nobody_knows_have_no_figure_and_no_line() -> None:
    found = measure_kinds(["", ""], ["sharp", "motion"], np.arange(2), resamples=10, seed=1)
    assert found["images"] == found["blur"]["images"] == 0
    assert found["accuracy"] == {"value": None, "low": None, "high": None}
    assert kind_lines(found) == []
    sharp_only = measure_kinds(["sharp", ""], ["sharp", "motion"], np.arange(2), 10, 1)
    assert sharp_only["accuracy"]["value"] == 1
    assert kind_lines(sharp_only) == []  # that is the false-alarm rate over again


def test_lines_hold_the_counts() -> None:
    lines = kind_lines(measure_kinds(KNOWN, NAMED, np.arange(9), resamples=200, seed=1))
    assert lines[0].startswith("kind named rightly: 0.429 (")
    assert "of 7 images; defocus or motion: 0.500 (" in lines[0]
    assert lines[2].split() == ["named:", "sharp", "defocus", "motion"]
    assert lines[4].split() == ["defocus", "1", "1", "1"]


def test_blur_that_is_never_called_so_prints_na() -> None:
    lines = kind_lines(measure_kinds(["motion"], ["sharp"], np.arange(1), resamples=10, seed=1))
    assert "defocus or motion: n/a of 0 called blurred" in lines[0]


def test_a_share_is_resampled_by_scene() -> None:
    hits = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0], 40)  # five scenes of 40 equal images
    codes = np.repeat(np.arange(5), 40)
    by_scene, naive = (share_cell(hits, c, 400, 2) for c in (codes, np.arange(200)))
    assert by_scene["value"] == naive["value"] == pytest.approx(0.6)
    assert by_scene["high"] - by_scene["low"] > 3 * (naive["high"] - naive["low"])  # type: ignore[operator]
    draws = share_draws(hits[:, None], np.ones((200, 1)), codes, 400, 2)
    assert set(np.round(draws[:, 0] * 5, 9)) <= set(range(6))


def test_uncounted_images_stay_out_of_a_share() -> None:
    hits, counted = np.array([[1.0], [0.0], [0.0]]), np.array([[1.0], [1.0], [0.0]])
    draws = share_draws(hits, counted, np.array([0, 0, 1]), 300, 3)[:, 0]
    assert set(draws[np.isfinite(draws)]) == {0.5}
    assert np.isnan(draws).any()  # resamples of the second scene alone


def test_scenes_without_an_image_are_not_drawn() -> None:
    (weights,) = scene_weights(np.array([7, 7, 30]), 100, seed=1)
    assert (weights[:, 1:].sum(axis=1) == 2).all()  # two scenes present, two drawn


def _differences(fused: np.ndarray, cnn: np.ndarray, labels: np.ndarray) -> dict[str, dict]:
    judged = {"fused": (fused, fused >= 0.5), "cnn": (cnn, cnn >= 0.5), "features": (cnn, cnn > 2)}
    codes = np.arange(len(labels)) // 2
    drawn = resampled(labels, judged, codes, bins=15, resamples=300, seed=5)
    measured = {
        name: {metric: {"value": value} for metric, value in measure(labels, *model, 15).items()}
        for name, model in judged.items()
    }
    return differences(measured, drawn)


def _drawn(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, count)
    return labels, np.clip(rng.normal(0.35 + 0.3 * labels, 0.25), 0.02, 0.98)


def test_a_steady_gain_excludes_zero() -> None:
    labels, cnn = _drawn()
    fused = cnn + 0.1 * (labels - cnn)  # nearer to the truth on every image
    found = _differences(fused, cnn, labels)["fused_minus_cnn"]["log_loss"]
    assert found["excludes_zero"] is True
    assert found["low"] < found["value"] < found["high"] < 0
    alone = [measure(labels, p, p >= 0.5, 15)["log_loss"] for p in (fused, cnn)]
    assert found["value"] == pytest.approx(alone[0] - alone[1])
    # Paired: the gain is known far better than either log-loss.
    judged = {"m": (fused, fused >= 0.5)}
    spread = resampled(labels, judged, np.arange(300) // 2, bins=15, resamples=300, seed=5)
    assert found["high"] - found["low"] < 0.5 * np.ptp(
        np.percentile(spread["m"]["log_loss"], [2.5, 97.5])
    )


def test_chance_and_no_difference_include_zero() -> None:
    labels, cnn = _drawn()
    random = np.random.default_rng(8).normal(0, 0.05, len(cnn))
    other = np.clip(cnn + random, 0.02, 0.98)
    for metric, found in _differences(other, cnn, labels)["fused_minus_cnn"].items():
        assert found["low"] < 0 < found["high"], metric
        assert found["excludes_zero"] is False
    same = _differences(cnn, cnn, labels)["fused_minus_cnn"]["log_loss"]
    assert same == {"value": 0, "low": 0, "high": 0, "excludes_zero": False}


def test_a_better_verdict_excludes_zero_for_balanced_accuracy() -> None:
    labels, cnn = _drawn()
    found = _differences(cnn, cnn, labels)["fused_minus_features"]["balanced_accuracy"]
    assert found["excludes_zero"] is True and found["low"] > 0  # features flags nothing
    lines = difference_lines(_differences(cnn, cnn, labels))
    assert len(lines) == 4
    assert lines[0].startswith("fused minus cnn, log-loss: +0.000 (+0.000 to +0.000), does not")
    assert lines[3].startswith("fused minus features, balanced accuracy: +0.")
    assert lines[3].endswith("), excludes zero")


def test_one_class_has_no_difference_of_balanced_accuracy() -> None:
    _, cnn = _drawn(20)
    found = _differences(cnn, cnn / 2, np.ones(20, dtype=int))["fused_minus_cnn"]
    assert found["balanced_accuracy"]["value"] is None
    assert found["balanced_accuracy"]["excludes_zero"] is False
    assert found["log_loss"]["excludes_zero"] is True
    assert set(found) < set(METRICS)
