"""Each preset trains on 40 images for one epoch, is read back, and judges as it did."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from blur_fusion.presets.gallery import read_run
from blur_fusion.presets.layouts import Source
from blur_fusion.presets.run import report_lines, run_preset
from preset_project import (
    IMAGES,
    NAMES,
    narrow,
    same_when_read_back,
    short_preset,
    tiny_params,
)

DRAWN = ("curves.png", "mistakes.png", "predictions.png", "samples.png")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "transfer"])
def test_every_preset_trains(name: str, preset_source: Source, tmp_path: Path) -> None:
    preset = narrow(short_preset(name))
    out = tmp_path / name
    report = run_preset(preset, preset_source, out, tiny_params())
    assert report == {**report, "preset": name, "test": {"photos": 14, "blurred": 7}}
    per_image = {"three-class": 3, "lenet": 2}.get(name, 1)
    usable = sum(
        row.split == "train" and not (per_image > 1 and row.label) for row in preset_source.rows
    )
    assert report["trained_on"]["train"] == per_image * min(IMAGES, usable)
    assert report["parameters"] > 1000 and report["megabytes"] > 0.01
    for rule in ("own", "validation"):
        cell = report["figures"][rule]["auc"]
        assert cell["low"] <= cell["value"] <= cell["high"]
    assert sorted(path.name for path in (out / "drawings").iterdir()) == list(DRAWN)
    with (out / "history.csv").open(encoding="utf-8", newline="") as file:
        phases = [row["phase"] for row in csv.DictReader(file)]
    assert phases == ["fit", "fused"] if name == "certh-hybrid" else ["fit"]
    assert ("confusion" in report, "sweep" in report) == (name == "three-class", name == "lenet")
    assert (out / "checkpoints" / "fit_01.weights.h5").is_file() == (name == "label-csv")
    same_when_read_back(out, preset_source)
    assert read_run(out)["threshold"] == pytest.approx(report["threshold"], abs=1e-6)
    assert f"preset {name}: " in "\n".join(report_lines(report))
