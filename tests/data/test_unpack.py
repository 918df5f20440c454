"""Zips that are damaged, would escape or explode: one line each, and nothing left behind."""

import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from pytest import MonkeyPatch

from blur_fusion.data import fetch
from blur_fusion.data.fetch import fetch_certh, unpack
from blur_fusion.errors import BlurError
from trees import contents

GOOD = "CERTH_ImageBlurDataset/TrainingSet/Undistorted/a.jpg"


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in {GOOD: b"a", **entries}.items():
            info = ZipInfo(name)
            info.filename = name  # unlike the constructor, changes nothing
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def _refused(archive: Path) -> str:
    """The line with which fetching `archive` ends; only the zip is left."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(BlurError) as caught:
        fetch_certh(archive.parent / "data", "", archive)
    assert sorted(archive.parent.iterdir()) == before
    line = str(caught.value)
    assert line.startswith(f"{archive}: ") and "\n" not in line
    return line


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    entries = {"b/": b"", "b/c.jpg": b"c" * 5000, "./d.jpg": b"d", "e\\f.jpg": b"f"}
    archive = _zip(tmp_path / "set.zip", entries)
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(archive, folder)
    assert contents(folder) == {GOOD: b"a", "b/c.jpg": b"c" * 5000, "d.jpg": b"d", "e/f.jpg": b"f"}


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "/evil.jpg", "\\\\host\\evil.jpg"),
        *("C:/evil.jpg", "c:evil.jpg", "a/C:/evil.jpg", "../evil\nfolder/", "./"),
    ],
)
def test_a_path_outside_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "deep"
    place.mkdir()
    assert "points outside the folder" in _refused(_zip(place / "set.zip", {name: b"evil"}))
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = _zip(tmp_path / "set.zip", {})
    info = ZipInfo("TrainingSet/link")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with ZipFile(archive, "a") as opened:
        opened.writestr(info, b"/etc")
        opened.writestr("TrainingSet/link/evil.jpg", b"evil")
    assert "is a link or a device" in _refused(archive)


@pytest.mark.parametrize(
    ("files", "size", "limits", "line"),
    [
        (1, 4 << 20, {}, "'0.jpg' would grow more than 100 times"),
        (8, 1 << 20, {}, "times its own size"),
        (3, 3, {"MOST_ENTRIES": 2}, "holds 4 entries, more than 2"),
        (3, 3, {"MOST_BYTES": 5}, "more than 0.00 GB"),
        (3, 3, {"shutil": Mock(disk_usage=lambda _: Mock(free=0))}, "GB are free on the disk"),
    ],
)
def test_what_is_too_much_is_refused(
    tmp_path: Path,
    monkeypatch: MonkeyPatch,
    files: int,
    size: int,
    limits: dict[str, Any],
    line: str,
) -> None:
    archive = _zip(tmp_path / "set.zip", {f"{i}.jpg": bytes(size) for i in range(files)})
    assert archive.stat().st_size < 10_000
    for name, value in limits.items():
        monkeypatch.setattr(fetch, name, value)
    assert line in _refused(archive)


Change = Callable[[bytes], bytes]


def _declared(place: int, value: bytes) -> Change:
    """Put `value` at `place` of the zip's directory entry for its first file."""

    def change(content: bytes) -> bytes:
        at = content.index(b"PK\x01\x02") + place
        return content[:at] + value + content[at + len(value) :]

    return change


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda content: content[: len(content) // 2], "not a complete zip"),
        (lambda _: b"<html>please log in</html>", "not a complete zip"),
        (lambda content: content.replace(b"pixels", b"PIXELS"), "not a complete zip"),
        (_declared(24, struct.pack("<I", 1)), "not a complete zip"),  # a size of one byte
        (_declared(8, struct.pack("<H", 1)), "is encrypted"),
        (_declared(10, struct.pack("<H", 77)), "cannot be unpacked here"),  # by no known method
        (lambda content: content.replace(b"Training", b"Holidays"), "holds no TrainingSet or"),
    ],
)
def test_a_damaged_zip_is_one_line(tmp_path: Path, change: Change, line: str) -> None:
    archive = tmp_path / "set.zip"
    with ZipFile(archive, "w") as opened:
        opened.writestr(GOOD, b"pixels")
    archive.write_bytes(change(archive.read_bytes()))
    assert line in _refused(archive)


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    twice = _zip(tmp_path / "twice.zip", {"a.jpg": b"a", "./a.jpg": b"b"})
    assert "cannot be unpacked (File exists)" in _refused(twice)
