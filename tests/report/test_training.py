"""The training report: one page, whose parts say how to read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from blur_fusion.errors import BlurError
from blur_fusion.explain.blur_map import BlurMap, blur_map
from blur_fusion.explain.explainer import Explainer
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.params import load_params
from blur_fusion.report import training as write
from blur_fusion.report.training import PREDICTIONS, read_rows
from evaluation_fakes import run_stage, tiny_params, write_images, write_load
from tiny_model import write_tiny_model

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTS = [
    *("Results", "Training of the network", "ROC, precision and recall", "Calibration"),
    *("Confusion", "Robustness", "Worst errors"),
]


def look(working: np.ndarray) -> BlurMap:
    return blur_map(working, np.zeros((4, 4), np.float32))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_images(folder / "data", 24)
    write_load(folder, 24)
    run_stage(folder, folder / "evaluate")
    return folder


def test_every_part_has_a_sentence_and_the_worst_errors_their_maps(artifacts: Path) -> None:
    path = write.write_report(artifacts, tiny_params(), look)
    assert path == artifacts / "evaluate" / "report.html"
    page = path.read_text("utf-8")
    report = json.loads((artifacts / "evaluate" / "metrics.json").read_text("utf-8"))
    headings = re.findall(r"<h2>(.*?)</h2>\n<p>(.*?)</p>", page, re.S)
    assert [heading for heading, _ in headings] == PARTS
    assert all(sentence.endswith(".") for _, sentence in headings)
    assert page.count("<svg") == 3 + 2 + 1
    fused, mean = report["fused"]["overall"], report["robustness"]["mean"]["fused"]["value"]
    assert f"{fused['auc']['value']:.3f}<small>" in page and f"{100 * mean:.1f} %" in page
    assert f"<b>{fused['counts']['found']}</b>" in page
    rows = read_rows(artifacts / "evaluate" / "predictions.csv", PREDICTIONS)
    wrong = {row["name"] for row in rows if row["verdict"] != row["label"]}
    shown = re.findall(r"<figcaption>(.*?)<br>", page)
    assert shown and set(shown) <= wrong
    assert len(shown) == min(len(wrong), tiny_params().evaluate.worst_images)
    assert page.count('alt="blur map of ') == len(shown)
    assert 'src="http' not in page and "<script" not in page


@pytest.mark.parametrize(
    "name",
    [
        *("evaluate/metrics.json", "evaluate/predictions.csv", "cnn/history.csv"),
        *("evaluate/plots/roc_fused.csv", "evaluate/plots/calibration_cnn.csv"),
    ],
)
def test_missing_or_damaged_files_are_one_line(artifacts: Path, name: str) -> None:
    path = artifacts / name
    whole = path.read_bytes()
    path.write_text("nonsense\n1,2\n")
    with pytest.raises(BlurError, match=f"{path.name}: .*make repro"):
        write.write_report(artifacts, tiny_params(), look)
    path.unlink()
    with pytest.raises(BlurError, match="no such file; run"):
        write.write_report(artifacts, tiny_params(), look)
    path.write_bytes(whole)


def test_it_is_readable_at_any_width(page: Page, artifacts: Path) -> None:
    path = write.write_report(artifacts, tiny_params(), look)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    images = page.locator("img")
    assert images.count() > 2
    for number in range(images.count()):
        assert images.nth(number).evaluate("image => image.naturalWidth") > 0


def test_the_command_uses_the_fused_model(artifacts: Path) -> None:
    params = artifacts / "params.yaml"
    params.write_text("evaluate: {worst_images: 2}")
    words = ["--model-dir", str(artifacts), "--params", str(params)]
    result = CliRunner().invoke(write.report_command, words)
    assert isinstance(result.exception, BlurError)  # no model folder yet
    explainer = Explainer(BlurDetector(write_tiny_model(artifacts / "fuse")))
    result = CliRunner().invoke(write.report_command, words)
    assert result.exit_code == 0, result.output
    page = (artifacts / "evaluate" / "report.html").read_bytes()
    for way, same in ((look, False), (explainer.blur_map, True)):
        again = write.write_report(artifacts, load_params(params), way).read_bytes()
        assert (page == again) == same
