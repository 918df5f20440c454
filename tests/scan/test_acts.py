"""`blur scan`: actions and report, Ctrl-C, what it imports."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from fake_judge import album
from scan_command import ENVIRONMENT, blur, command, imported
from tiny_model import write_tiny_model
from trees import write_photo


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    album(tmp_path / "photos")
    return tmp_path / "photos"


def test_moving_and_undoing(photos: Path, model: Path, tmp_path: Path) -> None:
    target = tmp_path / "blurred"
    before = sorted(photos.iterdir())
    dry = blur(photos, "--model", model, "--move", target, "--dry-run", "--format", "jsonl")
    assert dry.returncode == 0 and not target.exists() and b"move " in dry.stdout
    ran = blur(photos, "--model", model, "--move", target)
    assert ran.returncode == 0
    assert sorted(path.name for path in target.glob("*.jpg")) == ["00.jpg", "03.jpg"]
    (journal,) = target.glob("blur-journal-*")
    undone = subprocess.run(command("undo", journal), env=ENVIRONMENT, check=False)
    assert undone.returncode == 0 and sorted(photos.iterdir()) == before


def test_report(photos: Path, model: Path, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    assert blur(photos, "--model", model, "--report", page).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") + text.count("/9j/") >= 6 and "03.jpg" in text


def test_ctrl_c_keeps_what_was_judged(model: Path, tmp_path: Path) -> None:
    photos, cache = tmp_path / "many", tmp_path / "cache"
    (photo,) = [write_photo(tmp_path / "one.jpg", 1, size=(1200, 1600))]
    photos.mkdir()
    for k in range(400):
        os.link(photo, photos / f"{k:03d}.jpg")
    whole = command("scan", photos, "--model", model, "--format", "jsonl", "--cache", cache)
    running = subprocess.Popen(
        whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert running.stdout is not None and running.stderr is not None
    first = running.stdout.readline()
    running.send_signal(signal.SIGINT)
    rest, said = running.communicate(timeout=60)
    assert running.returncode == 130
    lines = said.decode().splitlines()
    assert lines[-1].startswith("interrupted; what was judged is in") and "Traceback" not in lines
    seen = [json.loads(line) for line in (first + rest).splitlines()]
    assert 1 <= len(seen) < 400
    known = sqlite3.connect(cache).execute("SELECT count(*) FROM verdicts").fetchone()[0]
    assert len(seen) <= known < 400


NEEDED = {"blur_fusion", "click", "cv2", "numpy", "onnxruntime", "tqdm"}
WORKERS = {"__mp_main__", "_sysconfigdata__linux_x86_64-linux-gnu"}
SLOW = {"cloudpickle", "joblib", "psutil"}  # come along with the data store; to go


def test_imports_only_what_a_scan_needs(photos: Path, model: Path, tmp_path: Path) -> None:
    """Or the first verdict would be long in coming: TensorFlow takes seconds, pandas a second."""
    plain = imported("scan", photos, "--model", model)
    assert plain <= NEEDED | WORKERS | SLOW
    options = ("--cache", tmp_path / "c", "--report", tmp_path / "r.html", "--tag")
    all_of_it = imported("scan", photos, "--model", model, *options, "--copy", tmp_path / "copies")
    assert all_of_it <= plain
