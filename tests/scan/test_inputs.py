"""Which files a scan takes, and in which order."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from action_trees import fill
from blur_fusion.errors import BlurError
from blur_fusion.scan.inputs import Found, Search, named


def paths(*inputs: object, stream: bytes = b"", **selection: object) -> list[str]:
    found = Search(**selection).find(named(map(str, inputs), io.BytesIO(stream)))
    return [one.path for one in found if one.problem is None]


def notes(*inputs: object, **selection: object) -> list[str]:
    search = Search(**selection)
    assert not any(one.problem for one in search.find(named(map(str, inputs))))
    return search.notes()


def problems(*inputs: object) -> dict[str, str]:
    found = Search().find(named(map(str, inputs)))
    return {one.path: one.problem for one in found if one.problem is not None}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = "b.JPG a.png notes.txt .DS_Store ._a.jpg c.CR2 d.mp4 sub/z.heic sub/.hidden/y.jpg"
    return fill(tmp_path, *names.split(), "another/deep/x.tiff")


def test_folders_are_walked_in_order(tree: Path) -> None:
    expected = ["a.png", "b.JPG", "c.CR2", "d.mp4", "another/deep/x.tiff", "sub/z.heic"]
    assert paths(tree) == [str(tree / name) for name in expected]
    assert Found("x/clip.MOV").video and not Found("x/clip.jpg").video


def test_files_named_are_taken_whatever_their_names(tree: Path) -> None:
    named_ones = [tree / "notes.txt", tree / ".DS_Store", tree / "sub/.hidden/y.jpg"]
    assert paths(*named_ones) == list(map(str, named_ones))
    assert paths(tree / "sub/.hidden") == [str(tree / "sub/.hidden/y.jpg")]


def test_each_file_comes_once_and_links_in_circles_end(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = paths(tree / "a.png", tree, tree / "sub", tree, tree / "sub/../a.png")
    assert found.count(str(tree / "a.png")) == 1 and len(found) == 6
    (tree / "sub/back").symlink_to(tree)
    (tree / "sub/same").symlink_to(tree / "another")
    assert len(paths(tree)) == 6
    (tree / "out").symlink_to(fill(tmp_path_factory.mktemp("outside"), "o.jpg"))
    assert str(tree / "out/o.jpg") in paths(tree)


def test_patterns(tree: Path) -> None:
    assert paths(tree / "*.[pJ]*") == [str(tree / "a.png"), str(tree / "b.JPG")]
    assert str(tree / "another/deep/x.tiff") in paths(tree / "**/*.tiff")
    assert problems(tree / "*.nef") == {str(tree / "*.nef"): "no file matches"}
    odd = str(fill(tree, "holiday [2024].jpg") / "holiday [2024].jpg")
    assert paths(odd) == [odd]  # the name of a file, not a pattern


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\0"])
def test_list_on_standard_input(tree: Path, ending: bytes) -> None:
    listed = ending.join(os.fsencode(tree / name) for name in ("b.JPG", "sub", "notes.txt"))
    expected = [str(tree / name) for name in ("b.JPG", "sub/z.heic", "notes.txt")]
    assert paths("-", stream=listed + ending) == paths("-", stream=listed) == expected


def test_names_with_newlines_and_odd_bytes(tree: Path) -> None:
    odd = f"{tree}/two\nlines \udcff\"'.jpg"
    try:
        Path(odd).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    assert odd in paths(tree) and paths("-", stream=os.fsencode(odd) + b"\0") == [odd]


def test_what_is_missing_is_said_and_the_rest_goes_on(tree: Path) -> None:
    os.mkfifo(tree / "pipe.jpg")
    said = problems(tree / "missing.jpg", tree / "pipe.jpg", "bad\0name", tree)
    assert said[str(tree / "missing.jpg")] == "cannot be read (No such file or directory)"
    assert said[str(tree / "pipe.jpg")] == "is neither a file nor a folder"
    assert said["bad\0name"] == "is not a valid file name"
    assert len(paths(tree / "missing.jpg", tree / "a.png")) == 1


@pytest.mark.parametrize("text", ["loop", "a.png/x", "loop/x.jpg"])
def test_a_bad_link_is_one_line_and_its_folder_goes_on(tree: Path, text: str) -> None:
    (tree / "loop").symlink_to(text if text == "loop" else tree / "loop")
    (tree / "bad").symlink_to(tree / text)
    assert set(problems(tree)) == {str(tree / "bad"), str(tree / "loop")}
    assert len(paths(tree)) == 6


def test_a_link_to_a_folder_that_is_scanned_too(tree: Path) -> None:
    """Its photos come under the real path; in a list under the first name."""
    (tree / "a link").symlink_to(tree / "sub")
    assert str(tree / "sub/z.heic") in paths(tree) and len(paths(tree)) == 6
    listed = "\n".join(str(tree / name) for name in ("a link/z.heic", "sub/z.heic", "sub"))
    assert paths("-", stream=listed.encode()) == [str(tree / "a link/z.heic")]
    assert paths(tree / "a link", tree / "sub") == [str(tree / "a link/z.heic")]


JUNK = ["@eaDir/b.JPG", "#recycle", "@Recycle", "$RECYCLE.BIN/S-1-5", ".Trash-1000/files"]
JUNK += ["Lightroom Catalog Previews.lrdata", "Old.photoslibrary/originals/1", "x/.thumbs"]


@pytest.mark.parametrize("folder", JUNK)
def test_folders_of_programs_are_passed_over(tree: Path, folder: str) -> None:
    photo = fill(tree, f"{folder}/p.jpg") / folder / "p.jpg"
    if folder.endswith(".thumbs"):
        photo = photo.rename(tree / "x/p.jpg")
        (tree / "x/.nomedia").touch()
    assert len(paths(tree)) == 6
    name = Path(folder).parts[0]
    said = f"1 folder passed over ({name}); --all-folders looks into them"
    assert notes(tree) == [said] and notes(tree, all_folders=True) == []
    assert str(photo) in paths(tree, all_folders=True)
    assert paths(photo.parent) == [str(photo)]
    assert paths(tree / name, all_folders=True) == [str(photo)]
    assert name == ".Trash-1000" or str(photo) in paths(tree, tree / name)


def test_blurignore_in_a_named_folder_does_not_count(tree: Path) -> None:
    assert len(paths(fill(tree, ".blurignore", "sub/.blurignore"))) == 5


def test_patterns_leave_out_and_choose(tree: Path) -> None:
    def named_so(**selection: object) -> list[str]:
        return [Path(path).relative_to(tree).as_posix() for path in paths(tree, **selection)]

    assert named_so(exclude=("*.JP*", "ANOTHER", "sub/z*")) == ["a.png", "c.CR2", "d.mp4"]
    assert named_so(include=("*.jpg", "another/*")) == ["b.JPG", "another/deep/x.tiff"]
    assert named_so(include=("*.jpg", "*.png"), exclude=("b*",)) == ["a.png"]
    assert paths(tree / "a.png", exclude=("*",)) == [str(tree / "a.png")]


def test_pipes_in_folders_are_never_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.jpg")
    (tree / "zero.jpg").symlink_to("/dev/zero")
    assert len(paths(tree)) == 6
    assert notes(tree) == ["2 pipes, sockets or devices passed over"]


def test_lists_with_a_mark_and_lists_in_utf16(tree: Path) -> None:
    name = str(tree / "a.png")
    assert paths("-", stream=name.encode("utf-8-sig")) == [name]
    for coding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(BlurError, match="is UTF-16; convert it to UTF-8"):
            paths("-", stream=f"{name}\r\n".encode(coding))


def test_a_thousand_folders_deep(tmp_path: Path) -> None:
    folders = [f"{tmp_path}{'/a' * depth}" for depth in range(1, 1041)]
    for folder in folders:
        os.mkdir(folder)
    photo = f"{folders[-1]}/x.jpg"
    Path(photo).touch()
    assert paths(tmp_path) == [photo]
    os.unlink(photo)
    for folder in reversed(folders):  # pytest's own cleaning is a recursion
        os.rmdir(folder)


def test_formats_that_are_not_read_are_said(tree: Path) -> None:
    fill(tree, *(f"odd/{name}" for name in ("a.gpr", "b.PSD", "c.docx", "d")))
    line = "files of formats that blur does not read:"
    assert notes(tree) == [f"2 {line} .gpr, .psd"]
    assert notes(tree / "odd") == [f"4 {line} .docx, .gpr, .psd, none"]
