"""Which files a scan takes, and in which order."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from blur_fusion.scan.inputs import Found, find, named


def paths(*inputs: object, stream: bytes = b"") -> list[str]:
    found = find(named(map(str, inputs), io.BytesIO(stream)))
    return [one.path for one in found if one.problem is None]


def problems(*inputs: object) -> dict[str, str]:
    found = find(named(map(str, inputs)))
    return {one.path: one.problem for one in found if one.problem is not None}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = "b.JPG a.png notes.txt .DS_Store ._a.jpg c.CR2 d.mp4 sub/z.heic sub/.hidden/y.jpg"
    for name in (*names.split(), "another/deep/x.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_folders_are_walked_in_order(tree: Path) -> None:
    expected = ["a.png", "b.JPG", "c.CR2", "d.mp4", "another/deep/x.tiff", "sub/z.heic"]
    assert paths(tree) == [str(tree / name) for name in expected]


def test_files_named_are_taken_whatever_their_names(tree: Path) -> None:
    named_ones = [tree / "notes.txt", tree / ".DS_Store", tree / "sub/.hidden/y.jpg"]
    assert paths(*named_ones) == list(map(str, named_ones))
    assert paths(tree / "sub/.hidden") == [str(tree / "sub/.hidden/y.jpg")]


def test_each_file_comes_once(tree: Path) -> None:
    found = paths(tree / "a.png", tree, tree / "sub", tree, tree / "sub/../a.png")
    assert found.count(str(tree / "a.png")) == 1 and len(found) == 6


def test_links_in_circles_end(tree: Path) -> None:
    (tree / "sub/back").symlink_to(tree)
    (tree / "sub/same").symlink_to(tree / "another")
    assert len(paths(tree)) == 6
    outside = tree.parent / f"{tree.name}_outside"
    outside.mkdir()
    (outside / "o.jpg").write_bytes(b"x")
    (tree / "out").symlink_to(outside)
    assert str(tree / "out/o.jpg") in paths(tree)


def test_patterns(tree: Path) -> None:
    assert paths(tree / "*.[pJ]*") == [str(tree / "a.png"), str(tree / "b.JPG")]
    assert str(tree / "another/deep/x.tiff") in paths(tree / "**/*.tiff")
    assert problems(tree / "*.nef") == {str(tree / "*.nef"): "no file matches"}
    odd = tree / "holiday [2024].jpg"
    odd.write_bytes(b"x")
    assert paths(odd) == [str(odd)]  # a file of that name is no pattern


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\0"])
def test_list_on_standard_input(tree: Path, ending: bytes) -> None:
    listed = ending.join(os.fsencode(tree / name) for name in ("b.JPG", "sub", "notes.txt"))
    expected = [str(tree / name) for name in ("b.JPG", "sub/z.heic", "notes.txt")]
    assert paths("-", stream=listed + ending) == expected
    assert paths("-", stream=listed) == expected


def test_names_with_newlines_and_odd_bytes(tree: Path) -> None:
    odd = os.fsencode(tree) + b"/two\nlines \xff\"'.jpg"
    try:
        with open(odd, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert os.fsdecode(odd) in paths(tree)
    assert paths("-", stream=odd + b"\0") == [os.fsdecode(odd)]


def test_what_is_missing_is_said_and_the_rest_goes_on(tree: Path) -> None:
    os.mkfifo(tree / "pipe.jpg")
    said = problems(tree / "missing.jpg", tree / "pipe.jpg", "bad\0name", tree)
    assert said[str(tree / "missing.jpg")] == "cannot be read (No such file or directory)"
    assert said[str(tree / "pipe.jpg")] == "is neither a file nor a folder"
    assert said["bad\0name"] == "is no file name"
    assert len(paths(tree / "missing.jpg", tree / "a.png")) == 1
    assert Found("x/clip.MOV").video and not Found("x/clip.jpg").video
