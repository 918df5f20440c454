"""The dense networks, what they learn from, and the stage `fuse`, on made-up rows."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features.summary import feature_names
from blur_fusion.fusion import train
from blur_fusion.fusion.stack import JUDGES, LOGIT_NAMES, Stack, Standardiser, motion_logit
from blur_fusion.fusion.train import (
    Inputs,
    Table,
    build_dense,
    fit_dense,
    fit_stack,
    kind_inputs,
    read_table,
    side_by_side,
)
from blur_fusion.model.classifier import load
from blur_fusion.model.folder import FILES, MODEL, read_folder
from blur_fusion.params import ComputeParams, Params
from tiny_model import random_networks, untrained


def tiny_params() -> Params:
    """Of a stack small enough to be trained in a test, in its own process."""
    params = Params(compute=ComputeParams(threads=1, workers=1))
    small = {"hidden": (8, 4), "epochs": 20, "members": 2, "batch": 32, "base_dropout": 0.3}
    small |= {"fold_members": 1, "kind_members": 1}
    features = dataclasses.replace(params.features, levels=1, tiles=3, percentiles=(50.0,))
    fuse = dataclasses.replace(params.fuse, **small)
    return dataclasses.replace(params, fuse=fuse, features=features)


def made_up(count: int = 240, width: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    """CNN logits that know the label half, and measures that know the other half."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    sign = 2.0 * labels - 1
    logits = np.zeros((count, 4), np.float32)
    logits[:, 0] = 1.5 * sign + 1.5 * rng.standard_normal(count)
    logits[:, 1] = -logits[:, 0]
    logits[:, 2:] = rng.standard_normal((count, 2))
    measures = rng.standard_normal((count, width)).astype(np.float32)
    measures[:, 0] += 1.5 * sign
    moved = 2.0 * rng.integers(0, 2, count) - 1
    logits[:, 3] += 1.5 * moved
    measures[:, 1] += 1.5 * moved
    kinds = np.where(labels == 0, "sharp", np.where(moved > 0, "motion", "defocus"))
    # Series that grow in what tells blur and in nothing else.
    steps = np.arange(3, dtype=np.float32)[None, :, None]
    first = [np.eye(1, size, dtype=np.float32)[None] for size in (4, width)]
    return {
        "labels": labels,
        "kinds": kinds,
        "logits": logits,
        "measures": measures,
        "folds": np.arange(count) % 2,
        "ranked_logits": logits[:20, None] + steps * first[0],
        "ranked_measures": measures[:20, None] + steps * first[1],
        "copied_logits": logits + 0.3 * rng.standard_normal((count, 4)).astype(np.float32),
        "copied_measures": measures + 0.3 * rng.standard_normal((count, width)).astype(np.float32),
    }


def rows_of(values: np.ndarray, labels: np.ndarray, **others: np.ndarray) -> Inputs:
    """Rows without a base; by default no series, and each its own copy."""
    parts = {"ranked": values[:0, None], "copies": values} | others
    based = {
        name: np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, 1)]) for name, part in parts.items()
    }
    return Inputs(np.pad(values, [(0, 0), (0, 1)]), labels, **based)


def test_keras_and_numpy_agree() -> None:
    rng = np.random.default_rng(0)
    params = tiny_params().fuse
    values = rng.standard_normal((50, 9)).astype(np.float32)
    base = (3 * rng.standard_normal((50, 1))).astype(np.float32)
    model = build_dense(9, params)
    (fresh,) = side_by_side([model.get_weights()]).logits(values, base)
    assert fresh == pytest.approx(base[:, 0], abs=1e-6)
    members, expected = [], []
    for _ in range(3):
        model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
        members.append(model.get_weights())
        expected.append(np.asarray(model([values, base], training=False))[:, 0])
    networks = side_by_side(members)
    assert len(networks.kernels) == len(params.hidden) + 1
    assert networks.logits(values, base) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_stack_answers_as_its_ensembles_do() -> None:
    rng = np.random.default_rng(1)
    rows, wide = made_up(9, 6), len(LOGIT_NAMES) + 6
    scaling = Standardiser(rng.normal(size=wide), rng.uniform(1, 2, wide), 3.0)
    widths = {"features": 6, "both": wide, "kind": wide}
    parts = {
        name: random_networks(rng, width, members=2 + place, spread=1.0)
        for place, (name, width) in enumerate(widths.items())
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
    from sklearn.metrics import roc_auc_score

    from blur_fusion.cnn.network import build_network
    from blur_fusion.model.export import write_fused

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
        alarms = (validation[judge][sharp] >= high).mean()
        assert alarms <= params.threshold.max_sure_false_alarm_rate
    raw = model.stack.logits(rows["logits"][held], rows["measures"][held])
    again = model.calibrations["fused"].probability(raw["fused"])
    blurred = held & (rows["labels"] == 1)
    motion = model.stack.logits(rows["logits"][blurred], rows["measures"][blurred])["motion"]
    assert np.mean((motion > 0) == (rows["kinds"][blurred] == "motion")) > 0.7
    assert again == pytest.approx(validation["fused"], abs=1e-12)
    with (tmp_path / "fuse" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    members = 2 * params.fuse.members + params.fuse.kind_members + 2 * params.fuse.fold_members
    assert len(history) == members * params.fuse.epochs
    assert model.stack.names == tuple(names)
    (said,) = load(tmp_path / "fuse").predict(np.full((90, 120), 99, np.uint8))
    assert said.error is None


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


def test_without_a_residual_the_stack_is_the_sum_of_its_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row has a known kind, so the stack tells no kinds."""
    monkeypatch.setattr(train, "_fit", untrained)
    params, slopes = tiny_params(), {}
    names = feature_names(params.features)
    rows = made_up(160, len(names))
    known = rows["labels"], write_stages(tmp_path, rows, names), np.full(160, ""), rows["folds"]
    table = read_table(tmp_path / "cnn", tmp_path / "features", *known)
    for residual in (0.0, 0.5):
        fuse = dataclasses.replace(params.fuse, residual=residual)
        stack, _ = fit_stack(table, dataclasses.replace(params, fuse=fuse))
        found = stack.logits(rows["logits"], rows["measures"])
        assert not stack.tells_kinds and "motion" not in found
        slopes[residual] = (2 * found["fused"] - found["features"]) / found["cnn"]
    assert slopes[0.0] == pytest.approx(slopes[0.0][0]) and slopes[0.0][0] > 0
    assert np.ptp(slopes[0.5]) > 0.01


KINDS = np.array(["sharp", "motion", "defocus", "", "sharp", "defocus"])
STEPS, WIDTH = 3, 5


def kinds_table() -> tuple[Inputs, Table]:
    """Four training and two validation rows, every number its own."""
    train = np.array([True, True, True, True, False, False])
    labels = (KINDS != "sharp").astype(np.int64)
    numbers = iter(np.arange(10_000, dtype=np.float32))

    def block(*shape: int) -> np.ndarray:
        return np.array([next(numbers) for _ in range(int(np.prod(shape)))]).reshape(shape) ** 0.5

    table = Table(
        index=np.arange(6),
        labels=labels,
        train=train,
        kinds=KINDS,
        names=("a",),
        own=block(6, 5),
        ranked=block(4, STEPS, 5),
        folds=np.zeros(6, np.int64),
        ranked_rows=np.arange(4),
        copied=block(4, 5),
    )
    rows = Inputs(
        block(4, WIDTH + 1), labels[train], block(4, STEPS, WIDTH + 1), block(4, WIDTH + 1)
    )
    return rows, table


def test_kinds_are_learnt_from_blurred_rows_their_copies_and_series_that_did_not_move() -> None:
    rows, table = kinds_table()
    told = kind_inputs(rows, table)
    further = rows.ranked[[0, 2], 1:, :-1].reshape(-1, WIDTH)
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
    inputs, growth, apart = rows_of(values, labels, ranked=series, copies=copies), [], []
    for on in (0.0, 1.0):
        weights = {"rank_weight": 2 * on, "copy_weight": on, "agreement_weight": 4 * on}
        params = dataclasses.replace(tiny_params().fuse, epochs=30, **weights)
        networks, _ = fit_dense("t", inputs, params, 1)
        ends = [networks.logits(series[:, step], np.zeros((60, 1))) for step in (0, 2)]
        growth.append(float(np.mean(ends[1] - ends[0])))
        first, again = (
            networks.logits(rows, np.zeros((300, 1))).mean(axis=0) for rows in (values, copies)
        )
        apart.append(float(np.mean((first >= 0) != (again >= 0))))
    assert growth[1] > growth[0] + 0.5, growth
    assert apart[1] < 0.8 * apart[0], apart
