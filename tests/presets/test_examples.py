"""What presets are trained on, the layouts that `blur data make` writes, and wrong input."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from blur_fusion.data.dataset import DataSet
from blur_fusion.errors import BlurError
from blur_fusion.presets import examples
from blur_fusion.presets.examples import make_three_class, of_rows, open_source, read_layout
from blur_fusion.presets.params import LayoutParams, load_preset
from evaluation_fakes import tiny_params
from preset_project import PRESETS
from scan_command import invoked
from trees import REPOSITORY, Tree, contents, write_photo, write_photos

LABEL, TWO, THREE, LENET = (
    load_preset(name, PRESETS) for name in ("label-csv", "two-conv", "three-class", "lenet")
)
PARAMS = tiny_params()
HEADER = "filename,label\n"
Read = Callable[..., DataSet]


@pytest.fixture
def labelled(tmp_path: Path) -> Read:
    """Reads 12 photos, every second one blurred, beside a metadata.csv of some text."""
    for k in range(12):
        write_photo(tmp_path / "set" / f"{k}.jpg", seed=k, blurred=k % 2 == 0)

    def read(text: str, layout: LayoutParams = LABEL.layout) -> DataSet:
        (tmp_path / "set" / "metadata.csv").write_text(text, encoding="utf-8")
        return read_layout(tmp_path / "set", layout, PARAMS)

    return read


def test_header_names_are_tolerated_and_the_label_order_is_the_preset_s(labelled: Read) -> None:
    rows = "".join(f"{k}.jpg,{k % 2}\n" for k in range(12))  # 0 = blur, 1 = focus
    turned = replace(LABEL.layout, classes=("focus", "blur"))
    for header in (" File Name ,LABEL", "image_path,blur", "Image,Class", "img,is_blur"):
        found = labelled(f"{header}\n{rows}")
        assert all(image.label == 1 - int(Path(image.name).stem) % 2 for image in found), header
    other = labelled(f"{HEADER}{rows}", turned)
    assert [image.label for image in found] == [1 - image.label for image in other]


def test_scenes_of_a_column_and_of_names(labelled: Read, tmp_path: Path) -> None:
    rows = "".join(f"{k}.jpg,{k % 2},s{k // 2}\n" for k in range(12))
    found = labelled(f"name,label,scene\n{rows}")
    assert len({image.key for image in found}) == 6
    make_three_class(str(tmp_path / "set"), tmp_path / "three", images=5)
    found = read_layout(tmp_path / "three", THREE.layout, PARAMS)
    assert len(found) == 15 and len({image.key for image in found}) == 5
    assert sum(image.label for image in found) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADER}0.jpg,0\nnowhere.jpg,1", r"line 3 \('nowhere.jpg'\): there is no such image"),
        (f"{HEADER}../0.jpg,0", r"line 2 \('../0.jpg'\): there is no such image below"),
        (f"{HEADER}0.jpg,2", r"line 2 \('0.jpg'\) has label '2'; must be 0 or 1"),
        (f"{HEADER}0.jpg,blur", "has label 'blur'; must be 0 or 1"),
        (f"{HEADER}0.jpg", "has label ''; must be 0 or 1"),
        (f"{HEADER}0.jpg,0\n1.jpg,1\n./0.jpg,0", "line 4 .* listed twice, first on line 2"),
        (f"{HEADER}0.jpg,0\n0.jpg,1", "is 1 here and 0 on line 2; keep one"),
        (HEADER, "holds no rows below its header"),
        ("0.jpg,0\n0.jpg,0,0", "which column holds the file names"),
        ("filename,sharpness\n0.jpg,0,0", "which column holds the labels"),
        ("filename,label,class\n0.jpg,0,0", "which column holds the labels"),
    ],
)
def test_what_is_wrong_is_one_line(labelled: Read, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=said) as caught:
        labelled(f"{text}\n")
    line = str(caught.value)
    assert line.startswith(str(tmp_path / "set" / "metadata.csv")) and "\n" not in line


def test_missing_classes(labelled: Read, tmp_path: Path) -> None:
    labelled("filename,label\n" + "".join(f"{k}.jpg,1\n" for k in range(12)))
    shutil.copytree(tmp_path / "set", tmp_path / "own" / "sharp")
    for name, preset in (("set", LABEL), ("own", TWO)):
        with pytest.raises(BlurError, match="holds one class only: no blurred image"):
            open_source(tmp_path / name, preset.layout, PARAMS)
    make_three_class(str(tmp_path / "set"), tmp_path / "three", images=4)
    shutil.rmtree(tmp_path / "three" / "original")
    with pytest.raises(BlurError, match="original: no such folder"):
        read_layout(tmp_path / "three", THREE.layout, PARAMS)
    (tmp_path / "three" / "original").mkdir()
    with pytest.raises(BlurError, match="original: holds no image; three classes are needed"):
        read_layout(tmp_path / "three", THREE.layout, PARAMS)


def test_an_image_in_two_classes(tmp_path: Path, folder_tree: Tree) -> None:
    root, three = folder_tree(), tmp_path / "three"
    shutil.copy(root / "sharp" / "a3.jpg", root / "blurred" / "copy.jpg")
    said = "'blurred/copy.jpg' and 'sharp/a3.jpg' are the same image in two classes; delete one"
    with pytest.raises(BlurError, match=said):
        open_source(root, TWO.layout, PARAMS)
    make_three_class(str(root / "sharp"), three, images=4)  # sharp copies original: allowed
    shutil.copy(three / "original" / "00001.jpg", three / "blurry" / "00001.jpg")
    with pytest.raises(BlurError, match="the same image in two classes"):
        read_layout(three, THREE.layout, PARAMS)


def test_examples_of_pairs_and_classes(tmp_path: Path) -> None:
    rows = open_source(write_photos(tmp_path / "own", 12), TWO.layout, PARAMS).rows
    pairs = of_rows(rows, LENET, False, seed=1)
    assert len(pairs) == 24 and all("sharp" in str(pair.path) for pair in pairs)
    assert all((pair.sigma > 0) == (pair.target == 1) for pair in pairs)
    three = of_rows(rows, THREE, False, seed=1)
    assert [sum(one.target == k for one in three) for k in range(3)] == [12, 12, 12]
    plain = of_rows(rows, LABEL, False, seed=1)
    assert [("blurred" in str(one.path)) == (one.target == 0) for one in plain] == [True] * 24


def test_pictures_are_made_small_and_blurred_where_the_preset_says(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg", 0)
    for preset, shape in ((LENET, (128, 128)), (THREE, (32, 32, 3))):
        sharp, soft = (
            examples.read_example(examples.Example(path, 0, s), preset) for s in (0.0, 4.0)
        )
        assert sharp.shape == soft.shape == shape and sharp.dtype == np.uint8
        details = [np.abs(np.diff(one.astype(int), axis=1)).mean() for one in (soft, sharp)]
        assert details[0] < 0.6 * details[1]


def test_blurred_background_leaves_the_subject() -> None:
    picture = np.random.default_rng(1).integers(100, 140, (200, 300), dtype=np.uint8)
    picture[80:120, 130:170] = np.random.default_rng(2).integers(0, 256, (40, 40), dtype=np.uint8)
    found = examples.blurred_background(picture)
    assert found.shape == picture.shape
    np.testing.assert_array_equal(found[85:115, 135:165], picture[85:115, 135:165])
    assert found[:30].std() < 0.5 * picture[:30].std()
    assert examples.blurred_background(np.stack([picture] * 3, axis=-1)).shape == (200, 300, 3)


def _make(*words: object) -> tuple[int, str]:
    ran = invoked("data", "make", *words, "--params", REPOSITORY / "params.yaml")
    return ran.exit_code, ran.output


@pytest.mark.parametrize("sharpen", [False, True])
def test_three_folders_of_small_jpegs(tmp_path: Path, sharpen: bool) -> None:
    source, made = write_photos(tmp_path / "own", 10) / "sharp", tmp_path / "made"
    code, said = _make("three-class", source, made, "--images", 7, *["--sharpen"] * sharpen)
    third = "sharpened" if sharpen else "the same as original"
    assert code == 0 and f"7 images in each of 3 folders; sharp is {third}" in said
    classes = THREE.layout.classes
    assert {*contents(made)} == {f"{name}/{k:05d}.jpg" for name in classes for k in range(7)}
    for k in range(7):
        paths = [made / name / f"{k:05d}.jpg" for name in ("blurry", "original", "sharp")]
        images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
        blurry, original, sharp = (cv2.Laplacian(image, cv2.CV_64F).var() for image in images)
        assert images[0].shape == (32, 32) and blurry < 0.5 * original
        if sharpen:
            assert sharp > 1.5 * original
        else:
            assert paths[1].read_bytes() == paths[2].read_bytes()
    make_three_class(str(source), tmp_path / "again", images=7, sharpen=sharpen, seed=11)
    assert contents(tmp_path / "again") == contents(made)  # the same seed makes the same bytes


def test_nothing_is_overwritten_or_left_half_done(tmp_path: Path) -> None:
    source = write_photos(tmp_path / "own", 2) / "sharp"
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine")
    code, said = _make("three-class", source, tmp_path / "made")
    assert code == 1 and said.startswith("error: ") and "is not empty; name a new folder" in said
    assert contents(tmp_path / "made") == {"mine.txt": b"mine"}
    (source / "zz.jpg").write_bytes(b"no picture")
    with pytest.raises(BlurError, match="zz.jpg"):
        make_three_class(str(source), tmp_path / "new", images=99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "own"]


def test_sources_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("URL fetch failure\non somewhere")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", refuse)
    (tmp_path / "empty").mkdir()
    for source, said in (
        (tmp_path / "empty", "holds no image"),
        (tmp_path / "gone", "no such folder"),
        ("cifar10", "Keras cannot download it (URL fetch failure on somewhere)"),
    ):
        code, text = _make("three-class", source, tmp_path / "made")
        assert code == 1 and said in text and text.count("\n") == 1


def test_label_csv_of_a_labelled_folder(tmp_path: Path) -> None:
    root, made, rows = tmp_path / "photos", tmp_path / "made", ["filename,label"]
    for k, label in enumerate(["sharp"] * 6 + ["blurred", "ambiguous"]):
        write_photo(root / f"p{k}.jpg", k, label == "blurred")
        rows.append(f"p{k}.jpg,{label}")
    (root / "labels.csv").write_text("\n".join(rows))
    code, said = _make("label-csv", root, made)
    assert code == 0 and "7 images of blur (0), 6 in focus (1)" in said
    found = read_layout(made, LABEL.layout, PARAMS)
    assert len(found) == 13 and len({image.key for image in found}) == 7
    assert sum(image.label for image in found) == 7
    with pytest.raises(BlurError, match="not empty"):
        examples.make_label_csv(root, made, PARAMS)
