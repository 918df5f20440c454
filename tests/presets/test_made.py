"""`blur data make`: data sets in the layouts of presets."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError
from blur_fusion.presets.examples import make_label_csv, make_three_class, read_layout
from blur_fusion.presets.params import load_preset
from preset_project import PRESETS, tiny_params, write_photos
from trees import REPOSITORY, write_photo

PARAMS = ("--params", str(REPOSITORY / "params.yaml"))


def _run(*words: object) -> tuple[int, str]:
    ran = CliRunner().invoke(blur, ["data", "make", *map(str, words), *PARAMS])
    return ran.exit_code, ran.output


def test_three_folders_of_small_jpegs(tmp_path: Path) -> None:
    source = write_photos(tmp_path / "own", 10)
    code, said = _run("three-class", source / "sharp", tmp_path / "made", "--images", 7)
    assert code == 0 and "7 images in each of 3 folders; sharp is the same as original" in said
    names = [f"{k:05d}.jpg" for k in range(7)]
    for folder in ("blurry", "original", "sharp"):
        assert sorted(path.name for path in (tmp_path / "made" / folder).iterdir()) == names
    for name in names:
        small = {
            folder: cv2.imread(str(tmp_path / "made" / folder / name), cv2.IMREAD_GRAYSCALE)
            for folder in ("blurry", "original")
        }
        assert {image.shape for image in small.values()} == {(32, 32)}
        edges = {which: cv2.Laplacian(image, cv2.CV_64F).var() for which, image in small.items()}
        assert edges["blurry"] < 0.5 * edges["original"]
        paths = [tmp_path / "made" / folder / name for folder in ("original", "sharp")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_sharpened_is_a_class_of_its_own(tmp_path: Path) -> None:
    source = write_photos(tmp_path / "own", 3) / "sharp"
    assert make_three_class(str(source), tmp_path / "made", images=3, sharpen=True) == 3
    for name in ("00000.jpg", "00001.jpg", "00002.jpg"):
        images = [
            cv2.imread(str(tmp_path / "made" / folder / name), cv2.IMREAD_GRAYSCALE)
            for folder in ("original", "sharp")
        ]
        edges = [cv2.Laplacian(image, cv2.CV_64F).var() for image in images]
        assert edges[1] > 1.5 * edges[0]


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    source = str(write_photos(tmp_path / "own", 6))
    contents = []
    for target in ("a", "b"):
        make_three_class(source, tmp_path / target, images=4)
        files = sorted((tmp_path / target).rglob("*.jpg"))
        contents.append([path.read_bytes() for path in files])
    assert len(contents[0]) == 12 and contents[0] == contents[1]


def test_nothing_is_overwritten_or_left_half_done(tmp_path: Path) -> None:
    source = write_photos(tmp_path / "own", 2) / "sharp"
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine")
    code, said = _run("three-class", source, tmp_path / "made")
    assert code == 1 and said.startswith("error: ") and "is not empty; name a new folder" in said
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine.txt"]
    (source / "zz.jpg").write_bytes(b"no picture")
    with pytest.raises(BlurError, match="zz.jpg"):
        make_three_class(str(source), tmp_path / "new", images=99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "own"]


def test_sources_without_pictures_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    for source, said in (("empty", "holds no image"), ("gone", "no such folder")):
        code, text = _run("three-class", tmp_path / source, tmp_path / "made")
        assert code == 1 and said in text and text.count("\n") == 1
    keras = pytest.importorskip("keras")

    def refuse() -> None:
        raise OSError("URL fetch failure\non somewhere")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", refuse)
    code, text = _run("three-class", "cifar10", tmp_path / "made")
    assert code == 1 and text.count("\n") == 1
    assert "Keras cannot download it (URL fetch failure on somewhere)" in text


def test_label_csv_of_a_labelled_folder(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    rows = ["filename,label"]
    for k, label in enumerate(["sharp"] * 6 + ["blurred", "ambiguous"]):
        write_photo(root / f"p{k}.jpg", k, label == "blurred")
        rows.append(f"p{k}.jpg,{label}")
    (root / "labels.csv").write_text("\n".join(rows))
    code, said = _run("label-csv", root, tmp_path / "made")
    assert code == 0 and "7 images of blur (0), 6 in focus (1)" in said
    with (tmp_path / "made" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["label"] for row in table].count("0") == 7
    layout = load_preset("label-csv", PRESETS).layout
    found = read_layout(tmp_path / "made", layout, tiny_params())
    assert len(found) == 13 and len({image.key for image in found}) == 7
    with pytest.raises(BlurError, match="not empty"):
        make_label_csv(root, tmp_path / "made", tiny_params())
