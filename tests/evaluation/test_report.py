"""What the evaluate stage writes, with a detector that needs no TensorFlow."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.evaluation import table as show
from blur_fusion.evaluation.metrics import METRICS
from blur_fusion.evaluation.report import read_report
from blur_fusion.evaluation.table import render
from evaluation_fakes import FakeStore, run_stage, write_images

COUNT = 24


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], FakeStore]:
    """The stage's folder, what it reported, and the store."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_images(folder / "data", COUNT)
    report, store = run_stage(folder, folder / "out", COUNT)
    return folder, report, store


def test_only_test_rows_are_judged(ran: tuple[Path, dict[str, Any], FakeStore]) -> None:
    _, report, store = ran
    assert {store.splits[i] for i in store.seen} == {"test"}
    assert len(store.seen) == (store.splits == "test").sum() == report["dataset"]["images"]


def test_metrics_hold_every_model_metric_and_interval(
    ran: tuple[Path, dict[str, Any], FakeStore],
) -> None:
    folder, report, _ = ran
    written = json.loads((folder / "out" / "metrics.json").read_text())
    assert written == report
    for model in ("constant", "laplacian", "cnn", "features", "fused"):
        for part in (written[model]["overall"], *written[model]["subsets"].values()):
            for metric in METRICS:
                cell = part[metric]
                assert cell["low"] <= cell["high"], (model, metric)
        assert set(written[model]["subsets"]) == {"even", "odd"}
    assert written["laplacian"]["threshold"] > 0
    assert written["fused"]["threshold"] == 0.5
    assert written["dataset"]["digest"] == "0123456789abcdef"


def test_figures_are_those_of_the_predictions(
    ran: tuple[Path, dict[str, Any], FakeStore],
) -> None:
    folder, report, store = ran
    with (folder / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == np.flatnonzero(store.splits == "test").tolist()
    right = [row["label"] == row["verdict"] for row in rows]
    accuracy = report["fused"]["overall"]["accuracy"]["value"]
    assert accuracy == pytest.approx(np.mean(right), abs=1e-6)
    cnn = [(float(row["cnn"]) >= 0.5) == (row["label"] == "1") for row in rows]
    only_cnn = sum(first and not second for first, second in zip(cnn, right, strict=True))
    assert report["mcnemar"]["all_images"]["first_only_right"] == only_cnn
    flat = json.loads((folder / "out" / "fused.json").read_text())
    assert flat["accuracy"] == accuracy


def test_plots_hold_curves_of_each_model(ran: tuple[Path, dict[str, Any], FakeStore]) -> None:
    plots = ran[0] / "out" / "plots"
    with (plots / "roc_cnn.csv").open() as file:
        points = [tuple(map(float, row.values())) for row in csv.DictReader(file)]
    assert (points[0], points[-1]) == ((0, 0), (1, 1))
    with (plots / "confusion_fused.csv").open() as file:
        actual = [row["actual"] for row in csv.DictReader(file)]
    assert actual.count("blurred") == actual.count("sharp") == COUNT // 2
    assert (plots / "training.csv").read_text().splitlines()[1:] == [
        "0,0.6,0.5,0.8",
        "1,0.4,0.3,0.9",
    ]
    for curve in ("calibration", "precision_recall"):
        assert all((plots / f"{curve}_{model}.csv").is_file() for model in ("cnn", "fused"))


def test_two_runs_write_the_same_bytes(ran: tuple[Path, dict[str, Any], FakeStore]) -> None:
    folder = ran[0]
    run_stage(folder, folder / "again", COUNT)
    files = sorted(p.relative_to(folder / "out") for p in (folder / "out").rglob("*.*"))
    assert len(files) > 15
    for file in files:
        assert (folder / "out" / file).read_bytes() == (folder / "again" / file).read_bytes(), file


def test_table_names_data_set_first_and_prints_what_is_written(
    ran: tuple[Path, dict[str, Any], FakeStore],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, report, _ = ran
    monkeypatch.setattr("sys.argv", ["show", str(folder / "out" / "metrics.json")])
    show.main()
    text = capsys.readouterr().out.rstrip("\n")
    assert text == render(report)
    lines = text.splitlines()
    assert lines[0].startswith("data set fake 0123456789ab: 24 images")
    fused = next(line for line in lines if line.startswith("fused"))
    figures = [f"{report['fused']['overall'][m]['value']:.3f}" for m in METRICS]
    assert fused.split()[1:] == figures
    assert "subset even: 12 images" in lines
    assert sum(line.startswith("McNemar") for line in lines) == 2
    assert sum(line.startswith("fused minus cnn, ") for line in lines) == 2
    assert sum(line.startswith("kind named rightly: ") for line in lines) == 1
    first = [line[:16].strip() for line in lines]
    assert {"jpeg 40", "turned 5", "watermark", "mean"} <= set(first)


def test_undefined_figures_print_na(ran: tuple[Path, dict[str, Any], FakeStore]) -> None:
    report = json.loads(json.dumps(ran[1]))
    report["cnn"]["overall"]["auc"] = {"value": None, "low": None, "high": None}
    line = next(line for line in render(report).splitlines() if line.startswith("cnn"))
    assert line.split()[3] == "n/a"


def test_missing_or_foreign_reports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="no such file; run `make repro`"):
        read_report(tmp_path / "metrics.json")
    for content in ("{", "[]", "{}"):
        (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(BlurError, match=r"metrics\.json: is no"):
            read_report(tmp_path / "metrics.json")
