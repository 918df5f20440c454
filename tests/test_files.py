"""Files written whole or not at all, printable names, an ordered map over threads."""

import errno
import io
import os
import resource
import signal
from collections.abc import Iterator
from operator import length_hint
from pathlib import Path

import pytest

from blur_fusion.errors import BlurError
from blur_fusion.files import printable, write_whole, write_whole_folder
from blur_fusion.parallel import ordered_map
from trees import refusing


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may exceed 1000 bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        refusing(monkeypatch, "link", errno.EPERM, tmp_path)
    path = tmp_path / "a.txt"
    with write_whole(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(BlurError, match="a.txt: exists"), write_whole(path):
        raise AssertionError
    with write_whole(path, force=True) as file:
        file.write(b"two")
    assert path.read_bytes() == b"two"
    other = tmp_path / "b.txt"
    since = pytest.raises(BlurError, match="b.txt: exists since; the new file is ")
    with since, write_whole(other) as file:
        file.write(b"ours")
        other.write_bytes(b"theirs")
    assert sorted(p.read_bytes() for p in tmp_path.iterdir()) == [b"ours", b"theirs", b"two"]
    assert other.read_bytes() == b"theirs"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, BlurError])
def test_after_an_error_nothing_has_changed(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(error), write_whole(path, force=True) as file:
        file.write(b"new")
        raise error
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("size", [2000, 200_000])
def test_a_full_disk_is_one_line(tmp_path: Path, full_disk: None, size: int) -> None:
    said = pytest.raises(BlurError, match="a.txt: cannot be written \\(File too large\\)$")
    with said, write_whole(tmp_path / "a.txt") as file:
        file.write(bytes(size))
    assert not list(tmp_path.iterdir())


def test_where_no_file_can_be(tmp_path: Path) -> None:
    for path, match in ((tmp_path, "is a folder"), (tmp_path / "a/b", "no such folder")):
        with pytest.raises(BlurError, match=match), write_whole(path):
            raise AssertionError


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    for force, content in ((False, "a"), (True, "b")):
        with write_whole_folder(target, force=force) as folder:
            (folder / content).touch()
        assert [p.name for p in target.iterdir()] == [content]
    with pytest.raises(BlurError, match="folder: cannot be written"), write_whole_folder(target):
        pass
    with pytest.raises(KeyboardInterrupt), write_whole_folder(target, force=True):
        raise KeyboardInterrupt
    assert [p.name for p in target.parent.iterdir()] == ["folder"]
    assert [p.name for p in target.iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Äpfel 写真.jpg", "Äpfel 写真.jpg"),
        ("two\nlines \x1b[31m", "two\\nlines \\x1b[31m"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
    ],
)
def test_names_are_one_printable_line(name: str, line: str) -> None:
    assert printable(name) == line


def test_ordered_map_keeps_order_and_reads_little_ahead() -> None:
    source = iter(range(100))
    results = ordered_map(lambda number: number * 2, source, workers=2)
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert length_hint(source) >= 92
    assert list(results) == list(range(6, 200, 2))


def test_ordered_map_hands_on_errors() -> None:
    results = ordered_map(lambda number: 1 / number, [1, 0, 2], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_ctrl_c_as_soon_as_there_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(io, "BufferedWriter", interrupted)  # once a file exists
    with pytest.raises(KeyboardInterrupt), write_whole(tmp_path / "a.txt"):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
