"""The stand-in of CERTH: official names and counts, read back by the reader itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.certh_stand_in import plan_tree, stand_in_command, write_stand_in
from benchmarks.load_rate import as_text, measure_load, peak_memory
from blur_fusion.data.certh import read_sheet
from blur_fusion.data.layouts import open_dataset
from blur_fusion.errors import BlurError, run
from blur_fusion.images.working import working_image
from blur_fusion.params import load_params
from trees import REPOSITORY

PARAMS = REPOSITORY / "params.yaml"
SIDE, SHARE = 256, 0.02


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark") / "certh"
    write_stand_in(root, SIDE, SHARE, seed=3, workers=1)
    return root


def test_full_plan_has_the_official_counts() -> None:
    planned = plan_tree()
    counts = Counter((str(Path(file.path).parent), file.label) for file in planned)
    assert counts == {
        ("TrainingSet/Undistorted", 0): 630,
        ("TrainingSet/Artificially-Blurred", 1): 150,
        ("TrainingSet/Naturally-Blurred", 1): 220,
        ("EvaluationSet/DigitalBlurSet", 0): 30,
        ("EvaluationSet/DigitalBlurSet", 1): 450,
        ("EvaluationSet/NaturalBlurSet", 0): 589,
        ("EvaluationSet/NaturalBlurSet", 1): 411,
    }
    assert len({file.path for file in planned}) == 2480
    assert {Path(file.path).suffix for file in planned} == {".jpg", ".JPG"}


def test_plan_has_the_names_of_the_official_sheets(shared_data: Path) -> None:
    known = shared_data / "certh/CERTH_ImageBlurDataset/EvaluationSet"
    for folder in ("DigitalBlurSet", "NaturalBlurSet"):
        planned = {
            Path(file.path).stem.casefold(): file.label
            for file in plan_tree()
            if Path(file.path).parent.name == folder
        }
        official = read_sheet(known / f"{folder}.xlsx")
        assert planned.keys() == official.keys()
        if folder == "DigitalBlurSet":
            assert planned == official


def test_reader_finds_all_of_it(tree: Path) -> None:
    dataset = open_dataset(tree)
    counts = Counter((image.subset, image.half, image.label) for image in dataset)
    assert counts == {
        ("training", "train", 0): 13,
        ("training", "train", 1): 15 + 4,
        ("digital", "test", 0): 1,
        ("digital", "test", 1): 15,
        ("natural", "test", 0): 12,
        ("natural", "test", 1): 8,
    }
    assert dataset.notes == ()
    assert {image.scene for image in dataset if image.subset == "digital"} == {"Original_1"}
    assert len(set(dataset.content)) == len(dataset)


def test_sheets_are_as_odd_as_the_official_ones(tree: Path) -> None:
    import openpyxl

    sheets = [
        list(openpyxl.load_workbook(tree / f"EvaluationSet/{name}.xlsx").active.values)
        for name in ("DigitalBlurSet", "NaturalBlurSet")
    ]
    assert sheets[0][:2] == [("MyDigital Blur", None), ("DiskR10_1.jpg ", 1)]
    assert sheets[1][:2] == [("Image Name", "Blur Label"), ("Original_1", -1)]
    assert sheets[0].count((None, None)) == 1
    assert list(tree.glob("*/*/.DS_Store"))


def test_pictures_are_photos_of_the_stated_size_and_blurred_as_labelled(tree: Path) -> None:
    sizes = Counter(working_image(image.path, SIDE).shape for image in open_dataset(tree))
    assert set(sizes) == {(192, 256), (256, 192)}
    assert sizes[192, 256] > sizes[256, 192] > 0

    def detail(name: str) -> float:
        path = tree / "EvaluationSet/DigitalBlurSet" / name
        return float(working_image(path, SIDE // 4).astype(float).var())

    assert detail("Original_1.jpg") > detail("DiskR20_1.jpg") > detail("DiskR50_1.jpg")


def test_bytes_do_not_depend_on_workers(tree: Path, tmp_path: Path) -> None:
    write_stand_in(tmp_path, SIDE, SHARE, seed=3, workers=2)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tree, tmp_path)
    )
    assert first == second


def test_a_used_folder_is_refused_in_one_line(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(lambda: stand_in_command([str(tree)]))
    assert (
        capsys.readouterr().err == f"error: {tree}: exists and is no empty folder; name a new one\n"
    )
    with pytest.raises(BlurError, match="no empty folder"):
        write_stand_in(tree / "EvaluationSet/DigitalBlurSet.xlsx", SIDE, SHARE)


def test_load_rate_times_storing_and_decoding(tree: Path) -> None:
    found = measure_load(tree, "auto", load_params(PARAMS), workers=2)
    assert (found.images, found.threads) == (68, 2)
    assert min(found.opened, found.stored, *found.decoded) > 0
    assert found.ratio == pytest.approx(sum(found.decoded) / 2 / found.stored)
    assert found.whole_ratio < found.ratio
    assert 10e6 < found.memory_before <= found.memory_peak <= peak_memory()
    assert f"ratio            {found.ratio:8.3f}" in as_text(found).splitlines()
