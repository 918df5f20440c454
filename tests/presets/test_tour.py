"""notebooks/tour.ipynb runs from top to bottom on a tiny configuration."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from benchmark_project import write_project
from tiny_model import write_tiny_model
from trees import REPOSITORY, SOURCES

NOTEBOOK = REPOSITORY / "notebooks" / "tour.ipynb"


def _text(cell: nbformat.NotebookNode) -> str:
    return "".join(out.get("text", "") for out in cell.get("outputs", ()))


def test_the_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write_project(tmp_path)
    (project / "presets").symlink_to(REPOSITORY / "presets")
    monkeypatch.setenv("BLUR_PROJECT", str(project))
    monkeypatch.setenv("BLUR_TOUR_MODEL", str(write_tiny_model(tmp_path / "model")))
    monkeypatch.setenv("BLUR_TOUR_IMAGES", "12")
    monkeypatch.setenv("BLUR_TOUR_EPOCHS", "1")
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # committed without outputs
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute(cwd=os.fspath(NOTEBOOK.parent))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [
        output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 5  # samples, curves, predictions, errors, our errors
    said = "\n".join(map(_text, code))
    assert "80 photos" in said and "preset two-conv" in said and "false alarms" in said
