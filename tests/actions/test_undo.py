"""What goes wrong: refused system calls, other file systems, things changed before `undo`."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from action_trees import blurred, fill, look, names
from blur_fusion import files
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.undo import undo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", "a.jpg", "trip/b.jpg", "trip/c.jpg")


def test_copies_carry_times_and_a_changed_one_survives_undo(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], ActionOptions(copy=out))
    assert (out / "a.jpg").stat().st_mtime_ns == (root / "a.jpg").stat().st_mtime_ns
    (out / "a.jpg").write_bytes(b"edited since")
    assert report.journal is not None
    back = undo(report.journal)
    assert back.failed and back.lines == (f"{out}/a.jpg: was changed since it was copied; left",)
    assert names(out) == {"a.jpg"}
    (out / "a.jpg").unlink()
    assert not undo(report.journal).failed


def test_links_are_absolute_and_undone_only_if_ours(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], ActionOptions(link=out))
    assert os.readlink(out / "trip/b.jpg") == os.path.realpath(root / "trip/b.jpg")
    assert act(blurred(root / "a.jpg"), [root], ActionOptions(link=out)).journal is None
    (out / "a.jpg").unlink()
    (out / "a.jpg").write_bytes(b"the user's")
    assert report.journal is not None
    back = undo(report.journal)
    assert back.lines == (f"{out}/a.jpg: is no longer the link that was made; left",)
    assert names(out) == {"a.jpg"} and names(root) == {"a.jpg", "trip/b.jpg", "trip/c.jpg"}


def test_links_where_there_are_none(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refused)
    verdicts = blurred(root / "a.jpg", root / "trip/b.jpg")
    report = act(verdicts, [root], ActionOptions(link=tmp_path / "out"))
    assert report.failed and len(report.lines) == 2
    assert report.lines[0] == f"{root}/a.jpg: could not be linked (Operation not permitted)"
    assert not (tmp_path / "out").exists() and report.journal is None


def test_undo_never_overwrites(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], ActionOptions(move=out))
    (root / "a.jpg").write_bytes(b"new")
    assert report.journal is not None
    back = undo(report.journal)
    assert back.failed and back.restored == 1 and len(back.lines) == 1
    assert (root / "a.jpg").read_bytes() == b"new" and names(out) == {"a.jpg"}
    (root / "a.jpg").unlink()
    again = undo(report.journal)
    assert (again.restored, again.failed) == (1, False) and names(out) == set()


def test_undo_says_what_is_gone(root: Path, tmp_path: Path) -> None:
    report = act(blurred(root / "a.jpg"), [root], ActionOptions(move=tmp_path / "out"))
    (tmp_path / "out/a.jpg").unlink()
    assert report.journal is not None
    back = undo(report.journal)
    assert back.failed and "is no longer there" in back.lines[0]


def test_other_file_system(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, before = os.replace, look(root)

    def across(source: Any, target: Any) -> None:
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", across)
    out = tmp_path / "out"
    report = act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], ActionOptions(move=out))
    assert not report.failed and names(root) == {"trip/c.jpg"}
    assert look(out)[f"{out}/a.jpg"] == before[f"{root}/a.jpg"]
    assert report.journal is not None and not undo(report.journal).failed
    assert look(root, out) == before


def test_a_copy_that_differs_is_not_trusted(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across(source: Any, target: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    before = look(root)
    monkeypatch.setattr(os, "replace", across)
    monkeypatch.setattr(files, "digest", lambda path: "0" * 64)
    report = act(blurred(root / "a.jpg"), [root], ActionOptions(move=tmp_path / "out"))
    assert report.failed and "differs" in report.lines[0]
    assert look(tmp_path) == before and not (tmp_path / "out").exists()


def test_a_shot_stays_together_when_a_part_cannot_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "K.jpg")
    before, replace = look(root), os.replace

    def refused(source: Any, target: Any) -> None:
        if os.path.basename(source) == "I.xmp":
            raise PermissionError(errno.EACCES, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    out = tmp_path / "out"
    report = act(blurred(root / "I.JPG", root / "K.jpg"), [root], ActionOptions(move=out))
    assert report.failed and report.done == 1
    expected = "could not be moved (Permission denied); its shot stays together"
    assert report.lines == (f"{root}/I.xmp: {expected}",)
    assert names(root) == {"I.CR2", "I.JPG", "I.xmp"} and names(out) == {"K.jpg"}
    assert report.journal is not None and undo(report.journal).restored == 1
    assert look(root, out) == before


def test_any_bytes_in_a_name_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \n\xff.jpg")
    root = fill(tmp_path / "photos", name)
    before = look(root)
    report = act(blurred(root / name), [root], ActionOptions(move=tmp_path / "out", tag=True))
    assert names(tmp_path / "out") == {name, name + ".xmp"}
    assert report.journal is not None
    assert all(json.loads(line) for line in report.journal.read_text("ascii").splitlines())
    undo(report.journal)
    assert look(root, tmp_path / "out") == before
    plan = act(blurred(root / name), [root], ActionOptions(move=tmp_path / "o", dry_run=True)).plan
    assert len(plan) == 1 and plan[0].isprintable()
