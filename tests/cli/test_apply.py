"""`blur apply`: decisions from a page, done without a browser, and undone."""

import json
import os
from pathlib import Path
from unittest.mock import DEFAULT, Mock, patch

import pytest

from action_trees import look, names
from blur_fusion.actions.decisions import Decision, read_decisions
from scan_command import invoked


def decided(root: Path, *rejected: str) -> Path:
    """Decisions as the page's JSON: one photo is kept."""
    words = {**dict.fromkeys(rejected, "reject"), "trip/c.jpg": "keep"}
    rows = [{"path": str(root / name), "decision": word} for name, word in words.items()]
    path = root.parent / "decisions.json"
    path.write_text(json.dumps({"photos": rows}), encoding="utf-8")
    return path


def test_rejected_photos_are_moved_below_the_target_and_back(root: Path, out: Path) -> None:
    before, file = look(root), decided(root, "a.jpg", "trip/b.jpg")
    dry = invoked("apply", file, "--move", out, "--dry-run")
    assert dry.exit_code == 0 and look(root) == before and not out.exists()
    assert dry.stdout.splitlines() == [
        f"move {root}/a.jpg -> {out}/a.jpg",
        f"move {root}/trip/b.jpg -> {out}/trip/b.jpg",
    ]
    done = invoked("apply", file, "--move", out, "--rate")
    assert done.exit_code == 0 and done.stdout == ""
    assert done.stderr.splitlines()[0] == "2 rejected, 1 kept, 0 undecided"
    assert names(out) == {"a.jpg", "a.jpg.xmp", "trip/b.jpg", "trip/b.jpg.xmp"}
    assert read_decisions(root) == [Decision(str(root / "trip/c.jpg"), keep=True)]
    (journal,) = out.glob("blur-journal-*")
    assert invoked("undo", journal).exit_code == 0 and look(root) == before


def test_the_file_of_a_review_names_its_folder(root: Path, out: Path) -> None:
    rows = [{"path": str(root / "trip/b.jpg"), "decision": "reject"}]
    file = root.parent / "d.json"
    for folder, place in ((root, "trip/b.jpg"), (root / "gone", "b.jpg")):
        file.write_text(json.dumps({"folder": str(folder), "photos": rows}), encoding="utf-8")
        dry = invoked("apply", file, "--move", out, "--dry-run")
        assert dry.stdout == f"move {root}/trip/b.jpg -> {out}/{place}\n"


def test_ratings_of_a_folder_are_applied(root: Path, out: Path) -> None:
    invoked("apply", decided(root, "trip/b.jpg"), "--rate")
    assert invoked("apply", root, "--copy", out).exit_code == 0
    assert names(out) == {"trip/b.jpg", "trip/b.jpg.xmp"}


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), 2, "say what to do"),
        (("--dry-run",), 2, "--dry-run needs"),
        (("--move", "x", "--copy", "y"), 1, "error: choose one of move, copy and link"),
        (("--move", ".."), 1, "choose another target"),
    ],
)
def test_wrong_usage_is_one_line(root: Path, words: tuple[str, ...], code: int, line: str) -> None:
    file = decided(root, "a.jpg")
    if words[-1:] == ("..",):
        words = ("--move", str(root))
    ran = invoked("apply", file, *words)
    assert ran.exit_code == code and line in ran.stderr and "Traceback" not in ran.stderr
    assert names(root) == {"a.jpg", "trip/b.jpg", "trip/c.jpg"}


def test_photos_that_are_elsewhere_are_said(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root.parent / "d.csv"
    file.write_text("path,decision\ntrip/b.jpg,reject\ngone.jpg,reject\n", encoding="utf-8")
    ran = invoked("apply", file, "--move", out)
    assert ran.exit_code == 1 and "none of its photos exists" in ran.stderr
    monkeypatch.chdir(root)
    ran = invoked("apply", file, "--move", out)
    assert ran.exit_code == 1 and f"{root}/gone.jpg: left out" in ran.stderr
    assert names(out) == {"trip/b.jpg"}


def test_an_interrupted_run_is_in_the_journal(root: Path, out: Path) -> None:
    before = look(root)
    with patch("os.replace", Mock(wraps=os.replace, side_effect=[DEFAULT, KeyboardInterrupt])):
        ran = invoked("apply", decided(root, "a.jpg", "trip/b.jpg"), "--move", out)
    assert ran.exit_code == 130 and "interrupted; no shot is half done" in ran.stderr
    assert names(out) == {"a.jpg"} and names(root) == {"trip/b.jpg", "trip/c.jpg"}
    assert invoked("undo", next(out.glob("blur-journal-*"))).exit_code == 0
    assert look(root) == before
