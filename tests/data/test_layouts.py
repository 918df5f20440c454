"""Readers of data sets: a tiny CERTH tree with the oddities of the real one, folders, tables."""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from blur_fusion.data import layouts
from blur_fusion.data.dataset import Contents, LabelledImage
from blur_fusion.data.layouts import describe, open_dataset
from blur_fusion.errors import BlurError
from blur_fusion.params import DatasetParams
from scan_command import invoked
from trees import Tree, write_photo, write_sheet


def by_name(root: Path) -> dict[str, LabelledImage]:
    return {image.name: image for image in open_dataset(root)}


def test_certh_has_labels_kinds_and_scenes(certh_tree: Tree) -> None:
    dataset = open_dataset(certh_tree())
    found = describe(dataset)["subsets"]
    assert {name: (one["sharp"], one["blurred"], one["halves"]) for name, one in found.items()} == {
        "training": (12, 24, {"train": 36}),
        "digital": (3, 6, {"test": 9}),
        "natural": (3, 3, {"test": 6}),
    }
    assert (dataset.notes, dataset.name) == ((), "certh")
    # Filter images share the scene of the original, in string order.
    digital = [image for image in dataset if image.subset == "digital"]
    for number, scene in enumerate(("Original_1", "Original_10", "Original_11"), start=1):
        stems = {image.path.stem for image in digital if image.scene == scene}
        assert stems == {scene, f"DiskR10_{number}", f"MotionL50Th90_{number}"}
    images = {image.name.split("/", 1)[1]: image for image in dataset}
    assert images["Artificially-Blurred/DiskR10_3.jpg"].kind == "defocus"
    assert images["DigitalBlurSet/MotionL50Th90_1.jpg"].kind == "motion"
    assert images["DigitalBlurSet/Original_1.jpg"].kind == "sharp"
    assert images["NaturalBlurSet/Original_2.jpg"].kind == ""
    # The same stem in two places is two photos.
    alike = ("DigitalBlurSet/Original_1.jpg", "NaturalBlurSet/Original_1.JPG")
    alike += ("Undistorted/DSC00001.jpg", "Naturally-Blurred/DSC00001.jpg")
    assert len({images[name].key for name in alike}) == 4


def test_kinds_of_new_digital_blur(certh_tree: Tree) -> None:
    root = certh_tree(scenes=1)
    kinds = {f"GaussianH{size}_3": "motion" for size in ("1x50S250", "2x80S300")}
    kinds |= {"GaussianH15x15S200_12": "defocus", "DiskR50_12": "defocus", "Original_1": ""}
    for number, stem in enumerate(kinds):
        write_photo(root / f"TrainingSet/NewDigitalBlur/{stem}.JPEG", 900 + number, blurred=True)
    images = by_name(root)
    for stem, kind in kinds.items():
        image = images[f"TrainingSet/NewDigitalBlur/{stem}.JPEG"]
        assert (image.label, image.kind, image.half) == (1, kind, "train")


def test_what_a_sheet_or_the_scenes_file_lacks_is_noted(certh_tree: Tree) -> None:
    root = certh_tree()
    natural = root / "EvaluationSet/NaturalBlurSet"
    for number in (2, 4):
        (natural / f"Original_{number}.jpg").unlink()
    write_photo(natural / "Original_77.jpg", seed=901)
    lines = [
        "path,scene,kind",
        "TrainingSet/Undistorted/DSC00001.jpg,harbour,sharp",
        "TrainingSet/Naturally-Blurred/DSC00002.jpg,harbour,motion",
        "TrainingSet/Undistorted/gone.jpg,harbour,sharp",
    ]
    (root / "scenes.csv").write_text("\n".join(lines) + "\n")
    dataset = open_dataset(root)
    assert dataset.notes == (
        "NaturalBlurSet: 1 images have no row in the sheet: left out",
        "NaturalBlurSet.xlsx: 2 rows have no image: left out",
        "scenes.csv: 1 paths are not labelled images: left out",
    )
    assert sum(image.subset == "natural" for image in dataset) == 4
    harbour = [image for image in dataset if image.scene == "harbour"]
    assert {(image.label, image.kind) for image in harbour} == {(0, "sharp"), (1, "motion")}


def test_equal_bytes_share_a_scene_and_never_lie_in_both_halves(certh_tree: Tree) -> None:
    root = certh_tree()
    undistorted = root / "TrainingSet/Undistorted"
    shutil.copy(undistorted / "DSC00001.jpg", undistorted / "copy.jpg")
    shutil.copy(root / "EvaluationSet/NaturalBlurSet/Original_3.jpg", undistorted / "leak.jpg")
    images = by_name(root)
    first, second = (images[f"TrainingSet/Undistorted/{name}.jpg"] for name in ("DSC00001", "copy"))
    assert first.key == second.key
    assert "TrainingSet/Undistorted/leak.jpg" not in images
    assert open_dataset(root).notes == ("1 training images are in the test half too: left out",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        *((("Original_2", label), "row 3 .*must be 1 or -1") for label in (0, 2, "yes", None)),
        (("Original_1.JPG ", 1), "row 3: 'Original_1.JPG' has a different label"),
        (None, "not a readable xlsx"),
    ],
)
def test_faulty_sheets_are_named(certh_tree: Tree, row: Any, message: str) -> None:
    root = certh_tree(scenes=1)
    sheet = root / "EvaluationSet/NaturalBlurSet.xlsx"
    if row is None:
        sheet.write_text("<html>not found</html>")
    else:
        write_sheet(sheet, [("Image Name", "Blur Label"), ("Original_1", -1), row])
    with pytest.raises(BlurError, match=rf"NaturalBlurSet\.xlsx: {message}"):
        open_dataset(root)


def test_without_the_extra_one_line_names_it(
    certh_tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(BlurError, match=r"extra 'train': pip install 'blur-fusion\[train"):
        open_dataset(certh_tree(scenes=1))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("EvaluationSet/DigitalBlurSet.xlsx", "DigitalBlurSet.xlsx: label sheet is missing"),
        ("EvaluationSet/NaturalBlurSet", "lacks the folder EvaluationSet/NaturalBlurSet"),
        ("TrainingSet", "lacks the folder TrainingSet/Undistorted, TrainingSet/Artif"),
        ("", "certh: no such folder"),
    ],
)
def test_missing_parts_are_named(certh_tree: Tree, gone: str, message: str) -> None:
    root = certh_tree(scenes=1)
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BlurError, match=message):
        open_dataset(root, layout="certh")


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


def test_files_of_one_name_or_of_a_triplet_are_one_scene(tmp_path: Path) -> None:
    expected = {
        "sharp/0_PHONE_S.JPG": ("0_PHONE", "sharp", 0),
        "defocused_blurred/0_PHONE_F.jpg": ("0_PHONE", "defocus", 1),
        "motion_blurred/0_PHONE_M.jpeg": ("0_PHONE", "motion", 1),
        "sharp/1.png": ("1", "sharp", 0),
        "blurred/1.png": ("1", "", 1),
        "sharp/2.png": ("2", "sharp", 0),
    }
    for number, name in enumerate(expected):
        write_photo(tmp_path / name, seed=number)
    images = by_name(tmp_path).items()
    assert {name: (one.scene, one.kind, one.label) for name, one in images} == expected


def test_every_format_that_is_scanned_counts_and_others_are_noted(tmp_path: Path) -> None:
    names = ["2019/IMG 1.JPEG", "a.jpg", "b.HEIC", "c.dng", "d.gif"]
    others = ["e.mov", "f.TXT", "g.txt", "h", ".hidden.txt", "._a.jpg"]
    for number, name in enumerate(names + others):
        write_photo(tmp_path / "sharp" / name, seed=number)
    dataset = open_dataset(tmp_path)
    assert [image.name for image in dataset] == [f"sharp/{name}" for name in names]
    assert dataset.notes == ("passed over: 4 files of other formats (.mov, .txt, none)",)


def test_links_lead_to_each_photo_once_and_a_pipe_is_never_opened(folder_tree: Tree) -> None:
    root = folder_tree(scenes=3)
    write_photo(root / "sharp/trip/a.jpg", 7)
    (root / "sharp/here").symlink_to(".")
    (root / "sharp/also").symlink_to("trip")
    os.mkfifo(root / "sharp/pipe.jpg")
    names = list(by_name(root))
    assert len(names) == 7 and "sharp/trip/a.jpg" in names


def test_a_file_or_folder_that_cannot_be_looked_at_is_one_line(folder_tree: Tree) -> None:
    root = folder_tree(scenes=3)
    (root / "sharp/long.jpg").symlink_to("x" * 300)
    with pytest.raises(BlurError, match=r"long\.jpg: cannot be read \(File name too long\)"):
        open_dataset(root)
    ran = invoked("data", "check", root / ("x" * 300))
    assert ran.exit_code == 1
    assert ran.stderr.startswith("error: ") and ran.stderr.endswith("(File name too long)\n")


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


def test_digest_changes_with_label_and_bytes_only(tmp_path: Path) -> None:
    write_photo(tmp_path / "one/a.jpg", seed=1)
    (tmp_path / "one/labels.csv").write_text("filename,label\na.jpg,sharp\n")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    digests = [open_dataset(tmp_path / name).digest for name in ("one", "two")]
    (tmp_path / "two/labels.csv").write_text("filename,label\na.jpg,blurred\n")
    write_photo(tmp_path / "one/a.jpg", seed=2)
    digests += [open_dataset(tmp_path / name).digest for name in ("one", "two")]
    assert digests[0] == digests[1] and len(set(digests)) == 3


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
