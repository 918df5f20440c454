"""What the stage load does: the split by scene, and working images in shards."""

import os
import pickle
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.errors import BlurError
from blur_fusion.images.photo import working_image
from blur_fusion.params import ImageParams, LoadParams, SplitParams
from trees import Tree, contents

SPLIT = SplitParams(validation_fraction=0.2, test_fraction=0.2, folds=3)


def make(scenes: list[list[int]], halves: bool = False, root: str = "made") -> DataSet:
    """A data set from the labels of each scene's images; every fourth scene is the test half."""
    images = []
    for number, labels in enumerate(scenes):
        half = ("test" if number % 4 == 0 else "train") if halves else ""
        for index, label in enumerate(labels):
            name = f"{number}/{index}.jpg"
            path = Path(root, name)
            images.append(LabelledImage(path, name, label, "", half, f"scene{number}", half))
    return DataSet(name=root, root=Path(root), images=tuple(images))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), max_size=40),
    st.booleans(),
    st.integers(0, 5),
)
def test_scenes_never_straddle(extra: list[list[int]], halves: bool, seed: int) -> None:
    scenes = [[0], [1], [0, 1], [0], [1]] * 6 + extra
    dataset = make(scenes, halves)
    rows = assign_splits(dataset, SPLIT, seed)
    assert [row.name for row in rows] == [image.name for image in dataset]
    places = defaultdict(set)
    for row in rows:
        places[row.key].add((row.split, row.fold))
    assert all(len(place) == 1 for place in places.values())
    assert {row.fold for row in rows if row.split == "train"} == {0, 1, 2}
    assert {row.fold for row in rows if row.split != "train"} == {-1}
    parts = [[row for row in rows if row.split == name] for name in ("train", "validation", "test")]
    parts += [[row for row in parts[0] if row.fold != fold] for fold in range(3)]
    assert all({row.label for row in part} == {0, 1} for part in parts)
    if halves:  # they are kept
        assert all((row.half == "test") == (row.split == "test") for row in rows)


def test_fractions_are_met_and_classes_spread() -> None:
    params = SplitParams(validation_fraction=0.25, test_fraction=0.15, folds=4)
    dataset = make([[0], [1], [1]] * 50)
    rows = assign_splits(dataset, params, seed=3)
    assert assign_splits(dataset, params, seed=3) == rows != assign_splits(dataset, params, seed=2)
    for split, share in (("test", 0.15), ("validation", 0.85 * 0.25)):
        labels = [row.label for row in rows if row.split == split]
        assert len(labels) == pytest.approx(share * 150, abs=2)
        assert sum(labels) / len(labels) == pytest.approx(2 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("dataset", "folds", "message"),
    [
        (make([[0]] * 30), 3, "one class only: no blurred image"),
        (make([[1]] * 30), 3, "one class only: no sharp image"),
        (make([[0], [1]] * 3), 3, "too few scenes, 3 with a sharp image; needs 5"),
        (make([[0, 1]]), 3, "too few scenes"),
        (make([[0], [1]] * 15), 20, r"folds: too few scenes, .* needs 20"),
        (make([[1], [0], [0], [0]] * 6, halves=True), 3, "training half .* no blurred image"),
    ],
)
def test_what_cannot_be_split_is_one_line(dataset: DataSet, folds: int, message: str) -> None:
    with pytest.raises(BlurError, match=message):
        assign_splits(dataset, replace(SPLIT, folds=folds), seed=1)


def write(root: Path, folder: Path, shard_images: int = 4, workers: int = 2) -> Store:
    dataset = open_dataset(root)
    rows = assign_splits(dataset, SPLIT, seed=1)
    write_store(dataset, rows, folder, ImageParams(64), LoadParams(shard_images), workers)
    store = Store.open(folder)
    assert store.rows == rows
    return store


def test_working_images_and_what_is_said_of_them(certh_tree: Tree, tmp_path: Path) -> None:
    root = certh_tree()
    (root / "EvaluationSet/NaturalBlurSet/Original_3.jpg").unlink()
    store = write(root, tmp_path / "load")
    assert len(store) == len(store.rows) == 50
    elsewhere = pickle.loads(pickle.dumps(store))
    columns = zip(store.labels, store.splits, store.folds, store.kinds, strict=True)
    for index, (row, told) in enumerate(zip(store.rows, columns, strict=True)):
        image = store.image(index)
        assert np.array_equal(elsewhere.image(index), image) and image.shape == (43, 64)
        assert np.array_equal(image, working_image(row.path, 64))
        assert told == (row.label, row.split, row.fold, row.kind)
    assert isinstance(image.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1
    summary = store.dataset
    assert (summary["name"], summary["digest"]) == ("certh", open_dataset(root).digest)
    assert summary["notes"] == ["NaturalBlurSet.xlsx: 1 rows have no image: left out"]
    assert summary["counts"]["test"] == {
        "digital": {"blurred": 6, "sharp": 3},
        "natural": {"blurred": 3, "sharp": 2},
    }


def test_workers_change_no_byte_and_old_shards_go(folder_tree: Tree, tmp_path: Path) -> None:
    root = folder_tree()
    (root / "sharp/a0.jpg").rename(root / "sharp" / os.fsdecode(b"\xff\xfe.jpg"))  # no UTF-8
    write(root, tmp_path / "one", shard_images=2, workers=1)
    store = write(root, tmp_path / "one", shard_images=8, workers=1)
    assert "sharp/\udcff\udcfe.jpg" in {row.name for row in store.rows}
    write(root, tmp_path / "two", shard_images=8, workers=2)
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    shards = [f"shards/0000{number}.pkl" for number in range(3)]
    assert sorted(first) == ["dataset.json", "images.csv", *shards]


def test_only_the_shards_used_last_stay_mapped(
    folder_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blur_fusion.data.store.OPEN_MAPS", 8)
    store = write(folder_tree(), tmp_path / "load")
    load = Mock(wraps=joblib.load)
    monkeypatch.setattr("blur_fusion.data.store.joblib.load", load)
    for index in (0, 1, 4, 2, 8, 3, 5):  # shards 0 0 1 0 2 0 1, two of which stay
        assert np.array_equal(store.image(index), working_image(store.rows[index].path, 64))
    loaded = [call.args[0].stem for call in load.call_args_list]
    assert loaded == ["00000", "00001", "00002", "00001"]


def test_what_is_missing_or_damaged_is_one_line(folder_tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="nowhere: no stored images"):
        Store.open(tmp_path / "nowhere")
    root = folder_tree()
    store = write(root, tmp_path / "load")
    (tmp_path / "load/shards/00001.pkl").write_bytes(b"cut off")
    with pytest.raises(BlurError, match=r"00001\.pkl: cannot be read"):
        store.image(4)
    (root / "sharp/a3.jpg").write_bytes(b"no image at all")
    with pytest.raises(BlurError, match=r"a3\.jpg: is not an image"):
        write(root, tmp_path / "load")
