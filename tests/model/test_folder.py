"""The model folder: exact, byte-stable, and refused in one line when anything is wrong with it."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features import summary
from blur_fusion.features.summary import feature_names
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.folder import (
    FILES,
    MODEL,
    STACK,
    as_json,
    packed,
    read_folder,
    unpacked,
    write_folder,
)
from tiny_model import PARAMS, tiny_contents, with_band, write_tiny_model
from tiny_network import noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m")


def _edit(folder: Path, *names: str, value: Any) -> None:
    """Set what lies under `names` in model.json."""
    lines = json.loads((folder / MODEL).read_text("utf-8"))
    functools.reduce(dict.__getitem__, names[:-1], lines)[names[-1]] = value
    (folder / MODEL).write_text(json.dumps(lines), encoding="utf-8")


def _edit_stack(folder: Path, edit: Any) -> None:
    """Change stack.npz and have model.json vouch for it, as a forger would."""
    arrays = unpacked((folder / STACK).read_bytes())
    edit(arrays)
    content = packed(arrays)
    (folder / STACK).write_bytes(content)
    _edit(folder, "files", STACK, value=hashlib.sha256(content).hexdigest())


def _refused(folder: Path) -> str:
    with pytest.raises(BlurError) as caught:
        BlurDetector(folder)
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message
    return message


def test_reads_back_exactly_and_writes_the_same_bytes(tmp_path: Path) -> None:
    written = tiny_contents()
    write_folder(tmp_path / "a", written)
    read, digest = read_folder(tmp_path / "a")
    assert dataclasses.replace(read, model=written.model) == written
    assert dataclasses.replace(read.model, stack=written.model.stack) == written.model
    ours, theirs = read.model.stack.arrays(), written.model.stack.arrays()
    assert ours.keys() == theirs.keys() and len(ours) <= 12
    for name, array in ours.items():
        assert np.array_equal(array, theirs[name]), name
    write_folder(tmp_path / "b", read)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {*FILES, MODEL}
    for name in (*FILES, MODEL):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert digest == hashlib.sha256((tmp_path / "b" / MODEL).read_bytes()).hexdigest()


def test_doubt_is_kept_and_a_model_of_before_knows_none(folder: Path, tmp_path: Path) -> None:
    doubting = with_band(folder, tmp_path / "m", 0.2, 0.9)
    assert read_folder(doubting)[0].model.bands == {"fused": (0.2, 0.9)}
    lines = json.loads((doubting / MODEL).read_bytes())
    del lines["unsure"]
    (doubting / MODEL).write_bytes(as_json(lines))
    assert BlurDetector(doubting).band == (0.5, 0.5)


def test_a_model_without_kinds(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", tiny_contents(kinds=False))
    image = np.full((90, 120), 99, np.uint8)
    assert BlurDetector(tmp_path / "m", threshold=0.0).predict([image])[0].kind == "blurred"


def test_a_measure_that_is_new_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model names the measures it wants: others may be registered before and between them."""
    image = noise(90, 120)
    before = BlurDetector(folder).predict(image)
    new = dataclasses.replace(summary.MEASURES[0], name="brand_new")
    monkeypatch.setattr(summary, "MEASURES", (new, *summary.MEASURES))
    assert feature_names(PARAMS.features)[0].startswith("brand_new")
    assert BlurDetector(folder).predict(image) == before
    monkeypatch.setattr(summary, "MEASURES", summary.MEASURES[2:])
    assert "does not measure" in _refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert "damaged, or of a different model" in _refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', "null", "\0\1", '{"format": 1}', "9" * 99])
def test_damaged_json_is_refused(folder: Path, text: str) -> None:
    (folder / MODEL).write_text(text)
    assert "blur export" in _refused(folder)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("format", 4, "format and system are (4, 'fusion')"),
        ("system", "other", "(5, 'other')"),
        ("features names", ["a"], "features.names"),
        ("features params", {"levels": 3}, "damaged"),
        ("features params percentiles", [500.0], "percentiles"),
        ("judges", {}, "damaged"),
        ("judges fused temperature", 0.0, "temperature 0.0"),
        ("judges fused threshold", None, "damaged"),
        ("unsure", {"fused": [0.6, 0.9]}, "unsure.fused"),
        ("unsure", {"other": [0.2, 0.9]}, "damaged"),
        ("unsure", [0.2, 0.9], "damaged"),
        ("long_side", 0, "damaged"),
        ("files", {}, "damaged"),
        ("cnn", 3, "damaged"),
        ("validation thresholds_by_rate", [], "thresholds_by_rate"),
        ("validation sharp", 0, "damaged"),
    ],
)
def test_impossible_values_are_refused(folder: Path, place: str, value: Any, said: str) -> None:
    _edit(folder, *place.split(), value=value)
    assert said in _refused(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda stack: stack.pop("kernel1"),
        lambda stack: stack.pop("gains"),
        lambda stack: stack.update(bias0=stack["bias0"][..., :1]),
        lambda stack: stack.update(kernel0=stack["kernel0"][:, 1:]),
        lambda stack: stack.update(kernel1=np.repeat(stack["kernel1"], 2, axis=2)),
        lambda stack: stack.update(members=np.array([0, 4, 2])),
        lambda stack: stack.update(members=np.array([2, 2])),
        lambda stack: stack.update(members=np.array([2, 2, 1])),
        lambda stack: stack["gains"].__setitem__((0, 0), np.nan),
        lambda stack: stack["bias1"].__setitem__((0, 0, 0), np.inf),
        lambda stack: stack["scale"].__setitem__(0, 0.0),
        lambda stack: stack.update(centre=stack["centre"][1:]),
        lambda stack: stack.update(clip=np.array(-1.0)),
    ],
)
def test_a_stack_that_cannot_be_is_refused(folder: Path, edit: Any) -> None:
    _edit_stack(folder, edit)
    assert STACK in _refused(folder)


def test_nothing_is_unpickled(folder: Path) -> None:
    _edit_stack(folder, lambda stack: stack.update(clip=np.array([{"a": 1}], object)))
    assert "allow_pickle" in _refused(folder)


def test_an_onnx_that_is_none_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", dataclasses.replace(tiny_contents(), network=b"no network"))
    assert "onnxruntime" in _refused(tmp_path / "m")
