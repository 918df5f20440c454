"""Threshold, calibration and scaling: properties on made-up scores."""

import json

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.fusion.calibration import RateTable, choose_threshold, doubt_band, fit_calibration
from blur_fusion.fusion.stack import Calibration, Standardiser, sigmoid
from blur_fusion.params import ThresholdParams


@pytest.mark.parametrize("seed", range(40))
def test_threshold_meets_rate_and_no_lower_cut_finds_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 60))
    labels = rng.permutation(np.arange(count) % 2)
    scores = sigmoid(labels * rng.uniform(0, 4) + rng.standard_normal(count))
    if seed % 2:
        scores = np.round(scores, 1)  # ties
    rate = float(rng.choice([0.01, 0.05, 0.2, 0.5]))
    threshold = choose_threshold(labels, scores, rate)
    flagged = scores >= threshold
    assert flagged[labels == 0].mean() <= rate
    assert not flagged.all()
    for other in np.unique(scores):
        lower = scores >= other
        if lower[labels == 0].mean() <= rate:
            assert lower[labels == 1].sum() <= flagged[labels == 1].sum()


def test_threshold_lies_midway_and_spends_false_alarms_only_for_recall() -> None:
    labels, scores = [0, 0, 0, 1, 1], np.array([0.1, 0.2, 0.3, 0.7, 0.9])
    assert choose_threshold(labels, scores, 0.34) == pytest.approx(0.5)
    assert choose_threshold(labels, scores + 1e-4, 0.34) == pytest.approx(0.5, abs=1e-3)
    labels, scores = [0] * 10 + [1] * 3, np.array([0.1] * 7 + [0.3, 0.5, 0.6, 0.55, 0.8, 0.9])
    assert choose_threshold(labels, scores, 0.1) == pytest.approx(0.525)
    assert choose_threshold(labels, scores, 0.05) == pytest.approx(0.7)


def test_threshold_between_scores_that_hardly_differ_or_do_not() -> None:
    for score in (0.0, 0.5, 1.0):  # of equal ones it flags none
        assert choose_threshold(np.array([0, 1, 1]), np.full(3, score), 0.4) > score
    high = float(np.nextafter(0.5, 1))
    assert choose_threshold(np.array([0, 1]), np.array([0.5, high]), 0.1) == high


@pytest.mark.parametrize("seed", range(20))
def test_a_band_keeps_both_costs_and_encloses_the_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(150) % 2)
    scores = sigmoid(labels * rng.uniform(0, 4) + rng.standard_normal(150))
    costs = ThresholdParams(0.1, *rng.choice([0.02, 0.05, 0.3], 2).tolist())
    threshold = choose_threshold(labels, scores, costs.max_false_alarm_rate)
    low, high = doubt_band(labels, scores, threshold, costs)
    assert low <= threshold <= high
    sharp, blurred = scores[labels == 0], scores[labels == 1]
    assert (blurred < low).mean() <= costs.max_miss_rate
    assert (sharp >= high).mean() <= costs.max_sure_false_alarm_rate
    # Written out: no other place between scores that keeps the cost is sure of more.
    ranked = np.unique(scores)
    for cut in [0, *(ranked[:-1] + ranked[1:]) / 2, 1]:
        if (blurred < cut).mean() <= costs.max_miss_rate:
            assert (sharp < min(cut, threshold)).sum() <= (sharp < low).sum()
        if (sharp >= cut).mean() <= costs.max_sure_false_alarm_rate:
            assert (blurred >= max(cut, threshold)).sum() <= (blurred >= high).sum()


def test_a_band_closes_where_the_threshold_costs_little_enough() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert doubt_band(labels, scores, 0.5, ThresholdParams()) == (0.5, 0.5)


def test_rates_are_those_of_choose_threshold() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 157)
    scores = np.round(np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1), 2)  # ties, too
    table = RateTable.fit(labels, scores)
    for rate in (0.0, 0.001, 0.01, 0.0125, 0.03, 0.1, 0.123, 0.2999, 0.3, 1 / table.sharp):
        assert table.threshold(rate) == choose_threshold(labels, scores, rate)
    assert RateTable.from_json(json.loads(json.dumps(table.as_json()))) == table
    for rate in (-0.01, 0.31, float("nan")):
        with pytest.raises(BlurError, match="outside 0..0.3"):
            table.threshold(rate)


def test_calibration_recovers_temperature_and_bias() -> None:
    rng = np.random.default_rng(0)
    logits = 6 * rng.standard_normal(20000)
    labels = (rng.random(20000) < sigmoid(logits / 3 + 0.7)).astype(int)
    fitted = fit_calibration(labels, logits)
    assert fitted.temperature == pytest.approx(3, rel=0.05)
    assert fitted.bias == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("gap", [0.1, 1.0, 1e4])
def test_calibration_of_parted_classes_is_finite(gap: float) -> None:
    labels = np.array([0] * 20 + [1] * 20)
    logits = np.linspace(-0.01, 0.01, 40) + gap * (2 * labels - 1)
    fitted = fit_calibration(labels, logits)
    probability = fitted.probability(logits)
    assert 0 < fitted.temperature < 1e6 and 0.9 < probability[-1] < 0.99
    assert (np.diff(probability) >= 0).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_calibration_keeps_order_even_of_misleading_logits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(100) % 2
    logits = rng.standard_normal(100) - 2.0 * seed * labels
    fitted = fit_calibration(labels, logits)
    probability = fitted.probability(np.sort(logits))
    assert fitted.temperature > 0 and (np.diff(probability) >= 0).all()
    assert probability.mean() == pytest.approx(0.5, abs=0.02)


def test_nonsense_is_refused() -> None:
    for labels in ([0, 0], [1, 1]):
        with pytest.raises(BlurError, match="no (sharp|blurred) validation image"):
            choose_threshold(np.array(labels), np.array([0.2, 0.4]), 0.1)
    with pytest.raises(BlurError, match="only one class"):
        fit_calibration(np.ones(4, int), np.arange(4.0))
    with pytest.raises(BlurError, match="not finite"):
        fit_calibration(np.array([0, 1]), np.array([0.0, np.nan]))
    with pytest.raises(BlurError, match="temperature"):
        Calibration(0.0, 1.0)


def test_standardiser() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal([5, -3, 0, 0], [2, 0.1, 1, 1], (4000, 4))
    table[:, 2] = 7  # constant
    table[:, 3] = np.arange(4000) < 3  # mostly zero
    scaling = Standardiser.fit(table, 3.0)
    scaled = scaling.apply(table)
    assert np.abs(np.median(scaled, axis=0)).max() < 1e-6
    assert scaled[:, :2].std(axis=0) == pytest.approx([1, 1], abs=0.05)
    assert (scaled[:, 2] == 0).all() and np.abs(scaled[:, 3]).max() <= 3
    assert np.abs(scaling.apply(np.full((1, 4), 1e9))).max() == 3
    with pytest.raises(BlurError, match="2 inputs, trained on 4"):
        scaling.apply(np.zeros((1, 2)))
    with pytest.raises(BlurError, match="not finite"):
        Standardiser.fit(np.array([[np.nan]]), 3.0)
