"""Fits: the same seed gives the same weights; no row is judged by a network that saw it."""

import dataclasses
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.cnn import crossfit
from blur_fusion.cnn.crossfit import Fit, _plan, cross_fit
from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.params import ComputeParams, ImageParams, Params, SplitParams
from tiny_network import TINY, noise
from trees import write_photos


@pytest.fixture(scope="module")
def params() -> Params:
    one = ComputeParams(threads=1, workers=1)
    return Params(cnn=TINY, split=SplitParams(folds=2), compute=one, image=ImageParams(96))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Store:
    dataset = open_dataset(write_photos(tmp_path_factory.mktemp("own"), 24))
    rows = assign_splits(dataset, params.split, seed=1)
    folder = tmp_path_factory.mktemp("load")
    write_store(dataset, rows, folder, params.image, params.load, workers=1)
    return Store.open(folder)


def test_plan_keeps_judged_rows_apart(store: Store, params: Params) -> None:
    fits = _plan(store, params)
    plan = {fit.name: (fit.train, fit.validation, fit.own) for fit in fits}
    assert set(plan) == {"final", *(f"fold_{k}" for k in range(params.split.folds))}
    train, validation, test = (
        set(np.flatnonzero(store.splits == split).tolist())
        for split in ("train", "validation", "test")
    )
    assert test and validation
    for name, (fitted_on, watched, judged) in plan.items():
        assert set(fitted_on) <= train and set(watched) <= validation and not set(judged) & test
        assert len(watched) <= 2 * params.cnn.check_images
        seen = {store.rows[i].key for i in fitted_on}
        assert not seen & {store.rows[i].key for i in judged}, f"{name}: a scene straddles"
    assert set(plan["final"][0]) == train and set(plan["final"][2]) == validation
    ranked = [row for fit in fits for row in fit.ranked.tolist()]
    assert len(ranked) == len(set(ranked)) == min(params.fuse.ranked, len(train))
    for fit in fits:  # a series is judged by the network that never saw its picture
        assert set(fit.ranked.tolist()) <= set(fit.own.tolist()) & train
    judged = Counter(i for name, rows in plan.items() if name != "final" for i in rows[2].tolist())
    assert set(judged) == train and set(judged.values()) == {1}


def test_a_fit_that_fails_ends_the_stage(
    store: Store, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit_one(folder: Path, target: Path, fit: Fit, params: Params) -> None:
        """Sent to the worker process as it stands."""
        if fit.name == "final":
            raise OSError("final")
        time.sleep(0.5)
        (target / fit.name).touch()

    monkeypatch.setattr(crossfit, "fit_one", fit_one)
    with pytest.raises(OSError, match="final"):
        cross_fit(store.folder, tmp_path, params)
    time.sleep(1.5)  # longer than another fit takes
    assert not list(tmp_path.iterdir())


def test_training_learns_what_is_easy(store: Store, params: Params) -> None:
    from blur_fusion.cnn.fit import Material, fit_network, make_deterministic

    make_deterministic(1, 1)
    rows, labels, kinds = np.arange(8), np.tile([1, 0], 4), ("defocus", "sharp") * 4
    flat = np.full((64, 64), 9, np.uint8)
    images = [flat if label else noise(64, 64, row) for row, label in enumerate(labels)]
    cnn = dataclasses.replace(params.cnn, epochs=5, steps_per_epoch=20, augment=False)
    material = Material(lambda row: images[row], labels, kinds, rows, rows)
    _, history = fit_network("final", material, cnn, seed=1)
    assert history[-1]["validation_auc"] == 1.0
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
