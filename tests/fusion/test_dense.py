"""The dense networks and the stage `fuse` on made-up rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features.summary import feature_names
from blur_fusion.fusion.stack import JUDGES, LOGIT_NAMES, Stack, Standardiser, motion_logit
from blur_fusion.model.classifier import load
from blur_fusion.model.folder import FILES, MODEL, read_folder
from tiny_model import random_networks
from tiny_params import tiny_params
from trees import REPOSITORY

ROOT = REPOSITORY


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
        "ranked_logits": logits[:20, None] + steps * first[0],
        "ranked_measures": measures[:20, None] + steps * first[1],
        "copied_logits": logits + 0.3 * rng.standard_normal((count, 4)).astype(np.float32),
        "copied_measures": measures + 0.3 * rng.standard_normal((count, width)).astype(np.float32),
    }


def test_keras_and_numpy_agree() -> None:
    from blur_fusion.fusion.dense import Inputs, build_dense, side_by_side, weights_of

    rng = np.random.default_rng(0)
    params = tiny_params().fuse
    inputs = Inputs.plain(
        rng.standard_normal((50, 9)).astype(np.float32),
        (3 * rng.standard_normal(50)).astype(np.float32),
        rng.integers(0, 2, 50),
    )
    model, base = build_dense(9, params), inputs.base[:, None]
    (fresh,) = side_by_side([weights_of(model)]).logits(inputs.values, base)
    assert fresh == pytest.approx(inputs.base, abs=1e-6)
    members, expected = [], []
    for _ in range(3):
        model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
        members.append(weights_of(model))
        answer = model([inputs.values, base], training=False)
        expected.append(np.asarray(answer)[:, 0])
    networks = side_by_side(members)
    assert len(networks.kernels) == len(params.hidden) + 1
    assert networks.logits(inputs.values, base) == pytest.approx(np.array(expected), abs=1e-4)


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


def test_stage_end_to_end_and_same_bytes(tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    from blur_fusion.cnn.network import build_network
    from blur_fusion.fusion.train import read_table
    from blur_fusion.model.export import write_fused

    params = tiny_params()
    names = feature_names(params.features)
    rows = made_up(400, len(names))
    splits = write_stages(tmp_path, rows, names)
    table = read_table(
        tmp_path / "cnn", tmp_path / "features", rows["labels"], splits, rows["kinds"]
    )
    assert (table.measures == rows["measures"][table.index]).all()
    build_network(params.cnn).save_weights(tmp_path / "cnn" / "final.weights.h5")
    line = write_fused(table, tmp_path / "cnn", tmp_path / "first", params)
    assert "validation AUC: cnn 0." in line
    write_fused(table, tmp_path / "cnn", tmp_path / "second", params)
    written = {path.name for path in (tmp_path / "first").iterdir()}
    assert written == {*FILES, MODEL, "history.csv", "validation.npz"}
    for name in written:
        same = (tmp_path / "second" / name).read_bytes()
        assert (tmp_path / "first" / name).read_bytes() == same, name

    validation = dict(np.load(tmp_path / "first" / "validation.npz"))
    held = splits == "validation"
    assert (validation["label"] == rows["labels"][held]).all()
    areas = {judge: roc_auc_score(validation["label"], validation[judge]) for judge in JUDGES}
    assert areas["fused"] > max(areas["cnn"], areas["features"]) > 0.7, areas
    model = read_folder(tmp_path / "first")[0].model
    sharp = validation["label"] == 0
    for judge in JUDGES:
        rate = (validation[judge][sharp] >= model.thresholds[judge]).mean()
        assert rate <= params.threshold.max_false_alarm_rate
    raw = model.stack.logits(rows["logits"][held], rows["measures"][held])
    again = model.calibrations["fused"].probability(raw["fused"])
    blurred = held & (rows["labels"] == 1)
    motion = model.stack.logits(rows["logits"][blurred], rows["measures"][blurred])["motion"]
    assert np.mean((motion > 0) == (rows["kinds"][blurred] == "motion")) > 0.7
    assert again == pytest.approx(validation["fused"], abs=1e-12)
    with (tmp_path / "first" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    members = 2 * params.fuse.members + params.fuse.kind_members
    assert len(history) == members * params.fuse.epochs
    assert model.stack.names == tuple(names)
    (said,) = load(tmp_path / "first").predict(np.full((90, 120), 99, np.uint8))
    assert said.error is None


def test_rows_must_match_the_store(tmp_path: Path) -> None:
    from blur_fusion.fusion.train import Table, read_table

    rows = made_up(40, 3)
    splits = write_stages(tmp_path, rows, ["a", "b", "c"])
    leaking = np.where(np.arange(40) == 0, "test", splits)
    with pytest.raises(BlurError, match="other rows than train and validation"):
        read_table(tmp_path / "cnn", tmp_path / "features", rows["labels"], leaking, rows["kinds"])
    with pytest.raises(BlurError, match="run the stage cnn"):
        read_table(tmp_path / "none", tmp_path / "features", rows["labels"], splits, rows["kinds"])
    with pytest.raises(BlurError, match="the train rows hold one class only"):
        Table(
            np.arange(4),
            np.array([0, 0, 0, 1]),
            np.array([True, True, False, False]),
            rows["logits"][:4],
            rows["measures"][:4],
            ("a", "b", "c"),
            rows["kinds"][:4],
            rows["ranked_logits"],
            rows["ranked_measures"],
            rows["kinds"][: len(rows["ranked_logits"])],
            rows["copied_logits"][:2],
            rows["copied_measures"][:2],
        )


def test_a_stack_without_kinds_tells_none(tmp_path: Path) -> None:
    from blur_fusion.fusion.train import fit_stack, read_table

    params = tiny_params()
    names = feature_names(params.features)
    rows = made_up(160, len(names))
    splits = write_stages(tmp_path, rows, names)
    unknown = np.full(len(rows["labels"]), "")
    table = read_table(tmp_path / "cnn", tmp_path / "features", rows["labels"], splits, unknown)
    stack, _ = fit_stack(table, params)
    assert not stack.tells_kinds and "motion" not in stack.logits(rows["logits"], rows["measures"])
