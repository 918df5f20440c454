"""What a preset is trained and tested on: a data set in its layout, or what `load` stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.layouts import METADATA, open_dataset
from blur_fusion.data.split import Row, assign_splits
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require
from blur_fusion.params import Params
from blur_fusion.presets.params import LayoutParams


@dataclass(frozen=True)
class Source:
    """Labelled rows with their splits, and where they come from.

    Attributes
    ----------
    rows : tuple of Row
    about : dict
        `name` and `digest` of the data set, and its `notes`.
    three : bool
        Whether the first folder of a row's name is one of the three classes.
    """

    rows: tuple[Row, ...]
    about: dict[str, Any]
    three: bool = False


def check_classes_apart(dataset: DataSet) -> None:
    """Refuse an image, told by its bytes, that is blurred here and sharp there."""
    first: dict[str, LabelledImage] = {}
    for image, sha in zip(dataset.images, dataset.content, strict=True):
        other = first.setdefault(sha, image)
        require(
            other.label == image.label,
            f"{dataset.root}: '{other.name}' and '{image.name}' are the same image in two classes; "
            "delete one",
        )


def read_layout(root: Path, layout: LayoutParams, params: Params) -> DataSet:
    """The data set at `root`, in the layout that the preset is for.

    Raises
    ------
    BlurError
        The folder is missing or laid out otherwise; an image is in two classes.
    """
    require(root.is_dir(), f"{root}: no such folder")
    # Which of the numbers in a metadata.csv is blurred, the preset says.
    number = min(1, layout.classes.index(layout.blurred))
    dataset = open_dataset(root, layout.reader, replace(params.dataset, blurred_label=number))
    check_classes_apart(dataset)
    return dataset


def read_any(root: Path, layout: LayoutParams, params: Params) -> DataSet:
    """As :func:`read_layout`, but of any known layout, for pictures to test on."""
    own = {"metadata": (root / METADATA).is_file(), "three-class": (root / "original").is_dir()}
    if own.get(layout.reader, False):
        return read_layout(root, layout, params)
    return open_dataset(root, "auto", params.dataset)


def open_source(data: Path | None, layout: LayoutParams, params: Params) -> Source:
    """Rows to train and test on: those of `data`, or those that the stage `load` stored.

    The split is that of our own stages either way: by scene, or the layout's own test half.

    Raises
    ------
    BlurError
        There is no data set, it is at fault, or it is too small to be split.
    """
    if data is None:
        store = Store.open()
        return Source(tuple(store.rows), store.dataset)
    dataset = read_layout(data, layout, params)
    try:
        rows = assign_splits(dataset, params.split, params.seed)
    except BlurError as error:
        line = str(error)
        raise BlurError(line if str(data) in line else f"{data}: {line}") from None
    about = {"name": dataset.name, "digest": dataset.digest, "notes": list(dataset.notes)}
    return Source(tuple(rows), about, layout.reader == "three-class")
