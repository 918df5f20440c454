"""What goes wrong: refused system calls, other file systems, things changed before `undo`."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from action_trees import acted, fill, look, names, separate_file_systems, undone
from blur_fusion import files


def test_copies_carry_times_and_a_changed_one_survives_undo(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", copy=out)
    assert (out / "a.jpg").stat().st_mtime_ns == (root / "a.jpg").stat().st_mtime_ns
    (out / "a.jpg").write_bytes(b"edited since")
    assert undone(report).lines == (f"{out}/a.jpg: was changed since it was copied; left",)
    assert names(out) == {"a.jpg"}
    (out / "a.jpg").unlink()
    assert undone(report).lines == ()


def test_links_are_absolute_and_undone_only_if_ours(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", link=out)
    assert os.readlink(out / "trip/b.jpg") == os.path.realpath(root / "trip/b.jpg")
    assert acted(root, "a.jpg", link=out).journal is None
    (out / "a.jpg").unlink()
    (out / "a.jpg").write_bytes(b"the user's")
    assert undone(report).lines == (f"{out}/a.jpg: is no longer the link that was made; left",)
    assert names(out) == {"a.jpg"} and names(root) == {"a.jpg", "trip/b.jpg", "trip/c.jpg"}


def test_links_where_there_are_none(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refused)
    report = acted(root, "a.jpg", "trip/b.jpg", link=out)
    assert report.failed and len(report.lines) == 2
    assert report.lines[0] == f"{root}/a.jpg: could not be linked (Operation not permitted)"
    assert not out.exists() and report.journal is None


def test_other_file_system(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = look(root)
    separate_file_systems(monkeypatch)
    report = acted(root, "a.jpg", "trip/b.jpg", move=out)
    assert not report.failed and names(root) == {"trip/c.jpg"}
    assert look(out)[f"{out}/a.jpg"] == before[f"{root}/a.jpg"]
    moved = (out / "a.jpg").rename(out / "elsewhere")
    assert "a.jpg: is no longer there" in undone(report).lines[0]
    moved.rename(out / "a.jpg")
    assert undone(report).lines == ()
    assert look(root, out) == before
    monkeypatch.setattr(files, "digest", lambda path: "0" * 64)  # what is read back differs
    report = acted(root, "a.jpg", move=root.parent / "new")
    assert report.failed and "differs" in report.lines[0]
    assert look(root.parent) == before and not (root.parent / "new").exists()


def test_a_shot_stays_together_when_a_part_cannot_go(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "K.jpg")
    before, replace = look(root), os.replace

    def refused(source: Any, target: Any) -> None:
        if os.path.basename(source) == "I.xmp":
            raise PermissionError(errno.EACCES, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    report = acted(root, "I.JPG", "K.jpg", move=out)
    assert report.failed and report.done == 1
    expected = "could not be moved (Permission denied); its shot stays together"
    assert report.lines == (f"{root}/I.xmp: {expected}",)
    assert names(root) == {"I.CR2", "I.JPG", "I.xmp"} and names(out) == {"K.jpg"}
    assert undone(report).done == 1
    assert look(root, out) == before


def test_any_bytes_in_a_name_survive(tmp_path: Path, out: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \n\xff.jpg")
    root = fill(tmp_path / "photos", name)
    before = look(root)
    report = acted(root, name, move=out, tag=True)
    assert names(out) == {name, name + ".xmp"}
    assert all(json.loads(line) for line in report.journal.read_text("ascii").splitlines())
    undone(report)
    assert look(root, out) == before
    (line,) = acted(root, name, move=out, dry_run=True).plan
    assert line.isprintable()
