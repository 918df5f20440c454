"""`blur test` with a detector that needs no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from blur_fusion.cli.main import blur
from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.layouts import open_dataset
from blur_fusion.errors import BlurError
from blur_fusion.evaluation import heldout
from blur_fusion.evaluation.run import evaluate, write_evaluation
from evaluation_fakes import ROOT, FakeDetector, FakeStore, tiny_params, write_images

HISTORY = "fit,epoch,loss,validation_loss,validation_auc\nfinal,0,0.6,0.5,0.8\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make repro` leaves it, as far as the tests need it."""
    folder = tmp_path_factory.mktemp("models")
    write_images(folder / "data", 12)
    (folder / "history.csv").write_text(HISTORY)
    store, params = FakeStore(folder / "data", 12), tiny_params()
    evaluation = evaluate(store, FakeDetector(), params)  # type: ignore[arg-type]
    out = folder / "evaluate"
    write_evaluation(evaluation, store, params, out, folder / "history.csv")  # type: ignore[arg-type]
    return folder


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heldout, "load_detector", lambda *_: FakeDetector())


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """Class folders with six images each."""
    write_images(tmp_path / "photos", 6)
    return tmp_path / "photos"


def _blur_test(path: Path, models: Path, *more: str) -> Any:
    arguments = ["test", str(path), "--model-dir", str(models), "--params", f"{ROOT}/params.yaml"]
    return CliRunner().invoke(blur, [*arguments, *more])


def test_report_equals_the_images_by_hand(held_out: Path, models: Path) -> None:
    report = heldout.judge_held_out(open_dataset(held_out), tiny_params(), models, workers=2)
    rows = {"constant", "laplacian_470", "laplacian", "cnn", "features", "fused"}
    assert rows <= report.keys()
    assert report["laplacian_470"]["threshold"] == 470
    known = json.loads((models / "evaluate" / "metrics.json").read_text())
    assert report["laplacian"]["threshold"] == known["laplacian"]["threshold"]
    counts = report["fused"]["overall"]["counts"]
    mistakes = counts["blurred"] - counts["found"] + counts["flagged"]
    assert len(report["wrong"]) == mistakes > 0
    for wrong in report["wrong"]:
        assert (wrong["fused"] >= 0.5) != bool(wrong["label"])
        assert (held_out / wrong["name"]).is_file()


def test_kinds_are_measured_where_the_folders_know_them(held_out: Path, models: Path) -> None:
    text = _blur_test(held_out, models).stdout
    assert "kind named rightly" not in text  # 'blurred' says nothing of the kind
    (held_out / "blurred").rename(held_out / "defocused_blurred")
    result = _blur_test(held_out, models, "--json")
    report = json.loads(result.stdout)
    defocus, counts = report["kinds"]["confusion"]["defocus"], report["fused"]["overall"]["counts"]
    assert defocus["sharp"] == counts["blurred"] - counts["found"]
    assert defocus["defocus"] == counts["found"] > 0
    assert "robustness" not in report
    assert "kind named rightly: 0." in _blur_test(held_out, models).stdout


def test_text_has_every_row_and_the_mistakes(held_out: Path, models: Path) -> None:
    result = _blur_test(held_out, models)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("data set photos ")
    starts = [line[:17].strip() for line in result.stdout.splitlines()]
    for row in ("constant", "laplacian (470)", "laplacian (ours)", "cnn", "features", "fused"):
        assert starts.count(row) == 2, row  # figures and counts
    assert "of 6 blurred, flagged" in result.stdout
    assert "judged wrongly by fused:" in result.stdout


def test_json_is_the_report(held_out: Path, models: Path) -> None:
    result = _blur_test(held_out, models, "--json", "--workers", "1", "--layout", "folders")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["dataset"]["images"] == 12
    assert report["unreadable"] == []


def test_unreadable_image_is_named_and_the_run_goes_on(held_out: Path, models: Path) -> None:
    (held_out / "sharp" / "0.png").write_bytes(b"no image")
    (held_out / "sharp" / "5.png").write_bytes(b"")
    result = _blur_test(held_out, models)
    assert result.exit_code == 1
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2
    assert "sharp/0.png" in warnings[0]
    assert "10 images of" in result.stdout
    assert "unreadable: 2 images" in result.stdout


def test_nothing_readable_is_an_error(held_out: Path, models: Path) -> None:
    for path in held_out.rglob("*.png"):
        path.write_bytes(b"no image")
    result = _blur_test(held_out, models)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "none of its 12 images can be read" in result.stderr


def test_one_class_prints_na(held_out: Path, models: Path) -> None:
    for path in (held_out / "blurred").iterdir():
        path.unlink()
    result = _blur_test(held_out, models)
    assert result.exit_code == 0, result.output
    fused = next(line for line in result.stdout.splitlines() if line.startswith("fused"))
    assert fused.split()[2:5] == ["n/a", "n/a", "n/a"]
    assert "found 0 of 0 blurred" in result.stdout


@pytest.mark.parametrize(("path", "message"), [("absent", "absent"), ("empty", "layout")])
def test_wrong_paths_are_one_line(tmp_path: Path, models: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    result = _blur_test(tmp_path / path, models)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_missing_models_are_one_line(held_out: Path, tmp_path: Path) -> None:
    result = _blur_test(held_out, tmp_path / "nothing")
    assert result.exit_code == 1
    assert "run `make repro` first" in result.stderr


def _image(name: str, half: str) -> LabelledImage:
    return LabelledImage(Path(name), name, 0, "sharp", "s", name, half)


def test_a_training_half_is_left_out() -> None:
    images = (_image("a", "train"), _image("b", "test"), _image("c", "test"))
    kept, notes = heldout.held_out(DataSet("d", Path("."), images, ("before",)))
    assert [image.name for image in kept] == ["b", "c"]
    assert notes == ["before", "1 images of the training half: left out"]
    with pytest.raises(BlurError, match="training half only"):
        heldout.held_out(DataSet("d", Path("."), images[:1]))
