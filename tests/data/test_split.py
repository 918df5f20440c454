"""The split: halves are kept, scenes stay together, and both classes are in every part."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.split import assign_splits
from blur_fusion.errors import BlurError
from blur_fusion.params import SplitParams

PARAMS = SplitParams(validation_fraction=0.2, test_fraction=0.2, folds=3)


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
    rows = assign_splits(dataset, PARAMS, seed)
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
        assign_splits(dataset, replace(PARAMS, folds=folds), seed=1)
