"""Class folders, triplets, labels.csv, and folders of no known layout."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from blur_fusion.data import layouts
from blur_fusion.data.dataset import Contents
from blur_fusion.data.layouts import open_dataset
from blur_fusion.errors import BlurError
from blur_fusion.params import DatasetParams
from scan_command import invoked
from trees import Tree, write_photo


@pytest.mark.parametrize(("sharp", "blurred"), [("sharp", "blurred"), ("good", "bad")])
def test_class_folders(folder_tree: Tree, sharp: str, blurred: str) -> None:
    root = folder_tree(sharp, blurred, scenes=3)
    params = DatasetParams(sharp_folder=sharp, blurred_folder=blurred)
    dataset = open_dataset(root, params=params)
    assert dataset.name == "own"
    found = Counter((image.name[0], image.label, image.kind) for image in dataset)
    assert found == {(sharp[0], 0, "sharp"): 3, (blurred[0], 1, ""): 3}
    assert {(image.half, image.subset) for image in dataset} == {("", "own")}
    shutil.rmtree(root / blurred)
    assert [image.label for image in open_dataset(root, params=params)] == [0] * 3  # will do


def test_subfolders_are_read_and_hidden_files_are_not(folder_tree: Tree) -> None:
    root = folder_tree(scenes=2)
    write_photo(root / "sharp/2019/IMG 1.JPEG", seed=7)
    write_photo(root / "sharp/._a0.jpg", seed=8)
    (root / "sharp/notes.txt").write_text("no image")
    names = {image.name for image in open_dataset(root) if image.label == 0}
    assert names == {"sharp/a0.jpg", "sharp/a1.jpg", "sharp/2019/IMG 1.JPEG"}


def test_pairs_of_one_name_are_one_scene(tmp_path: Path) -> None:
    for number, name in enumerate(("sharp/1.png", "blurred/1.png", "sharp/2.png")):
        write_photo(tmp_path / name, seed=number)
    scenes = {image.name: image.scene for image in open_dataset(tmp_path)}
    assert scenes["sharp/1.png"] == scenes["blurred/1.png"] != scenes["sharp/2.png"]


def test_triplets_give_scene_and_kind(tmp_path: Path) -> None:
    for number in range(3):
        write_photo(tmp_path / f"sharp/{number}_PHONE_S.JPG", seed=number)
        write_photo(tmp_path / f"defocused_blurred/{number}_PHONE_F.jpg", 10 + number, True)
        write_photo(tmp_path / f"motion_blurred/{number}_PHONE_M.jpeg", 20 + number, True)
    dataset = open_dataset(tmp_path)
    found = {(image.scene, image.kind, image.label) for image in dataset}
    kinds = (("sharp", 0), ("defocus", 1), ("motion", 1))
    assert found == {(f"{number}_PHONE", *kind) for number in range(3) for kind in kinds}


def test_labels_beside_images(tmp_path: Path) -> None:
    for number, name in enumerate(("a b.jpg", "c.JPG", "d.jpg", "e.jpg", "f.jpg", "g.jpg")):
        write_photo(tmp_path / name, seed=number)
    table = '\ufeffFilename,Label,note\na b.jpg,sharp,\nc.JPG,Blurred,"x, y"\nd.jpg,0,\ne.jpg,1\n\n'
    (tmp_path / "labels.csv").write_text(table + "f.jpg,ambiguous,\ngone.jpg,sharp,\n")
    dataset = open_dataset(tmp_path)
    labels = {image.name: image.label for image in dataset}
    assert labels == {"a b.jpg": 0, "c.JPG": 1, "d.jpg": 0, "e.jpg": 1}
    what = ("rows are ambiguous", "rows have no image", "images have no row")
    assert dataset.notes == tuple(f"labels.csv: 1 {one}: left out" for one in what)


@pytest.mark.parametrize(
    ("layout", "table", "message"),
    [
        ("auto", "filename,label\na.jpg,fuzzy\n", r"line 2 \('a\.jpg'\) has label 'fuzzy'"),
        ("auto", "filename,label\na.jpg,0\na.jpg,1\n", r"line 3: 'a\.jpg' has a different label"),
        ("auto", "file,label\na.jpg,0\n", r"labels\.csv: has no column 'filename'"),
        ("auto", "filename,label\n,0\n", "line 2 has no filename"),
        ("auto", "", "has no column 'filename, label'"),
        ("auto", "filename,label\ngone.jpg,0\n", "no labelled images"),
        ("auto", "filename,label\n\xff\xfe\x00,0\n", "cannot be read as UTF-8 CSV"),
        ("auto", None, r"unknown layout; known layouts: .*CERTH.*labels\.csv"),
        ("labels", None, r"labels\.csv: no such file"),
        ("folders", None, "has no folder 'sharp' or 'blurred'"),
        ("mosaic", None, "layout 'mosaic' must be one of"),
    ],
)
def test_a_faulty_data_set_is_one_line(
    tmp_path: Path, layout: str, table: str | None, message: str
) -> None:
    write_photo(tmp_path / "a.jpg", seed=1)
    if table is not None:
        (tmp_path / "labels.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(BlurError, match=message):
        open_dataset(tmp_path, layout)


def test_another_layout_is_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layouts.LAYOUTS, "by-name", None)  # gone after the test
    about = "images named for what they are"

    @layouts.layout("by-name", about, lambda root, _: (root / "by-name").is_file())
    def read(root: Path, params: DatasetParams) -> Contents:
        found = Contents(root)
        for path in found.files(root):
            found.add(path, int(path.name.startswith("blurred")), params.name)
        return found

    for number, name in enumerate(("blurred1.jpg", "blurred2.png", "fine.jpg")):
        write_photo(tmp_path / name, seed=number)
    (tmp_path / "by-name").touch()
    assert open_dataset(tmp_path).layout == "by-name"
    ran = invoked("data", "check", tmp_path, "--layout", "by-name")
    assert ran.exit_code == 0 and "layout: by-name (images named for what they are)" in ran.stdout
    assert "by-name" in invoked("data", "check", "--help").stdout
    ran = invoked("data", "check", tmp_path, "--layout", "mosaic")
    assert ran.exit_code == 2 and "'mosaic' is not one of 'auto', 'certh'" in ran.stderr


def test_every_format_that_is_scanned_counts_and_others_are_noted(tmp_path: Path) -> None:
    names = ["a.jpg", "b.HEIC", "c.dng", "d.gif", "e.mov", "f.TXT", "g.txt", "h", ".hidden.txt"]
    for number, name in enumerate(names):
        write_photo(tmp_path / "sharp" / name, seed=number)
    dataset = open_dataset(tmp_path)
    assert [image.path.name for image in dataset] == names[:4]
    assert dataset.notes == ("passed over: 4 files of other formats (.mov, .txt, none)",)


def test_digest_changes_with_label_scene_and_bytes_only(tmp_path: Path) -> None:
    write_photo(tmp_path / "one/a.jpg", seed=1)
    (tmp_path / "one/labels.csv").write_text("filename,label\na.jpg,sharp\n")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    digests = [open_dataset(tmp_path / name).digest for name in ("one", "two")]
    (tmp_path / "two/labels.csv").write_text("filename,label\na.jpg,blurred\n")
    write_photo(tmp_path / "one/a.jpg", seed=2)
    digests += [open_dataset(tmp_path / name).digest for name in ("one", "two")]
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_links_in_a_class_folder_lead_to_each_photo_once(folder_tree: Tree) -> None:
    """Links lead to the folder itself and to one beside it; a pipe is never opened."""
    root = folder_tree(scenes=3)
    write_photo(root / "sharp/trip/a.jpg", 7)
    (root / "sharp/here").symlink_to(".")
    (root / "sharp/also").symlink_to("trip")
    os.mkfifo(root / "sharp/pipe.jpg")
    names = [image.name for image in open_dataset(root)]
    assert len(names) == 7 and "sharp/trip/a.jpg" in names


def test_a_file_or_folder_that_cannot_be_looked_at_is_one_line(folder_tree: Tree) -> None:
    root = folder_tree(scenes=3)
    (root / "sharp/long.jpg").symlink_to("x" * 300)
    with pytest.raises(BlurError, match=r"long\.jpg: cannot be read \(File name too long\)"):
        open_dataset(root)
    ran = invoked("data", "check", root / ("x" * 300))
    assert ran.exit_code == 1
    assert ran.stderr.startswith("error: ") and ran.stderr.endswith("(File name too long)\n")
