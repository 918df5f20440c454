"""`blur undo`, and what goes wrong: refused system calls, other file systems, later changes."""

import errno
import hashlib
import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pytest import MonkeyPatch

from action_trees import acted, fill, look, names, separate_file_systems, undone
from blur_fusion import files
from blur_fusion.actions import journal
from blur_fusion.actions.journal import undo
from blur_fusion.actions.xmp import fresh
from blur_fusion.errors import BlurError
from scan_command import invoked
from trees import contents, refusing
from xmp_samples import tags


def test_the_command(tmp_path: Path, out: Path) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "trip/b.jpg")
    before = look(tmp_path)
    path = acted(root, "I.JPG", "trip/b.jpg", move=out, tag=True).journal
    (root / "I.JPG").write_bytes(b"new")
    result = invoked("undo", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("warning: ") and result.stderr.count("\n") == 1
    assert (root / "I.JPG").read_bytes() == b"new" and names(out) == {"I.JPG"}
    (root / "I.JPG").unlink()
    result = invoked("undo", path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 file put back\n", "")
    assert look(tmp_path) == before
    assert "already" in invoked("undo", path).stdout


def test_journals_of_one_second_are_numbered(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(journal, "datetime", Still)
    made = [journal.create(tmp_path, [str(tmp_path)]) for _ in range(3)]
    found = [one.path.name for one in made]
    assert found == [f"blur-journal-20260101T000000Z{end}.jsonl" for end in ("", "-2", "-3")]
    for one in made:
        with one.step("mkdir", "", str(tmp_path / "new")):
            pass
    assert journal.not_undone(tmp_path, [tmp_path]) == [one.path for one in made]


def test_a_journal_of_the_first_release(tmp_path: Path) -> None:
    """As it wrote them: a move, a copy, a link, a sidecar and a failure."""
    root, out = fill(tmp_path / "photos", "b.jpg", "c.jpg", "d.jpg"), tmp_path / "out"
    kept = look(root)
    fill(out, "a.jpg")
    sha256 = hashlib.sha256(b"kept").hexdigest()
    for path in (out / "b.jpg", root / "d.jpg.xmp"):
        path.write_bytes(b"kept")
    (out / "c.jpg").symlink_to(root / "c.jpg")
    stat = (out / "a.jpg").stat()
    facts = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    copied = {"size": 4, "mtime_ns": 1, "sha256": sha256}
    steps: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
        ("mkdir", "", "out", {}, {}),
        ("move", "photos/a.jpg", "out/a.jpg", facts, {}),
        ("copy", "photos/b.jpg", "out/b.jpg", {"size": 15, "mtime_ns": 0}, copied),
        ("link", "photos/c.jpg", "out/c.jpg", {"text": f"{root}/c.jpg"}, {}),
        ("tag", "photos/d.jpg", "photos/d.jpg.xmp", {"before": None, "sha256": sha256}, {}),
    ]
    lines: list[dict[str, Any]] = [{"journal": "blur", "version": 1, "id": "20260101T000000Z"}]
    for number, (kind, source, target, before, after) in enumerate(steps, 1):
        source, target = source and str(tmp_path / source), str(tmp_path / target)
        lines.append({"do": number, "kind": kind, "source": source, "target": target, **before})
        lines.append({"done": number, **after})
    gone = {"source": f"{root}/e.jpg", "target": f"{out}/e.jpg"}
    lines += [{"do": 6, "kind": "move", **gone}, {"failed": 6}]
    path = tmp_path / "blur-journal-20260101T000000Z.jsonl"
    torn = '{"do": 7, "kind": "mo'  # a crash cut it off: it was never acted on
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + torn)
    report = undo(path)
    assert (report.done, report.lines) == (4, ()) and not out.exists()
    assert kept.items() <= look(root).items() and names(root) == {f"{x}.jpg" for x in "abcd"}


HEAD = b'{"journal": "blur", "version": 1, "id": "X"}\n'
NO_JOURNAL = [HEAD.replace(b"X", b"../x"), HEAD.replace(b"1", b"9"), b"", b"photos\n", b"[]\n"]
NO_JOURNAL += [b"\xff\n"] + [
    HEAD + step + b"\n"
    for step in (
        b'{"do": 1, "kind": "erase", "source": "/a", "target": "/b"}',
        b'{"do": 1, "kind": "move", "source": "/a", "target": "b"}',
        b'{"do": 2, "kind": "move", "source": "/a", "target": "/b"}',
        *(b'{"done": 1}', b'{"done": 0}', b"[" * 100_000),
    )
]


@pytest.mark.parametrize("content", NO_JOURNAL)
def test_a_file_that_is_not_a_journal_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(BlurError, match="journal.jsonl: (is not a|was written by another version)"):
        undo(path)
    assert path.read_bytes() == content
    with pytest.raises(BlurError, match="cannot be read"):
        undo(tmp_path / "absent")


def test_copies_carry_times_and_a_changed_one_survives_undo(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", copy=out)
    assert (out / "a.jpg").stat().st_mtime_ns == (root / "a.jpg").stat().st_mtime_ns
    (out / "a.jpg").write_bytes(b"edited since")
    assert undone(report).lines == (f"{out}/a.jpg: was changed since it was copied; left",)
    assert names(out) == {"a.jpg"}
    (out / "a.jpg").unlink()
    assert undone(report).lines == ()


def test_a_folder_that_is_gone_is_made_again(root: Path, out: Path) -> None:
    before = look(root)
    report = acted(root, "trip/b.jpg", "trip/c.jpg", move=out)
    (root / "trip").rmdir()
    assert undone(report).lines == () and look(root) == before


def test_a_journal_that_cannot_be_written_undoes_nothing(
    root: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    report = acted(root, "a.jpg", move=out)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anything
    with pytest.raises(BlurError, match="cannot be written; copy it to a folder where it can be"):
        undone(report)
    assert names(out) == {"a.jpg"}


def test_links_are_absolute_and_undone_only_if_ours(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", link=out)
    assert os.readlink(out / "trip/b.jpg") == os.path.realpath(root / "trip/b.jpg")
    assert acted(root, "a.jpg", link=out).journal is None
    (out / "a.jpg").unlink()
    (out / "a.jpg").write_bytes(b"the user's")
    assert undone(report).lines == (f"{out}/a.jpg: is no longer the link that was made; left",)
    assert names(out) == {"a.jpg"} and names(root) == {"a.jpg", "trip/b.jpg", "trip/c.jpg"}


def test_links_where_there_are_none(root: Path, out: Path, monkeypatch: MonkeyPatch) -> None:
    refusing(monkeypatch, "symlink", errno.EPERM, root)
    report = acted(root, "a.jpg", "trip/b.jpg", link=out)
    assert report.failed and len(report.lines) == 2
    assert report.lines[0] == f"{root}/a.jpg: could not be linked (Operation not permitted)"
    assert not out.exists() and report.journal is None


def test_other_file_system(root: Path, out: Path, monkeypatch: MonkeyPatch) -> None:
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
    tmp_path: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "K.jpg")
    before = look(root)
    refusing(monkeypatch, "replace", errno.EACCES, root / "I.xmp")
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


@pytest.mark.parametrize(
    ("call", "number", "lost"),
    [
        ("chmod", errno.EPERM, "permissions"),  # exFAT
        ("chmod", errno.EOPNOTSUPP, "permissions"),
        ("utime", errno.EPERM, "times"),  # SMB
        ("setxattr", errno.ENOTSUP, "extended attributes"),
        ("setxattr", errno.E2BIG, "extended attributes"),
        ("chown", errno.EPERM, "owners"),
        ("fsync", errno.EINVAL, ""),
    ],
)
@pytest.mark.parametrize("kind", ["move", "copy"])
def test_targets_that_refuse_attributes(
    root: Path, out: Path, monkeypatch: MonkeyPatch, kind: str, call: str, number: int, lost: str
) -> None:
    """Content is transferred and verified, the rest is one line; everything comes back."""
    for name in ("a.jpg", "trip/b.jpg"):
        (root / name).chmod(0o640)
        xattrs(root / name, "user.xdg.tags", b"holiday")
    before, modes = look(root), {path: path.stat().st_mode for path in root.rglob("*.jpg")}
    separate_file_systems(monkeypatch)
    monkeypatch.setattr(files, "_is_root", lambda: True)
    with monkeypatch.context() as patch:
        refusing(patch, call, number, out)
        report = acted(root, "a.jpg", "trip/b.jpg", **{kind: out})
    place = f"{out}: files there keep their content, verified, but not their {lost}"
    assert report.lines == ((place,) if lost else ()) and not report.failed and report.done == 2
    assert (out / "a.jpg").read_bytes() == before[f"{root}/a.jpg"][0]
    assert undone(report).lines == () and look(root) == before
    assert {path: path.stat().st_mode for path in root.rglob("*.jpg")} == modes


def test_sources_without_extended_attributes_are_no_matter(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on camera cards; attributes of the system do not matter."""
    separate_file_systems(monkeypatch)
    refusing(monkeypatch, "listxattr", errno.ENOTSUP, root)
    assert acted(root, "a.jpg", move=out).lines == ()
    monkeypatch.setattr(os, "listxattr", lambda path: ["security.selinux"])
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"x")
    refusing(monkeypatch, "setxattr", errno.EPERM, out)
    assert acted(root, "trip/b.jpg", copy=out).lines == ()


def test_what_was_changed_where_times_are_refused_keeps_its_time(
    root: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    separate_file_systems(monkeypatch)
    with monkeypatch.context() as patch:
        refusing(patch, "utime", errno.EPERM, out)
        report = acted(root, "a.jpg", move=out)
    os.utime(out / "a.jpg", ns=(5, 5))
    undone(report)
    assert (root / "a.jpg").stat().st_mtime_ns == 5


def xattrs(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except (OSError, AttributeError):
        pytest.skip("this file system takes no extended attributes")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_as_root_owner_and_group_are_kept(root: Path, out: Path, monkeypatch: MonkeyPatch) -> None:
    """On another file system too; an amended sidecar keeps owner, mode and attributes."""
    sidecar = root / "trip/b.jpg.xmp"
    sidecar.write_bytes(fresh(tags("motion", 0.1)))
    sidecar.chmod(0o640)
    xattrs(sidecar, "user.comment", b"mine")
    for path in (root, *root.rglob("*")):
        os.chown(path, 1234, 5678)
    os.chown(sidecar, 1235, 5679)
    separate_file_systems(monkeypatch)
    report = acted(root, "a.jpg", "trip/b.jpg", move=out, tag=True)
    there = out / "trip/b.jpg.xmp"
    assert not report.lines and b"0.9877" in there.read_bytes()
    about = there.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (1235, 5679, 0o640)
    assert os.getxattr(there, "user.comment") == b"mine"
    others = {path.stat().st_uid for path in (out, *out.rglob("*")) if path != there}
    assert others == {1234} and len(names(out)) == 4
    undone(report)
    about = sidecar.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (1235, 5679, 0o640)
    assert os.getxattr(sidecar, "user.comment") == b"mine"


def test_a_sidecar_is_amended_where_modes_are_refused(root: Path, monkeypatch: MonkeyPatch) -> None:
    (root / "a.jpg.xmp").write_bytes(fresh(tags("motion", 0.1)))
    before = contents(root)
    with monkeypatch.context() as patch:
        refusing(patch, "chmod", errno.EPERM, root)
        refusing(patch, "utime", errno.EPERM, root)
        report = acted(root, "a.jpg", "trip/b.jpg", tag=True)
        assert b"0.9877" in (root / "a.jpg.xmp").read_bytes() and not report.failed
        line = f"{root}: files there keep their content, verified, but not their permissions"
        assert report.lines == (line,)
        assert undone(report).lines == ()
    after = contents(root)
    assert after.pop(report.journal.name) and after == before


def test_a_journal_damaged_within_a_step_is_a_line(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", tag=True)
    text = report.journal.read_text().replace('"before": null', '"before": 7', 1)
    report.journal.write_text(text)
    assert undone(report).lines == (f"{root}/a.jpg.xmp: left, the journal is damaged there",)


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
@pytest.mark.parametrize(
    ("target", "moves", "to"),
    [
        ("lib/photos/out", "lib", "far/away"),  # all of it, more than was scanned
        ("lib/photos/out", "lib/photos", "p"),  # what was scanned, and the target in it
        ("lib/out", "lib", "lib2"),  # the target beside it
        ("out", "lib/photos", "p"),  # the photos only
        ("out", "lib", "lib/lib"),  # to below its old name
        ("out", "out", "o"),  # the target only
    ],
)
def test_undo_finds_what_moved_as_a_whole(
    tmp_path: Path, kind: str, target: str, moves: str, to: str
) -> None:
    photos = fill(tmp_path / "lib/photos", "trip/b.jpg", "trip/c.jpg", "trip/b.jpg.xmp")
    (photos / "trip/b.jpg.xmp").write_bytes(fresh(tags("motion", 0.1)))
    before = look(tmp_path)
    report = acted(photos, "trip/b.jpg", **{kind: tmp_path / target}, tag=True)
    (tmp_path / moves).rename(tmp_path / "x")
    (tmp_path / to).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "x").rename(tmp_path / to)
    (path,) = tmp_path.rglob("blur-journal-*")
    (tmp_path / "empty").mkdir()
    for wrong in ("absent", "empty"):
        with pytest.raises(BlurError, match="holds none of the files in .*; give the folder"):
            undo(path, tmp_path / wrong)
    old, new = f"{tmp_path}/{moves}/", f"{tmp_path}/{to}/"
    expected = {path.replace(old, new): one for path, one in before.items()}
    assert undo(path, tmp_path / to).lines == ()
    assert look(tmp_path) == expected
    assert undo(path).summary.endswith("undone already") and report.done > 1


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
@pytest.mark.parametrize(
    ("target", "first_release"), [("photos/out", False), ("photos/out", True), ("out", False)]
)
def test_undo_without_a_hint_spoils_nothing(
    tmp_path: Path, kind: str, target: str, first_release: bool
) -> None:
    """Missing files do not count as deleted if the rest is missing too."""
    root = fill(tmp_path / "photos", "a.jpg")
    report = acted(root, "a.jpg", **{kind: tmp_path / target}, tag=True)
    if first_release:
        text = report.journal.read_text()
        report.journal.write_text(re.sub(', "roots": .*?]', "", text, count=1))
    root.rename(tmp_path / "new")
    (path,) = tmp_path.rglob("blur-journal-*")
    result = invoked("undo", path)
    assert result.exit_code == 1 and "give their folder: --at" in result.stderr
    assert result.stderr.count("\n") == 1
    result = invoked("undo", path, "--at", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    assert names(tmp_path / "new") == {"a.jpg"} and not (tmp_path / "photos").exists()
