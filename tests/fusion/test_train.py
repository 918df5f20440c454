"""The dense networks, what they learn from, and the stage `fuse`, on made-up rows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from blur_fusion.cnn.network import build_network
from blur_fusion.errors import BlurError
from blur_fusion.features.summary import feature_names
from blur_fusion.fusion import train
from blur_fusion.fusion.stack import JUDGES, Stack, Standardiser, motion_logit
from blur_fusion.fusion.train import Inputs, Table, kind_inputs, read_table
from blur_fusion.model.export import write_fused
from blur_fusion.model.folder import FILES, MODEL, read_folder
from blur_fusion.params import ComputeParams, FeatureParams, FuseParams, Params
from tiny_model import random_networks, untrained


def tiny_params() -> Params:
    """Of a stack small enough to be trained in a test, in its own process."""
    small = {"fold_members": 1, "kind_members": 1, "base_dropout": 0.3}
    return Params(
        compute=ComputeParams(threads=1, workers=1),
        fuse=FuseParams(hidden=(8, 4), epochs=20, members=2, batch=32, **small),
        features=FeatureParams(levels=1, tiles=3, percentiles=(50.0,)),
    )


def made_up(count: int, width: int) -> dict[str, np.ndarray]:
    """CNN logits that know the label half, and measures that know the other half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    sign, moved = 2.0 * labels - 1, 2.0 * rng.integers(0, 2, count) - 1
    logits = rng.standard_normal((count, 4)).astype(np.float32)
    logits[:, 0] = 1.5 * (logits[:, 0] + sign)
    logits[:, 1] = -logits[:, 0]
    logits[:, 3] += 1.5 * moved
    measures = rng.standard_normal((count, width)).astype(np.float32)
    measures[:, :2] += 1.5 * np.stack([sign, moved], axis=1)
    kinds = np.where(labels == 0, "sharp", np.where(moved > 0, "motion", "defocus"))
    # Series that grow in what tells blur and in nothing else.
    steps = np.arange(3, dtype=np.float32)[None, :, None]
    return {
        "labels": labels,
        "kinds": kinds,
        "logits": logits,
        "measures": measures,
        "folds": np.arange(count) % 2,
        "ranked_logits": logits[:20, None] + steps * (np.arange(4) == 0),
        "ranked_measures": measures[:20, None] + steps * (np.arange(width) == 0),
        "copied_logits": logits + 0.3 * rng.standard_normal((count, 4)).astype(np.float32),
        "copied_measures": measures + 0.3 * rng.standard_normal((count, width)).astype(np.float32),
    }


def test_keras_and_numpy_agree() -> None:
    rng = np.random.default_rng(0)
    params = tiny_params().fuse
    values = rng.standard_normal((50, 9)).astype(np.float32)
    base = (3 * rng.standard_normal((50, 1))).astype(np.float32)
    model = train.build_dense(9, params)
    (fresh,) = train.side_by_side([model.get_weights()]).logits(values, base)
    assert fresh == pytest.approx(base[:, 0], abs=1e-6)
    members, expected = [], []
    for _ in range(3):
        model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
        members.append(model.get_weights())
        expected.append(np.asarray(model([values, base], training=False))[:, 0])
    networks = train.side_by_side(members)
    assert len(networks.kernels) == len(params.hidden) + 1
    assert networks.logits(values, base) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_stack_answers_as_its_ensembles_do() -> None:
    rng = np.random.default_rng(1)
    rows, scaling = made_up(9, 6), Standardiser(rng.normal(size=10), rng.uniform(1, 2, 10), 3.0)
    parts = {
        name: random_networks(rng, width, members, spread=1.0)
        for name, width, members in (("features", 6, 2), ("both", 10, 3), ("kind", 10, 4))
    }
    stack = Stack.join(tuple("abcdef"), scaling, parts)
    found = stack.logits(rows["logits"], rows["measures"])
    inputs = scaling.apply(np.concatenate([rows["logits"], rows["measures"]], axis=1))
    base, none = rows["logits"][:, :1], np.zeros((9, 1))
    features = parts["features"].logits(inputs[:, 4:], none).mean(axis=0)
    both = parts["both"].logits(inputs, base).mean(axis=0)
    kind = parts["kind"].logits(inputs, motion_logit(rows["logits"])[:, None]).mean(axis=0)
    assert found["cnn"] == pytest.approx(base[:, 0])
    assert found["features"] == pytest.approx(features)
    assert found["fused"] == pytest.approx((features + both) / 2)
    assert found["motion"] == pytest.approx(kind)


def write_stages(folder: Path, rows: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """artifacts/cnn and artifacts/features as their stages write them; returns the splits."""
    count = len(rows["labels"])
    splits = np.array(["train", "train", "validation", "test"] * count)[:count]
    index = np.flatnonzero(splits != "test")
    for part in ("cnn", "features"):
        (folder / part).mkdir(parents=True)
    np.savez(
        folder / "cnn" / "logits.npz",
        index=index,
        logits=rows["logits"][index],
        ranked_index=np.arange(20),
        ranked_logits=rows["ranked_logits"],
        copied_logits=rows["copied_logits"][splits == "train"],
    )
    back = index[::-1]  # stages need not agree on the order of rows
    np.savez(
        folder / "features" / "features.npz",
        index=back,
        values=rows["measures"][back],
        names=np.array(names),
        ranked_index=np.arange(20),
        ranked_values=rows["ranked_measures"],
        copied_values=rows["copied_measures"][splits == "train"],
    )
    return splits


def test_stage_end_to_end(tmp_path: Path) -> None:
    params = tiny_params()
    names = feature_names(params.features)
    rows = made_up(400, len(names))
    splits = write_stages(tmp_path, rows, names)
    stages = tmp_path / "cnn", tmp_path / "features"
    table = read_table(*stages, rows["labels"], splits, rows["kinds"], rows["folds"])
    assert (table.own[:, 4:] == rows["measures"][table.index]).all()
    build_network(params.cnn).save_weights(tmp_path / "cnn" / "final.weights.h5")
    line = write_fused(table, tmp_path / "cnn", tmp_path / "fuse", params)
    assert "validation AUC: cnn 0." in line
    written = {path.name for path in (tmp_path / "fuse").iterdir()}
    assert written == {*FILES, MODEL, "history.csv", "validation.npz"}

    validation = dict(np.load(tmp_path / "fuse" / "validation.npz"))
    held = splits == "validation"
    assert (validation["label"] == rows["labels"][held]).all()
    areas = {judge: roc_auc_score(validation["label"], validation[judge]) for judge in JUDGES}
    assert areas["fused"] > max(areas["cnn"], areas["features"]) > 0.7, areas
    model = read_folder(tmp_path / "fuse")[0].model
    sharp = validation["label"] == 0
    for judge in JUDGES:
        rate = (validation[judge][sharp] >= model.thresholds[judge]).mean()
        assert rate <= params.threshold.max_false_alarm_rate
        low, high = model.bands[judge]
        assert low <= model.thresholds[judge] <= high
        assert (validation[judge][~sharp] < low).mean() <= params.threshold.max_miss_rate
    raw = model.stack.logits(rows["logits"][held], rows["measures"][held])
    again = model.calibrations["fused"].probability(raw["fused"])
    blurred = held & (rows["labels"] == 1)
    motion = model.stack.logits(rows["logits"][blurred], rows["measures"][blurred])["motion"]
    assert np.mean((motion > 0) == (rows["kinds"][blurred] == "motion")) > 0.7
    assert again == pytest.approx(validation["fused"], abs=1e-12)
    history = (tmp_path / "fuse" / "history.csv").read_text().splitlines()[1:]
    members = 2 * params.fuse.members + params.fuse.kind_members + 2 * params.fuse.fold_members
    assert len(history) == members * params.fuse.epochs
    assert model.stack.names == tuple(names)


def test_rows_must_match_the_store(tmp_path: Path) -> None:
    rows = made_up(40, 3)
    splits = write_stages(tmp_path, rows, ["a", "b", "c"])
    leaking = np.where(np.arange(40) == 0, "test", splits)
    stages = tmp_path / "cnn", tmp_path / "features"
    labels, others = rows["labels"], (rows["kinds"], rows["folds"])
    with pytest.raises(BlurError, match="other rows than train and validation"):
        read_table(*stages, labels, leaking, *others)
    with pytest.raises(BlurError, match="run the stage cnn"):
        read_table(tmp_path / "none", tmp_path / "features", labels, splits, *others)
    with pytest.raises(BlurError, match="the train rows contain only one class"):
        read_table(*stages, np.where(splits == "train", 0, labels), splits, *others)


def test_no_residual_sums_the_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row has a known kind, so the stack tells no kinds."""
    monkeypatch.setattr(train, "_fit", untrained)
    params, slopes = tiny_params(), {}
    names = feature_names(params.features)
    rows = made_up(160, len(names))
    known = rows["labels"], write_stages(tmp_path, rows, names), np.full(160, ""), rows["folds"]
    table = read_table(tmp_path / "cnn", tmp_path / "features", *known)
    for residual in (0.0, 0.5):
        fuse = dataclasses.replace(params.fuse, residual=residual)
        stack, _ = train.fit_stack(table, dataclasses.replace(params, fuse=fuse))
        found = stack.logits(rows["logits"], rows["measures"])
        assert not stack.tells_kinds and "motion" not in found
        slopes[residual] = (2 * found["fused"] - found["features"]) / found["cnn"]
    assert slopes[0.0] == pytest.approx(slopes[0.0][0]) and slopes[0.0][0] > 0
    assert np.ptp(slopes[0.5]) > 0.01


def test_kinds_are_learnt_from_blurred_rows_their_copies_and_series_that_did_not_move() -> None:
    """Of four training and two validation rows, every number its own."""
    block, width = np.random.default_rng(0).random, 5
    kinds = np.array(["sharp", "motion", "defocus", "", "sharp", "defocus"])
    table = Table(
        index=np.arange(6),
        labels=(kinds != "sharp").astype(np.int64),
        train=np.arange(6) < 4,
        kinds=kinds,
        names=("a",),
        own=block((6, 5)),
        ranked=block((4, 3, 5)),
        folds=np.zeros(6, np.int64),
        ranked_rows=np.arange(4),
        copied=block((4, 5)),
    )
    parts = block((4, width + 1)), block((4, 3, width + 1)), block((4, width + 1))
    rows = Inputs(parts[0], table.labels[:4], *parts[1:])
    told = kind_inputs(rows, table)
    further = rows.ranked[[0, 2], 1:, :-1].reshape(-1, width)
    still = motion_logit(table.ranked[[0, 2], 1:]).ravel()
    assert told.labels.tolist() == [1, 0] + [0] * len(further)  # motion, defocus
    for found, given, logits in (
        (told.values, rows.values, table.own),
        (told.copies, rows.copies, table.copied),
    ):
        assert (found[:, :-1] == np.concatenate([given[1:3, :-1], further])).all()
        assert np.allclose(found[:, -1], np.concatenate([motion_logit(logits[1:3]), still]))
    assert len(told.ranked) == 0  # nothing is ranked by kind


def test_ranking_orders_series_and_agreement_makes_verdicts_on_copies_agree() -> None:
    """Column 2 grows along series and is unrelated to labels; copies shuffle column 1."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    signs = (2.0 * labels - 1)[:, None] * [1, 1, 0]
    values = (signs + rng.standard_normal((300, 3))).astype(np.float32)
    copies = values.copy()
    copies[:, 1] = rng.permutation(values[:, 1])
    steps = np.arange(3, dtype=np.float32)[None, :, None] * np.float32([0, 0, 1])
    series = rng.standard_normal((60, 1, 3)).astype(np.float32) * np.float32([1, 1, 0]) + steps
    based = [np.insert(part, 3, 0, axis=-1) for part in (values, series, copies)]  # a base of 0
    inputs, growth, apart = Inputs(based[0], labels, *based[1:]), [], []
    for on in (0.0, 1.0):
        weights = {"rank_weight": 2 * on, "copy_weight": on, "agreement_weight": 4 * on}
        params = dataclasses.replace(tiny_params().fuse, epochs=30, **weights)
        networks, _ = train.fit_dense("t", inputs, params, 1)
        start, end, first, again = (
            networks.logits(rows, np.zeros((len(rows), 1))).mean(axis=0)
            for rows in (series[:, 0], series[:, 2], values, copies)
        )
        growth.append((end - start).mean())
        apart.append(((first >= 0) != (again >= 0)).mean())
    assert growth[1] > growth[0] + 0.5, growth
    assert apart[1] < 0.8 * apart[0], apart
