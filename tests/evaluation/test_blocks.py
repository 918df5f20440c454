"""Kinds, differences and robustness in metrics.json are those of the rows written beside it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blur_fusion.evaluation.table import render
from evaluation_fakes import run_stage, write_images

Ran = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The stage's folder and what it reported."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_images(folder / "data", 24)
    return folder, run_stage(folder, folder / "out", 24)[0]


def test_kinds_are_those_of_the_predictions(ran: Ran) -> None:
    folder, report = ran
    with (folder / "out" / "predictions.csv").open() as file:
        pairs = [(row["kind"], row["predicted_kind"]) for row in csv.DictReader(file)]
    kinds = report["kinds"]
    assert kinds["images"] == len(pairs) == report["dataset"]["images"]
    right = np.mean([known == named for known, named in pairs])
    assert kinds["accuracy"]["value"] == pytest.approx(right, abs=1e-6)
    missed = kinds["confusion"]["defocus"]["sharp"]
    assert missed == pairs.count(("defocus", "sharp")) > 0


def test_differences_are_those_of_the_figures(ran: Ran) -> None:
    _, report = ran
    for pair, metrics in report["differences"].items():
        first, second = pair.split("_minus_")
        for metric, found in metrics.items():
            values = [report[model]["overall"][metric]["value"] for model in (first, second)]
            assert found["value"] == pytest.approx(values[0] - values[1], abs=2e-6)
            assert found["excludes_zero"] == (found["low"] > 0 or found["high"] < 0)


def test_robustness_is_that_of_the_rows(ran: Ran) -> None:
    folder, report = ran
    with (folder / "out" / "robustness.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = report["robustness"]
    assert found["images"] == {"sharp": 12, "blurred": 12, "scenes": 12}
    assert len({row["index"] for row in rows}) == 24
    for entry in found["perturbations"]:
        lines = [row for row in rows if row["perturbation"] == entry["name"]]
        assert entry["images"] == len(lines)
        for judge in ("fused", "cnn", "features", "laplacian"):
            flips = sum(row[f"{judge}_flips"] == "1" for row in lines)
            assert flips == entry[judge]["flips"]
            causes = ("sharp_flagged", "blurred_missed", "put_right")
            assert sum(entry[judge][cause] for cause in causes) == flips
    assert any(entry["fused"]["flips"] for entry in found["perturbations"])


def test_reports_without_the_blocks_still_print(ran: Ran) -> None:
    older = {k: v for k, v in ran[1].items() if k not in ("differences", "kinds", "robustness")}
    assert render(older).splitlines()[-1].startswith("McNemar")
