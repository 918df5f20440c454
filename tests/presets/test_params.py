"""presets/NAME.yaml is checked; presets/dvc.yaml has a stage for each preset."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import BlurError
from blur_fusion.model.provenance import flat_params
from blur_fusion.presets.params import Preset, known_presets, load_preset
from preset_project import NAMES, PRESETS
from scan_command import invoked
from trees import REPOSITORY

DVC: dict[str, Any] = yaml.safe_load((PRESETS / "dvc.yaml").read_text("utf-8"))["stages"]


@pytest.fixture
def mine(tmp_path: Path) -> Callable[[dict[str, Any]], Preset]:
    """Reads lenet.yaml, changed, as the only preset of a folder `presets`."""
    folder = tmp_path / "presets"
    folder.mkdir()

    def read(changed: dict[str, Any], section: str = "") -> Preset:
        given = yaml.safe_load((PRESETS / "lenet.yaml").read_text("utf-8")) | {"name": "mine"}
        (given[section] if section else given).update(changed)
        (folder / "mine.yaml").write_text(yaml.safe_dump(given))
        return load_preset("mine", folder)

    return read


def test_one_file_makes_a_preset(
    mine: Callable[..., Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine({"about": "one of our own"})
    monkeypatch.chdir(tmp_path)
    ran = invoked("preset", "--help")
    assert ran.exit_code == 0 and "  mine  one of our own\n" in ran.output
    assert known_presets() == ["mine"]


def test_unknown_preset_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="^preset 'resnet' is unknown; known: certh-hybrid, "):
        load_preset("resnet", PRESETS)
    with pytest.raises(BlurError, match="holds no presets; run from the project's folder"):
        load_preset("lenet", tmp_path)


@pytest.mark.parametrize(
    ("section", "changed", "said"),
    [
        ("network", {"backbone": "VGG"}, "network.backbone is 'VGG', must be one of"),
        ("network", {"backbone": "MobileNetV2", "weights": "random"}, "backbone or filters"),
        ("network", {"weights": "random"}, "network.weights goes with a backbone"),
        ("network", {"dense": [0]}, "network.dense is"),
        ("network", {"dropout": 1.0}, "network.dropout is 1.0"),
        ("", {"recipe": {"epochs": 1}}, "'recipe.images' is missing"),
        ("", {"name": "lenet"}, "mine.yaml: name is 'lenet', must match the file's name"),
        ("network", {"fused_dense": [8]}, "network.fused_dense"),
        ("input", {"side": 8}, "input.side is 8"),
        ("recipe", {"fused_epochs": 2}, "go together"),
        ("layout", {"reader": "coco"}, "layout.reader is 'coco'"),
        ("layout", {"blurred": "fuzzy"}, "layout.blurred is 'fuzzy', must be one of 'sharp'"),
        ("layout", {"classes": ["blurred", "blurred"]}, "two different names"),
        ("layout", {"reader": "three-class"}, "layout.classes must be blurry, original, sharp"),
        ("layout", {"sigma": [3.0, 1.0]}, "layout.sigma"),
        ("layout", {"pairs": "none"}, "layout.sigma"),
    ],
)
def test_impossible_values_are_one_line(
    section: str, changed: dict[str, Any], said: str, mine: Callable[..., Preset]
) -> None:
    with pytest.raises(BlurError) as caught:
        mine(changed, section)
    line = str(caught.value)
    assert "mine.yaml: " in line and said in line and "\n" not in line


def test_the_matrix_holds_every_preset() -> None:
    stage = DVC["preset"]
    assert sorted(stage["matrix"]["name"]) == NAMES
    assert stage["wdir"] == ".." and stage["outs"] == ["artifacts/presets/${item.name}"]
    assert stage["cmd"].endswith("preset ${item.name}")
    (params, preset) = stage["params"]
    sections = set(Preset.__dataclass_fields__) - {"name", "about"}
    assert set(preset["presets/${item.name}.yaml"]) == sections
    assert set(params["params.yaml"]) <= set(flat_params(REPOSITORY / "params.yaml"))


def test_the_five_stages_know_nothing_of_it() -> None:
    five = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text("utf-8"))["stages"]
    assert not [name for name, spec in five.items() if "preset" in str(spec)]
    ours = {dep for spec in DVC.values() for dep in spec["deps"] if not dep.startswith("$")}
    known = {"artifacts/load", "artifacts/cnn", "artifacts/fuse"}
    assert {path for path in ours if path.startswith("artifacts")} <= known
    assert "pipeline/blur_fusion/presets" in ours
