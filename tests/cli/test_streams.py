"""Standard streams that are closed or go away, signals, and outputs that are no ordinary files."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pytest import MonkeyPatch

from blur_fusion.files import for_excel, from_excel
from fake_classifier import album
from scan_command import ENVIRONMENT, blur, command, invoked, linked


def shell(line: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    """`line` in a shell, in which "$@" is `blur WORDS`."""
    arguments = ["sh", "-c", line, "sh", *command(*words)]
    return subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "2>/dev/full"])
def test_verdicts_come_where_streams_are_closed(tmp_path: Path, model: Path, closed: str) -> None:
    album(tmp_path / "photos", 3)
    words = ["scan", tmp_path / "photos", "--model", model, "--format", "jsonl"]
    ran = shell(f'"$@" {closed}', *words, "--cache", tmp_path / "cache")
    assert len(ran.stdout.splitlines()) == 3 and ran.returncode == 0
    assert all(json.loads(line)["error"] is None for line in ran.stdout.splitlines())


def test_a_reader_that_goes_away_does_not_end_what_else_was_asked_for(
    tmp_path: Path, model: Path
) -> None:
    linked(album(tmp_path / "photos", 1)[0], 300)
    words = ["scan", tmp_path / "photos", "--model", model, "--report", tmp_path / "page.html"]
    ran = shell('"$@" | head -n 1', *words)
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stderr.splitlines()[-1:] in ([], [b"300 photos: 300 blurred"]), ran.stderr
    assert "0299.jpg" in (tmp_path / "page.html").read_text()


def test_a_reader_that_goes_away_ends_a_scan_for_it_alone(tmp_path: Path, model: Path) -> None:
    linked(album(tmp_path / "photos", 1)[0], 3000)
    start = time.monotonic()
    ran = shell('"$@" | head -n 1', "scan", tmp_path / "photos", "--model", model)
    assert len(ran.stdout.splitlines()) == 1 and b"Traceback" not in ran.stderr
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("wish", [["--output", "table"], ["--report", "page.html"]])
def test_sigterm_leaves_nothing_half_done(tmp_path: Path, model: Path, wish: list[str]) -> None:
    linked(album(tmp_path / "photos", 1)[0], 3000)
    out = tmp_path / "out"
    out.mkdir()
    words = command("scan", tmp_path / "photos", "--model", model, *wish)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=ENVIRONMENT, cwd=out, **quiet)
    while not any(out.iterdir()):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said == b"interrupted\n"
    assert list(out.iterdir()) == []


def test_output_on_a_device_or_a_link(tmp_path: Path, model: Path) -> None:
    """Written through: never replaced."""
    album(tmp_path / "photos", 2)
    words = ["scan", tmp_path / "photos", "--model", model, "--format", "csv", "--output"]
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for force in ([], ["--force"]):
        assert invoked(*words, pipe, *force).exit_code == 0
        assert len(os.read(reader, 10_000).splitlines()) == 3
        assert invoked(*words, "/dev/null", *force).exit_code == 0
        assert pipe.is_fifo() and Path("/dev/null").is_char_device()
    os.close(reader)
    target.write_text("mine")
    link.symlink_to(target)
    assert invoked(*words, link).exit_code == 2 and target.read_text() == "mine"
    assert invoked(*words, link, "--force").exit_code == 0
    assert link.is_symlink() and len(target.read_text().splitlines()) == 3
    full = invoked(*words, "/dev/full")
    assert full.exit_code != 0
    assert full.stderr == "error: /dev/full: cannot be written (No space left on device)\n"


@pytest.mark.parametrize("text", ["=1+1", "+a", "-b", "@c", "\tx", "'=1", "a=1", "'quoted'", ""])
def test_what_is_quoted_for_a_spreadsheet_is_undone(text: str) -> None:
    assert from_excel(for_excel(text)) == text
    assert not for_excel(text).startswith(("=", "+", "-", "@", "\t"))


def test_csv_for_a_spreadsheet(tmp_path: Path, model: Path, monkeypatch: MonkeyPatch) -> None:
    """Numbers stay numbers, negative ones too."""
    names = ("=1+1.jpg", "é.jpg")
    for photo, name in zip(album(tmp_path, 2), names, strict=True):
        photo.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    ran = blur(*names, "--model", model, "--csv-excel")
    assert ran.stdout.startswith(b"\xef\xbb\xbfpath,")
    found = list(csv.DictReader(ran.stdout.decode("utf-8-sig").splitlines()))
    assert [row["path"] for row in found] == ["'=1+1.jpg", "é.jpg"]
    plain = invoked("scan", *names, "--model", model, "--format", "csv").stdout
    expected = list(csv.DictReader(plain.splitlines()))
    assert found == [{**row, "path": for_excel(row["path"])} for row in expected]
