"""The detector with a network made up for the test."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.fusion.calibration import Calibration, sigmoid
from blur_fusion.fusion.stack import (
    JUDGES,
    LOGIT_NAMES,
    Ensemble,
    Member,
    Model,
    Stack,
    Standardiser,
)
from blur_fusion.model.scores import Detector
from blur_fusion.params import Params, load_params
from trees import REPOSITORY

ROOT = REPOSITORY


def tiny_params() -> Params:
    params = load_params(ROOT / "params.yaml")
    features = dataclasses.replace(params.features, levels=1, tiles=3, percentiles=(50.0,))
    return dataclasses.replace(params, features=features)


class FakeNetwork:
    """Logits from the mean grey level; remembers how many images came at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def logits(self, images: list[np.ndarray]) -> np.ndarray:
        self.sizes.append(len(images))
        means = np.array([image.mean() for image in images], np.float32)
        level = (means - 128) / 16
        return np.stack([level, -level, means % 2 - 0.5, 0 * level], axis=1).astype(np.float32)


def made_model(params: Params) -> Model:
    names = tuple(feature_names(params.features))
    wide, narrow = len(LOGIT_NAMES) + len(names), len(names)
    rng = np.random.default_rng(0)

    def ensemble(width: int, gain: float) -> Ensemble:
        kernels = [rng.normal(0, 0.2, size).astype(np.float32) for size in ((width, 5), (5, 1))]
        layers = tuple((kernel, np.zeros(kernel.shape[1], np.float32)) for kernel in kernels)
        return Ensemble((Member(layers, gain),))

    scaling = Standardiser((0.0,) * wide, (4.0,) * wide, 3.0)
    parts = ensemble(narrow, 0.0), ensemble(wide, 1.0), ensemble(wide, 1.0)
    stack = Stack(names, scaling, *parts)
    calibrations = {judge: Calibration(1.5, 0.25) for judge in JUDGES}
    return Model(stack, calibrations, {"cnn": 0.5, "features": 0.4, "fused": 0.6})


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [
        rng.integers(low, low + 40, (40 + i % 3, 48), dtype=np.uint8)
        for i, low in enumerate(rng.integers(20, 200, count))
    ]


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    rng = np.random.default_rng(1)

    def member(hidden: int) -> Member:
        shapes = ((6, hidden), (hidden, 3), (3, 1))
        layers = [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in shapes]
        return Member(tuple(layers), float(rng.normal()))

    members = (member(4), member(4), member(4))
    inputs, base = rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=9)
    alone = np.mean([one.logit(inputs, base) for one in members], axis=0)
    assert Ensemble(members).logit(inputs, base) == pytest.approx(alone, rel=1e-12)
    with pytest.raises(ValueError, match="2 members of 2 shapes"):
        Ensemble((member(4), member(5)))


def test_detector_judges_in_chunks(tmp_path: Path) -> None:
    params = tiny_params()
    model = made_model(params)
    model.save(tmp_path)
    network = FakeNetwork()
    detector = Detector(network, Model.load(tmp_path), params.features)
    images = pictures(70)
    told: list[int] = []
    scores = detector.predict(iter(images), progress=told.append)
    assert network.sizes == [32, 32, 6] == told
    assert scores.thresholds == model.thresholds
    logits = FakeNetwork().logits(images)
    measures = np.stack([describe(image, params.features) for image in images])
    raw = model.stack.logits(logits, measures)
    for judge in JUDGES:
        expected = model.calibrations[judge].probability(raw[judge])
        assert getattr(scores, judge) == pytest.approx(expected, abs=1e-9)
        assert getattr(scores, judge).dtype == np.float64
    assert sigmoid(scores.logit) == pytest.approx(scores.fused)
    verdicts = scores.fused >= scores.thresholds["fused"]
    assert 0 < verdicts.sum() < 70
    assert [kind != "sharp" for kind in scores.kind] == verdicts.tolist()
    assert {"sharp", "defocus", "motion"} == set(scores.kind)
    alone = detector.predict(images[:1])
    assert alone.fused[0] == pytest.approx(scores.fused[0])


def test_detector_on_nothing() -> None:
    params = tiny_params()
    scores = Detector(FakeNetwork(), made_model(params), params.features).predict([])
    assert scores.fused.shape == scores.cnn.shape == (0,) and scores.kind == []


def test_detector_refuses_other_features_and_missing_files(tmp_path: Path) -> None:
    params = tiny_params()
    model = made_model(params)
    other = dataclasses.replace(params.features, percentiles=(75.0,))
    with pytest.raises(BlurError, match="other focus measures"):
        Detector(FakeNetwork(), model, other)
    with pytest.raises(BlurError, match="make repro"):
        Detector.load(tmp_path, tmp_path, params)
    model.save(tmp_path)
    (tmp_path / "both.npz").write_bytes(b"PK")
    with pytest.raises(BlurError, match="run the stage fuse"):
        Model.load(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(BlurError, match="damaged"):
        Model.load(tmp_path)
