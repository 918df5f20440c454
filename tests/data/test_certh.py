"""The CERTH reader, on a tiny tree with the oddities of the real one."""

import shutil
import sys
from typing import Any

import pytest
from pytest import MonkeyPatch

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.layouts import describe, open_dataset
from blur_fusion.errors import BlurError
from trees import Tree, write_photo, write_sheet


def by_name(dataset: DataSet) -> dict[str, LabelledImage]:
    return {image.name: image for image in dataset}


def test_labels_kinds_and_scenes(certh_tree: Tree) -> None:
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
    # Kinds come from the names of filters; the same stem in two places is two photos.
    images = {name.split("/", 1)[1]: image for name, image in by_name(dataset).items()}
    assert images["Artificially-Blurred/DiskR10_3.jpg"].kind == "defocus"
    assert images["DigitalBlurSet/MotionL50Th90_1.jpg"].kind == "motion"
    assert images["DigitalBlurSet/Original_1.jpg"].kind == "sharp"
    assert images["NaturalBlurSet/Original_2.jpg"].kind == ""
    alike = ("DigitalBlurSet/Original_1.jpg", "NaturalBlurSet/Original_1.JPG")
    alike += ("Undistorted/DSC00001.jpg", "Naturally-Blurred/DSC00001.jpg")
    assert len({images[name].key for name in alike}) == 4


@pytest.mark.parametrize(
    ("stem", "kind"),
    [
        *((f"GaussianH{size}_3", "motion") for size in ("1x50S250", "2x80S300")),
        *((f"{name}_12", "defocus") for name in ("GaussianH15x15S200", "DiskR50")),
        ("Original_1", ""),
    ],
)
def test_new_digital_blur_and_its_kind(certh_tree: Tree, stem: str, kind: str) -> None:
    root = certh_tree(scenes=1)
    name = f"TrainingSet/NewDigitalBlur/{stem}.JPEG"
    write_photo(root / name, 900, blurred=True)
    image = by_name(open_dataset(root))[name]
    assert (image.label, image.kind, image.half) == (1, kind, "train")


def test_rows_without_image_and_images_without_row_get_one_line_each(certh_tree: Tree) -> None:
    root = certh_tree()
    natural = root / "EvaluationSet/NaturalBlurSet"
    for number in (2, 4):
        (natural / f"Original_{number}.jpg").unlink()
    write_photo(natural / "Original_77.jpg", seed=901)
    dataset = open_dataset(root)
    assert dataset.notes == (
        "NaturalBlurSet: 1 images have no row in the sheet: left out",
        "NaturalBlurSet.xlsx: 2 rows have no image: left out",
    )
    assert sum(image.subset == "natural" for image in dataset) == 4


def test_scenes_file_overrules_names(certh_tree: Tree) -> None:
    root = certh_tree()
    lines = [
        "path,scene,kind",
        "TrainingSet/Undistorted/DSC00001.jpg,harbour,sharp",
        "TrainingSet/Naturally-Blurred/DSC00002.jpg,harbour,motion",
        "TrainingSet/Undistorted/gone.jpg,harbour,sharp",
    ]
    (root / "scenes.csv").write_text("\n".join(lines) + "\n")
    dataset = open_dataset(root)
    harbour = [image for image in dataset if image.scene == "harbour"]
    assert {(image.label, image.kind) for image in harbour} == {(0, "sharp"), (1, "motion")}
    assert dataset.notes == ("scenes.csv: 1 paths are not labelled images: left out",)


def test_equal_bytes_share_a_scene_and_never_lie_in_both_halves(certh_tree: Tree) -> None:
    root = certh_tree()
    undistorted = root / "TrainingSet/Undistorted"
    shutil.copy(undistorted / "DSC00001.jpg", undistorted / "copy.jpg")
    shutil.copy(root / "EvaluationSet/NaturalBlurSet/Original_3.jpg", undistorted / "leak.jpg")
    dataset = open_dataset(root)
    images = by_name(dataset)
    first, second = (images[f"TrainingSet/Undistorted/{name}.jpg"] for name in ("DSC00001", "copy"))
    assert first.key == second.key
    assert "TrainingSet/Undistorted/leak.jpg" not in images
    assert dataset.notes == ("1 training images are in the test half too: left out",)


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


def test_without_the_extra_one_line_names_it(certh_tree: Tree, monkeypatch: MonkeyPatch) -> None:
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
    root = certh_tree()
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BlurError, match=message):
        open_dataset(root, layout="certh")
