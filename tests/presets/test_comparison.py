"""The comparison: every system on the same photos, paired differences, CSV, Markdown, plot."""

import csv
from pathlib import Path

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from benchmark_project import write_project
from blur_fusion.data.store import Store
from blur_fusion.evaluation.metrics import Answers, weighted_metrics
from blur_fusion.params import load_params
from blur_fusion.presets import comparison
from blur_fusion.presets.comparison import OUR_NAME, Comparison
from blur_fusion.presets.examples import Source
from blur_fusion.presets.run import run_preset
from preset_project import NAMES, narrow, short_preset
from tiny_model import write_tiny_model
from trees import REPOSITORY, SOURCES, write_photos


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, one trained preset, and a tiny model of ours."""
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "presets").symlink_to(REPOSITORY / "presets")
    params, artifacts = load_params(root / "params.yaml"), root / "artifacts"
    store = Store.open(artifacts / "load")
    preset, source = narrow(short_preset("lenet", 12)), Source(tuple(store.rows), store.dataset)
    run_preset(preset, source, artifacts / "presets" / "lenet", params)
    write_tiny_model(artifacts / "fuse")
    return root


@pytest.fixture(scope="module")
def found(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Of the project, and of photos that nothing was trained on."""
    held = write_photos(tmp_path_factory.mktemp("held") / "kwentar", 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        return comparison.compare(project / "artifacts", [held], load_params())


def test_parts_systems_and_notes(found: Comparison, project: Path) -> None:
    assert [(part.data, part.rule) for part in found.parts] == [
        *(("own", "own"), ("own", "validation")),
        *(("kwentar", "own"), ("kwentar", "validation")),
    ]
    names = {"lenet", OUR_NAME, "ours: cnn", "ours: features"}
    for part in found.parts:
        extra = {"constant", "laplacian < 470"} if part.rule == "own" else set()
        laplacian = {name for name in part.figures if name.startswith("laplacian")}
        assert set(part.figures) == names | extra | laplacian and len(laplacian) == 1
    kwentar = found.parts[2]
    assert (kwentar.photos, kwentar.blurred) == (8, 4)
    fused, cnn, features = (found.systems[f"ours: {name}"] for name in ("fused", "cnn", "features"))
    for key in ("parameters", "megabytes"):
        whole, *parts = (getattr(system, key) for system in (fused, cnn, features))
        assert whole == pytest.approx(sum(parts)) and min(parts) > 0
    assert fused.training_seconds is None and fused.trained == "stacked out of fold"
    assert found.systems["lenet"].trained == "once, on 24 pictures"
    assert {name for name, one in found.systems.items() if not one.ms_per_image} == {"constant"}
    missing = {note.split(":")[0] for note in found.notes}
    assert missing == set(NAMES) - {"lenet"}
    assert "run 'blur preset two-conv'" in "\n".join(found.notes)


def test_figures_are_those_of_the_predictions(found: Comparison, project: Path) -> None:
    written = (project / "artifacts/presets/lenet/predictions.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(written.splitlines()) if row["split"] == "test"]
    labels = np.array([int(row["label"]) for row in rows])
    values = np.array([float(row["probability"]) for row in rows])
    verdicts = np.array([row["verdict"] == "1" for row in rows])
    answers, once = Answers(values, verdicts), np.ones((1, len(labels)))
    for metric, value in weighted_metrics(labels, answers, once, 15).items():
        assert found.parts[0].figures["lenet"][metric]["value"] == pytest.approx(value[0])


def test_differences_take_the_best_preset_of_each_metric() -> None:
    metrics = ("auc", "balanced_accuracy", "accuracy")
    known, draws, rng = {}, {}, np.random.default_rng(0)
    noise = rng.normal(0, 0.2, 400)  # what is common to all falls out of the differences
    of_each = {OUR_NAME: (0.9, 0.5, 0.8), "a": (0.7, 0.5, 0.9), "b": (0.8, 0.5, 0.6)}
    for name, values in of_each.items():
        known[name] = {m: {"value": value} for m, value in zip(metrics, values, strict=True)}
        every = [value + np.append(0, noise + rng.normal(0, 0.01, 400)) for value in values]
        draws[name] = dict(zip(metrics, every, strict=True))
    auc, balanced, accuracy = comparison.differences(known, draws, ["a", "b"])
    assert (auc["preset"], accuracy["preset"]) == ("b", "a")
    assert auc["value"] == pytest.approx(0.1) and auc["excludes_zero"]
    assert accuracy["value"] == pytest.approx(-0.1) and accuracy["excludes_zero"]
    assert accuracy["high"] < 0 < auc["low"]
    assert balanced["value"] == 0 and not balanced["excludes_zero"]
    assert comparison.differences(known, draws, []) == []


def test_the_command_writes_csv_plot_and_the_table_that_it_prints(
    found: Comparison, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(comparison, "compare", lambda *_: found)
    monkeypatch.chdir(project)
    ran = CliRunner().invoke(comparison.comparison_command, ["--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert {"accuracy", "auc_low", "ms_per_image", "training_seconds", "trained"} <= rows[0].keys()
    assert len(rows) == sum(len(part.figures) for part in found.parts)
    text = (tmp_path / "out" / "comparison.md").read_text("utf-8")
    assert text in ran.output and "stacked out of fold" in text
    assert text.count("ours: fused minus lenet, the best preset by") == 12
    assert text.count("exclude") == 12
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_presets_of_other_photos(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    systems, notes = comparison.preset_systems(project / "artifacts/presets", "another digest")
    assert systems == {}
    assert any("lenet: not compared" in n and "trained on other photos" in n for n in notes)


def test_the_notebook_runs(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """notebooks/tour.ipynb, from top to bottom on a tiny configuration."""
    for name, value in {
        **{"BLUR_PROJECT": project, "BLUR_TOUR_MODEL": project / "artifacts" / "fuse"},
        **{"BLUR_TOUR_IMAGES": 12, "BLUR_TOUR_EPOCHS": 1},
        **{"PYTHONPATH": SOURCES, "TMPDIR": tmp_path},
    }.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(REPOSITORY / "notebooks" / "tour.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # committed without outputs
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute(cwd=str(REPOSITORY / "notebooks"))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == 5  # samples, curves, predictions, errors, our errors
    said = "".join(output.get("text", "") for output in outputs)
    assert "80 photos" in said and "preset two-conv" in said and "false alarms" in said
