"""The model folder: exact, byte-stable, and refused in one line when anything is wrong with it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.fusion.calibration import RateTable, choose_threshold
from blur_fusion.fusion.stack import Ensemble, Member, Model, Stack
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.folder import MODEL, NETWORK, REST, STACK, read_folder, write_folder
from blur_fusion.native.library import library
from tiny_model import tiny_contents, tiny_network, write_tiny_model


def _edit(folder: Path, **changes: Any) -> None:
    lines = json.loads((folder / MODEL).read_text("utf-8"))
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = lines
        for parent in parents:
            place = place[parent]
        place[last] = value
    (folder / MODEL).write_text(json.dumps(lines), encoding="utf-8")


def _edit_stack(folder: Path, edit: Any) -> None:
    """Change stack.json and have model.json vouch for it, as a forger would."""
    stack = json.loads((folder / STACK).read_text("utf-8"))
    edit(stack)
    text = json.dumps(stack).encode()
    (folder / STACK).write_bytes(text)
    files = json.loads((folder / MODEL).read_text("utf-8"))["files"]
    _edit(folder, files={**files, STACK: hashlib.sha256(text).hexdigest()})


def _refused(folder: Path) -> str:
    with pytest.raises(BlurError) as caught:
        BlurDetector(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_reads_back_exactly_and_writes_the_same_bytes(tmp_path: Path) -> None:
    written = tiny_contents()
    write_folder(tmp_path / "a", written)
    read, digest = read_folder(tmp_path / "a")
    assert read.features == written.features and read.long_side == written.long_side
    assert read.rates == written.rates and read.provenance == written.provenance
    assert read.network == written.network
    assert read.model.thresholds == written.model.thresholds
    assert read.model.calibrations == written.model.calibrations
    assert read.model.stack.standardiser == written.model.stack.standardiser
    parts = {field.name for field in dataclasses.fields(Stack)}
    kept = {"names", "standardiser", "features", "both", "kind"}
    assert parts == kept  # all are written
    assert {field.name for field in dataclasses.fields(Model)} == {
        *("stack", "calibrations", "thresholds")
    }
    for judge in ("features", "both", "kind"):
        pairs = zip(
            getattr(read.model.stack, judge).members,
            getattr(written.model.stack, judge).members,
            strict=True,
        )
        for ours, theirs in pairs:
            assert ours.gain == theirs.gain
            for (kernel, bias), (kernel_2, bias_2) in zip(ours.layers, theirs.layers, strict=True):
                assert kernel.dtype == np.float32 == bias.dtype
                assert np.array_equal(kernel, kernel_2) and np.array_equal(bias, bias_2)
    write_folder(tmp_path / "b", read)
    for name in (NETWORK, STACK, MODEL):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        (NETWORK, STACK, MODEL)
    )
    assert digest == hashlib.sha256((tmp_path / "b" / MODEL).read_bytes()).hexdigest()


def test_a_model_without_kinds(tmp_path: Path) -> None:
    contents = tiny_contents()
    stack = dataclasses.replace(contents.model.stack, kind=None)
    model = dataclasses.replace(contents.model, stack=stack)
    write_folder(tmp_path / "m", dataclasses.replace(contents, model=model))
    image = np.full((90, 120), 99, np.uint8)
    assert BlurDetector(tmp_path / "m", threshold=0.0).predict([image])[0].kind == "blurred"


@pytest.mark.parametrize("value", [1e-45, 3.4e38, 0.1, -1 / 3, 16777217.0, 0.0])
def test_awkward_float32_survive(tmp_path: Path, value: float) -> None:
    contents = tiny_contents()
    (kernel, bias), last = contents.model.stack.both.members[0].layers
    kernel = kernel.copy()
    kernel[0, 0] = value
    both = Ensemble((Member(((kernel, bias), last), 1.0),))
    stack = dataclasses.replace(contents.model.stack, both=both)
    model = dataclasses.replace(contents.model, stack=stack)
    write_folder(tmp_path / "m", dataclasses.replace(contents, model=model))
    read, _ = read_folder(tmp_path / "m")
    assert np.array_equal(read.model.stack.both.members[0].layers[0][0], kernel)


def with_rest(folder: Path) -> Path:
    """A model folder that holds, as the rest of its network, that of another one."""
    write_folder(folder, dataclasses.replace(tiny_contents(), rest=tiny_network()))
    return folder


def test_the_rest_is_read_back_or_absent(tmp_path: Path) -> None:
    assert read_folder(with_rest(tmp_path / "m"))[0].rest == tiny_network()
    assert read_folder(write_tiny_model(tmp_path / "n"))[0].rest is None


@pytest.mark.skipif(library() is None, reason="nothing was compiled here")
def test_a_rest_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "other inputs or outputs" in _refused(with_rest(tmp_path / "m"))


@pytest.mark.parametrize("name", [NETWORK, REST, STACK, MODEL])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = with_rest(tmp_path / "m")
    (folder / name).unlink()
    assert f"{name}: no such file" in _refused(folder)


@pytest.mark.parametrize("name", [NETWORK, REST, STACK])
def test_a_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    folder = with_rest(tmp_path / "m")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert "damaged or not this model's" in _refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', "null", "\0\1", '{"format": 1}', "9" * 99])
def test_damaged_json_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_tiny_model(tmp_path / "m")
    (folder / MODEL).write_text(text)
    assert "blur export" in _refused(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 1}, "format and system are (1, 'fusion')"),
        ({"system": "other"}, "(4, 'other')"),
        ({"features__names": ["a"]}, "features.names"),
        ({"features__params": {"levels": 3}}, "damaged"),
        ({"features__params__percentiles": [500.0]}, "percentiles"),
        ({"judges": {}}, "damaged"),
        ({"judges__fused__temperature": 0.0}, "temperature 0.0"),
        ({"judges__fused__threshold": None}, "damaged"),
        ({"long_side": 0}, "damaged"),
        ({"files": {}}, "damaged"),
        ({"provenance": 3}, "damaged"),
        ({"validation__thresholds_by_rate": []}, "thresholds_by_rate"),
        ({"validation__sharp": 0}, "damaged"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    folder = write_tiny_model(tmp_path / "m")
    _edit(folder, **changes)
    assert said in _refused(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda stack: stack["both"].clear(),
        lambda stack: stack["both"][0]["layers"].pop(),
        lambda stack: stack["features"][0]["layers"][0]["bias"]["shape"].append(2),
        lambda stack: stack["features"][0]["layers"][0]["bias"].update(float32="AAA"),
        lambda stack: stack["features"][0].pop("gain"),
        lambda stack: stack["both"][0].update(gain=float("nan")),
        lambda stack: stack["both"][0]["layers"][-1]["bias"].update(float32="AADAfw=="),  # nan
        lambda stack: stack["standardise"]["scale"].__setitem__(0, 0.0),
        lambda stack: stack["standardise"]["centre"].pop(),
        lambda stack: stack["standardise"].__setitem__("clip", -1),
        lambda stack: stack["standardise"]["names"].reverse(),
    ],
)
def test_a_stack_that_cannot_be_is_refused(tmp_path: Path, edit: Any) -> None:
    folder = write_tiny_model(tmp_path / "m")
    _edit_stack(folder, edit)
    assert STACK in _refused(folder)


def test_an_onnx_that_is_none_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", dataclasses.replace(tiny_contents(), network=b"no network"))
    assert "onnxruntime" in _refused(tmp_path / "m")


def test_rates_are_those_of_choose_threshold() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 157)
    scores = np.round(np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1), 2)  # ties, too
    table = RateTable.fit(labels, scores)
    for rate in (0.0, 0.001, 0.01, 0.0125, 0.03, 0.1, 0.123, 0.2999, 0.3, 1 / table.sharp):
        assert table.threshold(rate) == choose_threshold(labels, scores, rate)
    assert RateTable.from_json(json.loads(json.dumps(table.as_json()))) == table
    alarms = [(scores[labels == 0] >= table.threshold(rate)).mean() for rate in (0.0, 0.05, 0.3)]
    assert alarms[0] == 0 and alarms[1] <= 0.05 < alarms[2] <= 0.3
    for rate in (-0.01, 0.31, float("nan")):
        with pytest.raises(BlurError, match="outside 0..0.3"):
            table.threshold(rate)
