"""Each preset trains on 40 images for one epoch, is loaded again, and judges the same."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import load
from blur_fusion.presets.examples import Source, open_source
from blur_fusion.presets.networks import STAGES, build, lite0
from blur_fusion.presets.params import load_preset
from blur_fusion.presets.run import read_run, report_lines, run_preset, swept
from evaluation_fakes import tiny_params
from preset_project import IMAGES, NAMES, PRESETS, narrow, short_preset
from scan_command import invoked, python
from trees import REPOSITORY, contents, write_photos

DRAWN = ["curves.png", "mistakes.png", "predictions.png", "samples.png"]
PHASES = {"certh-hybrid": ["fit", "fused"], "transfer": ["fit", "fine-tune"]}


@pytest.fixture(autouse=True)
def drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw for one grey and one colour preset only: it takes half of a short run."""
    if not request.node.name.endswith(("[lenet]", "[three-class]")):
        monkeypatch.setattr(Figure, "savefig", lambda figure, path, **more: path.touch())


@pytest.fixture(scope="module")
def preset_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "own")


@pytest.fixture(scope="module")
def preset_source(preset_photos: Path) -> Source:
    return open_source(preset_photos, load_preset("two-conv", PRESETS).layout, tiny_params())


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_trains(
    name: str, preset_source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # test_export has all stages.
    monkeypatch.setattr("blur_fusion.presets.networks.STAGES", STAGES[:2])
    preset = narrow(short_preset(name))
    out = tmp_path / name
    weights = "random" if preset.network.backbone else ""
    report = run_preset(preset, preset_source, out, tiny_params(), weights)
    assert report == {**report, "preset": name, "test": {"photos": 14, "blurred": 7}}
    per_image = {"three-class": 3, "lenet": 2}.get(name, 1)
    usable = sum(per_image == 1 or not row.label for row in preset_source.part("train"))
    assert report["trained_on"]["train"] == per_image * min(IMAGES, usable)
    assert report["parameters"] > 1000 and report["megabytes"] > 0.01
    assert report["figures"].keys() == {"own", "validation"}
    drawings = sorted((out / "drawings").iterdir())
    assert [path.name for path in drawings] == DRAWN
    if name in ("lenet", "three-class"):
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawings)
    history = _rows(out / "history.csv")
    assert [row["phase"] for row in history] == PHASES.get(name, ["fit"])
    assert all(float(row["seconds"]) > 0 for row in history)
    assert ("confusion" in report, "sweep" in report) == (name == "three-class", name == "lenet")
    assert (out / "checkpoints" / "fit_01.weights.h5").is_file() == (name == "label-csv")
    said = load(out).predict(row.path for row in preset_source.part("test"))
    written = [row for row in _rows(out / "predictions.csv") if row["split"] == "test"]
    probabilities = [float(row["probability"]) for row in written]
    np.testing.assert_allclose([one.probability for one in said], probabilities, atol=1e-6)
    assert [one.blurred for one in said] == [row["verdict"] == "1" for row in written]
    assert read_run(out)["threshold"] == pytest.approx(report["threshold"], abs=1e-6)
    assert f"preset {name}: " in "\n".join(report_lines(report))
    if name == "three-class":  # "original" and "sharp" are the same pictures
        assert report["confusion"]["original"] == report["confusion"]["sharp"]


def test_transfer_weights_from_a_file_or_a_clear_line(
    preset_source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset, backbone = narrow(short_preset("transfer")), lite0((96, 96, 3))
    path = tmp_path / "lite0.weights.h5"
    backbone.save_weights(path)
    loaded = build(preset, str(path))[1]
    assert loaded is not None and not loaded.trainable
    for ours, theirs in zip(loaded.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(BlurError, match="no such file of weights .* 'python -m benchmarks.lite0'"):
        build(preset, str(tmp_path / "gone.h5"))
    path.write_bytes(b"no weights")
    with pytest.raises(BlurError, match="not the weights of EfficientNetLite0"):
        build(preset, str(path))

    def refuse(**words: Any) -> None:
        raise OSError("URL fetch failure")

    monkeypatch.setattr(keras.applications, "MobileNetV2", refuse)
    with pytest.raises(BlurError, match="ImageNet weights cannot be downloaded .* --weights FILE"):
        other = replace(preset.network, backbone="MobileNetV2", weights="imagenet")
        preset = replace(preset, network=other)
        run_preset(preset, preset_source, tmp_path / "run", tiny_params())
    assert not (tmp_path / "run").exists()


def test_a_network_learns_what_can_be_learned(tmp_path: Path) -> None:
    """Sigma 3 on 64x96 pixels is easy to see; a broken pipeline would stay at one half."""
    preset = narrow(short_preset("two-conv", images=120))  # on 40 the seed decides
    preset = replace(preset, recipe=replace(preset.recipe, epochs=8))
    source = open_source(write_photos(tmp_path / "own", 60), preset.layout, tiny_params())
    report = run_preset(preset, source, tmp_path / "run", tiny_params())
    assert report["figures"]["own"]["auc"]["value"] > 0.9


WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "sklearn")))
from blur_fusion.model.classifier import load
print([one.blurred is not None for one in load(sys.argv[1]).predict(sys.argv[2:])])
"""


def test_the_command_trains_and_then_only_tests(
    preset_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "presets"):
        (tmp_path / name).symlink_to(REPOSITORY / name)

    def refused(line: str, *words: object) -> None:
        ran = invoked("preset", *words)
        assert ran.exit_code == 1 and line in ran.stderr and ran.stderr.count("\n") == 1

    words = "lenet", "--data", preset_photos, "--epochs", 1, "--images", 6
    ran = invoked("preset", *words)
    assert ran.exit_code == 0, ran.output
    out = tmp_path / "artifacts/presets/lenet_on_own"
    assert "threshold swept on" in ran.output and (out / "sweep.csv").is_file()
    before = contents(out)
    tested = "lenet", "--test", preset_photos, "--out", out
    ran = invoked("preset", *tested)
    assert ran.exit_code == 0 and "68 photos, 34 blurred" in ran.output
    assert contents(out) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    refused("not a trained preset", *words, "--out", "mine")
    assert contents(tmp_path / "mine") == {"thesis.txt": b"mine"}
    photo = preset_photos / "sharp" / "a0.jpg"
    assert python(WITHOUT_TENSORFLOW, out, photo).strip() == "[True]"
    (out / "model.json").write_text("{}")
    refused("model.json", *tested)
    refused("gone: no such folder", "two-conv", "--data", "gone")
    refused("train the preset first", "two-conv", "--test", "gone", "--out", "none")
    refused("preset 'resnet' is unknown; known: certh-hybrid", "resnet")


def test_the_sweep_counts() -> None:
    labels, values = np.array([0, 0, 1, 1]), np.array([0.2, 0.6, 0.4, 0.9])
    table = swept(labels, values, np.array([0.5]))
    assert len(table) == 101 and table[0] == (0.0, 1.0, 0.0, 1.0)
    assert table[50] == pytest.approx((0.5, 0.5, 0.5, 1.0))
    assert table[100] == pytest.approx((1.0, 0.0, 1.0, 0.0))
    assert np.isnan(swept(labels, values, np.zeros(0))[0][3])
