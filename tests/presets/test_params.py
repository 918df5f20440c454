"""presets/NAME.yaml and presets/dvc.yaml: leaves that are checked, one stage for each preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import BlurError
from blur_fusion.presets.params import Preset, load_preset, preset_from
from preset_project import NAMES, PRESETS
from trees import REPOSITORY

DVC: dict[str, Any] = yaml.safe_load((PRESETS / "dvc.yaml").read_text("utf-8"))["stages"]


def values(name: str = "lenet") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PRESETS / f"{name}.yaml").read_text("utf-8"))
    return found


def test_all_six_are_there_and_read() -> None:
    assert NAMES == ["certh-hybrid", "label-csv", "lenet", "three-class", "transfer", "two-conv"]
    for name in NAMES:
        assert load_preset(name, PRESETS).name == name


def test_networks_are_those_of_the_issue() -> None:
    certh = load_preset("certh-hybrid", PRESETS)
    assert (certh.network.filters, certh.network.convolutions) == ((32, 64, 128), 2)
    assert certh.network.dense == (2048, 2048) and certh.network.dropout == 0.5
    assert (certh.input.side, certh.input.colour, certh.recipe.epochs) == (96, True, 10)
    assert certh.network.fused_dense[0] == 4096 and certh.network.fused_dense[-1] == 2048
    assert len(certh.network.fused_dense) + 1 == 5
    two = load_preset("two-conv", PRESETS)
    assert (two.network.filters, two.network.dense, two.input.side) == ((32, 64), (64,), 128)
    assert two.network.output == "sigmoid"
    label = load_preset("label-csv", PRESETS)
    assert label.network.head == "average" and len(label.network.dense) + 1 == 4
    assert label.recipe.augment and label.recipe.checkpoints
    assert label.layout.classes == ("blur", "focus") and label.layout.blurred == "blur"
    three = load_preset("three-class", PRESETS)
    assert (three.input.side, three.recipe.images) == (32, 500)
    assert three.recipe.augment and three.network.dropout > 0
    lenet = load_preset("lenet", PRESETS)
    assert len(lenet.network.filters) == 2 and len(lenet.network.dense) + 1 == 3
    assert lenet.layout.pairs == "source" and lenet.recipe.sweep
    transfer = load_preset("transfer", PRESETS)
    assert transfer.network.backbone and transfer.recipe.fine_tune_epochs > 0


def test_unknown_preset_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="^preset 'resnet' is unknown; known: certh-hybrid, "):
        load_preset("resnet", PRESETS)
    with pytest.raises(BlurError, match="holds no presets; run from the project's folder"):
        load_preset("lenet", tmp_path)


@pytest.mark.parametrize("text", ["a: [", "- lenet", "name: lenet"])
def test_damaged_preset_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "lenet.yaml").write_text(text)
    with pytest.raises(BlurError, match=r"lenet\.yaml: "):
        load_preset("lenet", tmp_path)


def test_a_copy_under_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text((PRESETS / "lenet.yaml").read_text("utf-8"))
    with pytest.raises(BlurError, match=r"mine\.yaml: name is 'lenet', must be that of the file"):
        load_preset("mine", tmp_path)


@pytest.mark.parametrize(
    ("section", "changed", "said"),
    [
        ("network", {"backbone": "VGG"}, "network.backbone is 'VGG', must be one of"),
        ("network", {"backbone": "MobileNetV2", "weights": "random"}, "backbone or filters"),
        ("network", {"weights": "random"}, "network.weights goes with a backbone"),
        ("network", {"dense": [0]}, "network.dense is"),
        ("network", {"dropout": 1.0}, "network.dropout is 1.0"),
        ("network", {"output": "linear"}, "network.output is 'linear'"),
        ("network", {"fused_dense": [8]}, "network.fused_dense"),
        ("network", {"layers": 3}, "unknown name 'network.layers'"),
        ("input", {"side": 8}, "input.side is 8"),
        ("input", {"side": "96"}, "input.side is '96', must be of type int"),
        ("input", {"resize": "cubic"}, "input.resize is 'cubic'"),
        ("recipe", {"epochs": 0}, "recipe.epochs is 0"),
        ("recipe", {"fused_epochs": 2}, "go together"),
        ("layout", {"reader": "coco"}, "layout.reader is 'coco'"),
        ("layout", {"blurred": "fuzzy"}, "layout.blurred is 'fuzzy', must be one of 'sharp'"),
        ("layout", {"classes": ["blurred", "blurred"]}, "two different names"),
        ("layout", {"reader": "three-class"}, "layout.classes must be blurry, original, sharp"),
        ("layout", {"sigma": [3.0, 1.0]}, "layout.sigma"),
        ("layout", {"pairs": "none"}, "layout.sigma"),
    ],
)
def test_impossible_values_are_one_line(section: str, changed: dict[str, Any], said: str) -> None:
    given = values()
    given[section] |= changed
    with pytest.raises(BlurError) as caught:
        preset_from(given, "mine.yaml")
    line = str(caught.value)
    assert line.startswith("mine.yaml: ") and said in line and "\n" not in line


def test_a_missing_leaf_is_named() -> None:
    given = values()
    del given["recipe"]["batch"]
    with pytest.raises(BlurError, match=r"^mine\.yaml: 'recipe\.batch' is missing$"):
        preset_from(given, "mine.yaml")


def test_the_matrix_holds_every_preset() -> None:
    stage = DVC["preset"]
    assert sorted(stage["matrix"]["name"]) == NAMES
    assert stage["wdir"] == ".." and stage["outs"] == ["artifacts/presets/${item.name}"]
    assert stage["cmd"].endswith("preset ${item.name}")
    (params, preset) = stage["params"]
    sections = set(Preset.__dataclass_fields__) - {"name", "about"}
    assert set(preset["presets/${item.name}.yaml"]) == sections
    project = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))
    for place in params["params.yaml"]:
        value: Any = project
        for name in place.split("."):
            value = value[name]
        assert not isinstance(value, dict)


def test_the_five_stages_know_nothing_of_it() -> None:
    five = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text("utf-8"))["stages"]
    assert not [name for name, spec in five.items() if "preset" in str(spec)]
    ours = {dep for spec in DVC.values() for dep in spec["deps"] if not dep.startswith("$")}
    assert {path for path in ours if path.startswith("artifacts")} <= {
        *("artifacts/load", "artifacts/cnn", "artifacts/fuse")
    }
    room = "pipeline/blur_fusion/presets"
    assert (REPOSITORY / room).is_dir() and room in ours
