"""`blur test` with fake classifiers, and once with the shipped model."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.errors import BlurError
from blur_fusion.evaluation import heldout
from blur_fusion.model.classifier import load
from evaluation_fakes import FakeClassifier, write_images
from scan_command import imported, invoked
from trees import REPOSITORY

PARAMS = ["--params", f"{REPOSITORY}/params.yaml"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, str]]:
    """Fake classifiers are loaded; records which."""
    asked: list[tuple[Path | None, str]] = []

    def fake(folder: Path | None, judge: str) -> FakeClassifier:
        asked.append((folder, judge))
        return FakeClassifier("lenet" if folder == Path("lenet") else judge)

    monkeypatch.setattr(heldout, "load", fake)
    return asked


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    write_images(tmp_path / "photos", 6)
    return tmp_path / "photos"


def _blur_test(path: Path, *more: object) -> Result:
    return invoked("test", path, *PARAMS, *more)


def _report(path: Path, *more: object) -> dict[str, Any]:
    result = _blur_test(path, "--json", *more)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_report_and_table_of_a_judge(
    held_out: Path, opened: list[tuple[Path | None, str]], tmp_path: Path
) -> None:
    laplacian = {"threshold": 3000.0, "slope": -1.5, "intercept": 12.0}
    written = {"constant": {"share_blurred": 0.5}, "laplacian": laplacian, "fused": {}}
    models = tmp_path / "models"
    (models / "evaluate").mkdir(parents=True)
    (models / "evaluate" / "metrics.json").write_text(json.dumps({**written, "dataset": {}}))
    options = ["--model-dir", models, "--workers", 2, "--layout", "folders", "--judge", "cnn"]
    report = _report(held_out, *options)
    assert {folder for folder, _ in opened} == {models / "fuse"}
    assert "robustness" not in report
    assert report["dataset"]["images"] == 12 and report["unreadable"] == []
    assert report["laplacian_470"]["threshold"] == 470
    assert laplacian.items() < report["laplacian"].items()
    counts = report["cnn"]["overall"]["counts"]
    mistakes = counts["blurred"] - counts["found"] + counts["flagged"]
    assert len(report["wrong"]) == mistakes > 0
    for wrong in report["wrong"]:
        assert (wrong["cnn"] >= 0.5) != bool(wrong["label"])
        assert (held_out / wrong["name"]).is_file() and {"cnn", "features", "fused"} < wrong.keys()
    text = _blur_test(held_out, *options).stdout
    starts = [line[:17].strip() for line in text.splitlines()]
    for row in ("constant", "laplacian (470)", "laplacian (ours)", "cnn", "features", "fused"):
        assert starts.count(row) == 2, row  # figures and counts
    assert text.startswith("data set photos ") and "judged wrongly by cnn:" in text


def test_any_model_is_tested_and_baselines_need_metrics(
    held_out: Path, opened: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    text = _blur_test(held_out).stdout
    assert {folder for folder, _ in opened} == {None}  # the shipped one
    assert f"note: {heldout.NO_BASELINES}" in text and "\nlaplacian" not in text
    text = _blur_test(held_out, "--model", "lenet").stdout
    assert opened[-1] == (Path("lenet"), "fused")
    assert text.count("\nlenet ") == 2 and "judged wrongly by lenet: " in text
    assert "\nfused" not in text and "McNemar" not in text


def test_kinds_are_measured_where_the_folders_name_them(held_out: Path, opened: list[Any]) -> None:
    assert "kind named rightly" not in _blur_test(held_out).stdout
    (held_out / "blurred").rename(held_out / "defocused_blurred")
    report = _report(held_out)
    defocus, counts = report["kinds"]["confusion"]["defocus"], report["fused"]["overall"]["counts"]
    assert defocus["defocus"] == counts["found"] > 0


def test_unreadable_images_are_named_and_the_run_goes_on(held_out: Path, opened: list[Any]) -> None:
    (held_out / "sharp" / "0.png").write_bytes(b"no image")
    (held_out / "sharp" / "5.png").write_bytes(b"")
    result = _blur_test(held_out)
    assert result.exit_code == 1 and result.stderr.count("warning: ") == 2
    assert "sharp/0.png: is not an image" in result.stderr
    assert "10 images of" in result.stdout and "unreadable: 2 images" in result.stdout


def test_one_class_prints_na(held_out: Path, opened: list[Any]) -> None:
    shutil.rmtree(held_out / "blurred")
    result = _blur_test(held_out)
    fused = next(line for line in result.stdout.splitlines() if line.startswith("fused"))
    assert fused.split()[2:5] == ["n/a", "n/a", "n/a"]
    assert "found 0 of 0 blurred" in result.stdout and result.exit_code == 0


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("absent", [], "absent"),
        ("empty", [], "layout"),
        ("damaged", [], "none of its 2 images can be read"),
        ("photos", ["--model-dir", "nothing"], "run `make repro` first"),
    ],
)
def test_errors_are_one_line(
    held_out: Path, opened: list[Any], path: str, options: list[str], message: str
) -> None:
    root = held_out.parent
    (root / "empty").mkdir()
    write_images(root / "damaged", 1)
    for image in root.glob("damaged/*/*"):
        image.write_bytes(b"no image")
    result = _blur_test(root / path, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = (line for line in result.stderr.splitlines() if "test:" not in line)
    assert line.startswith("error: ") and message in line


def test_the_shipped_model_judges_as_it_does_elsewhere(held_out: Path) -> None:
    report = _report(held_out, "--workers", 1)
    for judge in ("cnn", "features", "fused"):
        folders = (sorted((held_out / name).iterdir()) for name in ("sharp", "blurred"))
        sharp, blurred = map(load(judge=judge).predict, folders)
        found = report[judge]["overall"]
        assert found["counts"]["found"] == sum(one.blurred is True for one in blurred)
        assert found["counts"]["flagged"] == sum(one.blurred is True for one in sharp)
        right = [one.probability for one in blurred]
        right += [1 - (one.probability or 0) for one in sharp]
        assert found["log_loss"]["value"] == pytest.approx(-np.log(right).mean(), abs=1e-5)


def test_only_base_packages_are_imported(held_out: Path) -> None:
    heavy = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"}
    assert not heavy & imported("test", held_out, *PARAMS)


def test_a_training_half_is_left_out() -> None:
    halves = {"a": "train", "b": "test", "c": "test"}
    images = tuple(LabelledImage(Path(n), n, 0, "sharp", "s", n, h) for n, h in halves.items())
    kept, notes = heldout.held_out(DataSet("d", Path("."), images, ("before",)))
    assert [image.name for image in kept] == ["b", "c"]
    assert notes == ["before", "1 images of the training half: left out"]
    with pytest.raises(BlurError, match="training half only"):
        heldout.held_out(DataSet("d", Path("."), images[:1]))
