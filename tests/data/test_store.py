"""The stored working images: shards, table, summary."""

import os
import pickle
from pathlib import Path
from unittest.mock import Mock

import joblib
import numpy as np
import pytest

from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.errors import BlurError
from blur_fusion.images.photo import working_image
from blur_fusion.params import ImageParams, LoadParams, SplitParams
from trees import Tree, contents

SPLIT = SplitParams(validation_fraction=0.2, test_fraction=0.2, folds=3)


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
