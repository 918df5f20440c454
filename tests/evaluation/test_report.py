"""What the evaluate stage writes, with fake classifiers."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError
from blur_fusion.evaluation import table
from blur_fusion.evaluation.metrics import METRICS
from blur_fusion.evaluation.report import OURS, as_json, read_report, rounded
from blur_fusion.evaluation.robustness import UNPERTURBED
from blur_fusion.evaluation.table import render
from evaluation_fakes import run_stage, write_images, write_load

COUNT = 24
Ran = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The stage's folder and its report."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_images(folder / "data", COUNT)
    write_load(folder, COUNT)
    return folder, run_stage(folder, folder / "out")


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_metrics_hold_every_model_metric_and_interval(ran: Ran) -> None:
    folder, written = ran
    assert json.loads((folder / "out" / "metrics.json").read_text()) == written
    for model in ("constant", "laplacian", *OURS):
        assert set(written[model]["subsets"]) == {"even", "odd"}
        for part in (written[model]["overall"], *written[model]["subsets"].values()):
            for metric in METRICS:
                low, high = part[metric]["low"], part[metric]["high"]
                assert low <= high and (metric == "log_loss" or 0 <= low <= high <= 1), metric
    assert written["fused"]["threshold"] == 0.5 and written["constant"]["share_blurred"] == 0.5
    assert written["dataset"]["digest"] == Store.open(folder / "load").dataset["digest"]


def test_figures_are_those_of_the_predictions(ran: Ran) -> None:
    folder, report = ran
    rows, splits = _rows(folder / "out" / "predictions.csv"), Store.open(folder / "load").splits
    assert [int(row["index"]) for row in rows] == np.flatnonzero(splits == "test").tolist()
    right = [row["label"] == row["verdict"] for row in rows]
    accuracy = report["fused"]["overall"]["accuracy"]["value"]
    assert accuracy == pytest.approx(np.mean(right), abs=1e-6)
    cnn = [(float(row["cnn"]) >= 0.5) == (row["label"] == "1") for row in rows]
    only_cnn = sum(first and not second for first, second in zip(cnn, right, strict=True))
    assert report["mcnemar"]["all_images"]["first_only_right"] == only_cnn
    assert json.loads((folder / "out" / "fused.json").read_text())["accuracy"] == accuracy
    pairs, kinds = [(row["kind"], row["predicted_kind"]) for row in rows], report["kinds"]
    named = np.mean([known == said for known, said in pairs])
    assert kinds["images"] == len(pairs)
    assert kinds["accuracy"]["value"] == pytest.approx(named, abs=1e-6)
    assert kinds["confusion"]["defocus"]["sharp"] == pairs.count(("defocus", "sharp")) > 0
    losses = [report[model]["overall"]["log_loss"]["value"] for model in ("fused", "cnn")]
    difference = report["differences"]["fused_minus_cnn"]["log_loss"]["value"]
    assert difference == pytest.approx(losses[0] - losses[1], abs=2e-6)


def test_robustness_counts_the_rows(ran: Ran) -> None:
    rows, found = _rows(ran[0] / "out" / "robustness.csv"), ran[1]["robustness"]
    assert found["images"] == {"sharp": 12, "blurred": 12, "scenes": 12}
    assert len({row["index"] for row in rows}) == 24
    for entry in found["perturbations"]:
        lines = [row for row in rows if row["perturbation"] == entry["name"]]
        assert entry["images"] == len(lines)
        for judge in (*OURS, "laplacian"):
            assert entry[judge]["flips"] == sum(row[f"{judge}_flips"] == "1" for row in lines)
    whole = {row["index"]: row for row in rows if row["perturbation"] == UNPERTURBED}
    for row in rows:
        flips = row["fused_verdict"] != whole[row["index"]]["fused_verdict"]
        assert (row["fused_flips"] == "1") == flips
        assert (row["fused_verdict"] == "1") == (float(row["fused_score"]) >= 0.5)
    assert any(entry["fused"]["flips"] for entry in found["perturbations"])


def test_plots_hold_curves_of_each_model(ran: Ran) -> None:
    plots = ran[0] / "out" / "plots"
    points = [tuple(map(float, row.values())) for row in _rows(plots / "roc_cnn.csv")]
    assert (points[0], points[-1]) == ((0, 0), (1, 1))
    actual = [row["actual"] for row in _rows(plots / "confusion_fused.csv")]
    assert actual.count("blurred") == actual.count("sharp") == COUNT // 2
    training = (plots / "training.csv").read_text().splitlines()[1:]
    assert training == ["0,0.6,0.5,0.8", "1,0.4,0.3,0.9"]
    assert sum(int(row["images"]) for row in _rows(plots / "calibration_cnn.csv")) == COUNT
    assert _rows(plots / "precision_recall_fused.csv")[-1]["precision"] == "1.000000"


def test_the_table_shows_what_is_written(
    ran: Ran, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, report = ran
    monkeypatch.setattr("sys.argv", ["show", str(folder / "out" / "metrics.json")])
    table.main()
    text = capsys.readouterr().out.rstrip("\n")
    assert text == render(report) and re.match("data set fake [0-9a-f]{12}: 24 images", text)
    lines = text.splitlines()
    fused = next(line for line in lines if line.startswith("fused"))
    assert fused.split()[1:] == [f"{report['fused']['overall'][m]['value']:.3f}" for m in METRICS]
    once = ("kind named rightly: ", "subset even: 12 images", "jpeg 40 ", "watermark ", "mean ")
    for start in ("McNemar", "fused minus cnn, ", *once):
        assert sum(line.startswith(start) for line in lines) == (1 if start in once else 2), start


def test_json_is_rounded_and_foreign_json_is_refused(tmp_path: Path) -> None:
    text = as_json({"b": 0.12345678, "a": [1, -0.0]})
    assert text == '{\n  "a": [\n    1,\n    0.0\n  ],\n  "b": 0.123457\n}\n'
    assert rounded(np.float64(0.5)) == 0.5
    with pytest.raises(ValueError, match="JSON"):
        as_json(float("nan"))
    with pytest.raises(BlurError, match="no such file; run `make repro`"):
        read_report(tmp_path / "metrics.json")
    for content in ("{", "[]", "{}"):
        (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(BlurError, match=r"metrics\.json: is no"):
            read_report(tmp_path / "metrics.json")
