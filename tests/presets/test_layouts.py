"""Layouts of the presets, and each wrong input with a line of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError
from blur_fusion.presets.examples import (
    make_three_class,
    of_rows,
    open_source,
    read_any,
    read_layout,
)
from blur_fusion.presets.params import load_preset
from preset_project import PRESETS, good_rows, tiny_params, write_metadata, write_photos
from trees import REPOSITORY, Tree, write_photo

LABEL, TWO, THREE = (
    load_preset(name, PRESETS) for name in ("label-csv", "two-conv", "three-class")
)


@pytest.mark.parametrize(
    "header",
    ["filename,label", " File Name ,LABEL", "image_path,blur", "Image,Class", "img,is_blur"],
)
def test_header_names_are_tolerated(tmp_path: Path, header: str) -> None:
    rows = good_rows(header=header)
    found = read_layout(write_metadata(tmp_path / "set", rows), LABEL.layout, tiny_params())
    assert {image.name: image.label for image in found} == {
        f"{k}.jpg": 1 - k % 2 for k in range(12)
    }


def test_the_label_order_is_that_of_the_params(tmp_path: Path) -> None:
    other = replace(LABEL.layout, classes=("focus", "blur"))
    root = write_metadata(tmp_path / "set", good_rows())
    ours, theirs = (read_layout(root, layout, tiny_params()) for layout in (LABEL.layout, other))
    assert [image.label for image in ours] == [1 - image.label for image in theirs]


def test_scenes_of_a_column_and_of_names(tmp_path: Path) -> None:
    rows = "name,label,scene\n" + "".join(f"{k}.jpg,{k % 2},s{k // 2}\n" for k in range(12))
    found = read_layout(write_metadata(tmp_path / "set", rows), LABEL.layout, tiny_params())
    assert len({image.key for image in found}) == 6
    three = tmp_path / "three"
    make_three_class(str(tmp_path / "set"), three, images=5)
    found = read_layout(three, THREE.layout, tiny_params())
    assert len(found) == 15 and len({image.key for image in found}) == 5
    assert sum(image.label for image in found) == 5


WRONG_ROWS = {
    "absent file": (
        "0.jpg,0\nnowhere.jpg,1\n",
        r"line 3 \('nowhere.jpg'\): there is no such image",
    ),
    "outside": ("../0.jpg,0\n", r"line 2 \('../0.jpg'\): there is no such image below"),
    "label 2": ("0.jpg,2\n", r"line 2 \('0.jpg'\) has label '2'; must be 0 or 1"),
    "label word": ("0.jpg,blur\n", "has label 'blur'; must be 0 or 1"),
    "no label": ("0.jpg\n", "has label ''; must be 0 or 1"),
    "duplicate name": ("0.jpg,0\n1.jpg,1\n./0.jpg,0\n", "line 4 .* listed twice, first on line 2"),
    "two classes": ("0.jpg,0\n0.jpg,1\n", "is 1 here and 0 on line 2; keep one"),
    "no rows": ("", "holds no rows below its header"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_wrong_rows_have_a_line_each(tmp_path: Path, case: str) -> None:
    rows, said = WRONG_ROWS[case]
    root = write_metadata(tmp_path / "set", f"filename,label\n{rows}", images=2)
    with pytest.raises(BlurError, match=said) as caught:
        read_layout(root, LABEL.layout, tiny_params())
    assert str(caught.value).startswith(str(root / "metadata.csv")) and "\n" not in str(
        caught.value
    )


def test_a_header_without_names_or_labels_is_named(tmp_path: Path) -> None:
    for rows, said in (
        ("0.jpg,0\n1.jpg,1\n", "which column holds the file names"),
        ("filename,sharpness\n0.jpg,0\n", "which column holds the labels"),
        ("filename,label,class\n0.jpg,0,0\n", "which column holds the labels"),
    ):
        root = write_metadata(tmp_path / "set", rows, images=2)
        with pytest.raises(BlurError, match=said):
            read_layout(root, LABEL.layout, tiny_params())


def test_one_class_only(tmp_path: Path) -> None:
    rows = "filename,label\n" + "".join(f"{k}.jpg,1\n" for k in range(12))
    root = write_metadata(tmp_path / "set", rows)
    with pytest.raises(BlurError, match="holds one class only: no blurred image"):
        open_source(root, LABEL.layout, tiny_params())
    for k in range(8):
        write_photo(tmp_path / "own" / "sharp" / f"{k}.jpg", seed=k)
    with pytest.raises(BlurError, match="holds one class only: no blurred image"):
        open_source(tmp_path / "own", TWO.layout, tiny_params())
    make_three_class(str(root), tmp_path / "three", images=4)
    shutil.rmtree(tmp_path / "three" / "original")
    with pytest.raises(BlurError, match="original: no such folder"):
        read_layout(tmp_path / "three", THREE.layout, tiny_params())
    (tmp_path / "three" / "original").mkdir()
    with pytest.raises(BlurError, match="original: holds no image; three classes are needed"):
        read_layout(tmp_path / "three", THREE.layout, tiny_params())


def test_an_image_in_two_classes(tmp_path: Path, folder_tree: Tree) -> None:
    root = folder_tree()
    shutil.copy(root / "sharp" / "a3.jpg", root / "blurred" / "copy.jpg")
    said = "'blurred/copy.jpg' and 'sharp/a3.jpg' are the same image in two classes; delete one"
    with pytest.raises(BlurError, match=said):
        open_source(root, TWO.layout, tiny_params())
    three = tmp_path / "three"
    make_three_class(str(root / "sharp"), three, images=4)  # sharp copies original: allowed
    shutil.copy(three / "original" / "00001.jpg", three / "blurry" / "00001.jpg")
    with pytest.raises(BlurError, match="the same image in two classes"):
        read_layout(three, THREE.layout, tiny_params())


def test_other_layouts_are_for_testing_only(tmp_path: Path, folder_tree: Tree) -> None:
    root = folder_tree()
    with pytest.raises(BlurError, match=r"metadata\.csv: no such file"):
        open_source(root, LABEL.layout, tiny_params())
    assert len(read_any(root, LABEL.layout, tiny_params())) == 20
    with pytest.raises(BlurError, match="no such folder"):
        open_source(tmp_path / "gone", TWO.layout, tiny_params())


def test_examples_of_pairs_and_classes(tmp_path: Path) -> None:
    rows = open_source(write_photos(tmp_path / "own", 12), TWO.layout, tiny_params()).rows
    lenet = load_preset("lenet", PRESETS)
    pairs = of_rows(rows, lenet, False, seed=1)
    assert len(pairs) == 24 and all("sharp" in str(pair.path) for pair in pairs)
    assert {pair.sigma > 0 for pair in pairs if pair.target == 1} == {True}
    assert {pair.sigma for pair in pairs if pair.target == 0} == {0.0}
    three = of_rows(rows, THREE, False, seed=1)
    assert [sum(one.target == k for one in three) for k in range(3)] == [12, 12, 12]
    plain = of_rows(rows, LABEL, False, seed=1)
    assert [("blurred" in str(one.path)) == (one.target == 0) for one in plain] == [True] * 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["preset", "resnet"], "preset 'resnet' is unknown; known: certh-hybrid"),
        (["preset", "two-conv", "--data", "gone"], "gone: no such folder"),
        (["preset", "two-conv", "--test", "gone", "--out", "none"], "train the preset first"),
    ],
)
def test_command_says_it_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "presets"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    ran = CliRunner().invoke(blur, arguments)
    assert ran.exit_code == 1 and said in ran.stderr
    assert ran.stderr.startswith("error: ") and ran.stderr.count("\n") == 1
