"""File systems that refuse links, owners, permissions, times or attributes; other disks."""

import errno
import os
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from action_trees import acted, look, names, separate_file_systems, undone
from blur_fusion import files
from blur_fusion.actions.xmp import fresh
from trees import contents, refusing
from xmp_samples import tags


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


def test_sources_without_extended_attributes(
    root: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    """As on camera cards; attributes of the system do not matter."""
    separate_file_systems(monkeypatch)
    refusing(monkeypatch, "listxattr", errno.ENOTSUP, root)
    assert acted(root, "a.jpg", move=out).lines == ()
    monkeypatch.setattr(os, "listxattr", lambda path: ["security.selinux"])
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"x")
    refusing(monkeypatch, "setxattr", errno.EPERM, out)
    assert acted(root, "trip/b.jpg", copy=out).lines == ()


def test_a_new_time_is_kept_where_times_were_refused(
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

    def of(path: Path) -> tuple[int, int, int, bytes]:
        about = path.stat()
        comment = os.getxattr(path, "user.comment")
        return about.st_uid, about.st_gid, about.st_mode & 0o777, comment

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
    others = {path.stat().st_uid for path in (out, *out.rglob("*")) if path != there}
    assert others == {1234} and len(names(out)) == 4
    assert of(there) == (1235, 5679, 0o640, b"mine")
    undone(report)
    assert of(sidecar) == (1235, 5679, 0o640, b"mine")


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
