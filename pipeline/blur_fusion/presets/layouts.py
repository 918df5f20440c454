"""Readers of the layouts that presets know beside ours: a metadata.csv, and three class folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from blur_fusion.data.dataset import DataSet, LabelledImage, finish, image_files, read_table
from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import Row, assign_splits
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require
from blur_fusion.params import Params
from blur_fusion.presets.params import THREE, LayoutParams

METADATA = "metadata.csv"
# Headers that people give the two columns; compared without case, blanks, "_" and "-".
NAMES = ("filename", "file", "image", "imagename", "name", "path", "filepath", "imagepath", "img")
LABELS = (
    "label",
    "labels",
    "class",
    "target",
    "y",
    "blur",
    "isblur",
    "blurred",
    "focus",
    "quality",
)


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


def _column(header: list[str], known: tuple[str, ...], what: str, table: Path) -> str:
    """The one column of `header` that holds `what`."""
    plain = {name: "".join(c for c in name if c not in " _-") for name in header}
    found = [name for name in header if plain[name] in known]
    line = f"{table}: which column holds the {what}? found: {', '.join(header)}"
    require(len(found) == 1, f"{line}; call one '{known[0]}', and no other {known[:4]}")
    return found[0]


def _label(word: str, where: str) -> int:
    """0 or 1, also as pandas writes them (1.0)."""
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    require(value in (0, 1), f"{where} has label '{word}'; must be 0 or 1")
    return int(value)


def read_metadata(root: Path, layout: LayoutParams) -> list[LabelledImage]:
    """Images beside a metadata.csv: a column of file names, one of 0 and 1, perhaps one `scene`.

    What 0 and 1 mean, `layout.classes` says. Without the column each image is its own scene.

    Raises
    ------
    BlurError
        The table is missing or lacks a column; names an absent file, or a file twice; a label is
        neither 0 nor 1.
    """
    table = root / METADATA
    require(table.is_file(), f"{table}: no such file; it names each image, and says 0 or 1 of it")
    rows = read_table(table, ())
    require(bool(rows), f"{table}: holds no rows below its header")
    header = list(rows[0][1])
    name_column = _column(header, NAMES, "file names", table)
    label_column = _column(header, LABELS, "labels", table)
    files = {path.relative_to(root).as_posix(): path for path in image_files(root, deep=True)}
    seen: dict[str, tuple[int, int]] = {}
    images = []
    for line, row in rows:
        name = PurePosixPath(row[name_column]).as_posix()
        where = f"{table}: line {line} ('{name}')"
        number = _label(row[label_column], where)
        before = seen.setdefault(name, (line, number))
        both = f"is {layout.classes[before[1]]} on line {before[0]}; keep one"
        require(before[1] == number, f"{where} is {layout.classes[number]} here and {both}")
        require(before[0] == line, f"{where} is listed twice, first on line {before[0]}; keep one")
        require(name in files, f"{where}: there is no such image below {root}")
        blurred = int(layout.classes[number] == layout.blurred)
        scene, kind = row.get("scene") or name, "" if blurred else "sharp"
        images.append(LabelledImage(files[name], name, blurred, kind, root.name, scene, ""))
    return images


def read_three(root: Path) -> list[LabelledImage]:
    """Images of the folders blurry, original and sharp; files of one name are one scene.

    Raises
    ------
    BlurError
        One of the folders is missing or holds no image.
    """
    images = []
    for folder in THREE:
        paths = image_files(root / folder)
        require(bool(paths), f"{root / folder}: holds no image; three classes are needed")
        label, kind = (1, "") if folder == "blurry" else (0, "sharp")
        images += [
            LabelledImage(path, f"{folder}/{path.name}", label, kind, root.name, path.stem, "")
            for path in paths
        ]
    return images


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
    if layout.reader == "auto":
        names = params.dataset.sharp_folder, params.dataset.blurred_folder
        dataset = open_dataset(root, "auto", *names)
    else:
        metadata = layout.reader == "metadata"
        images = read_metadata(root, layout) if metadata else read_three(root)
        dataset = finish(root.resolve().name, root, images, [])
    check_classes_apart(dataset)
    return dataset


def read_any(root: Path, layout: LayoutParams, params: Params) -> DataSet:
    """As :func:`read_layout`, but of any known layout, for pictures to test on."""
    own = {"metadata": (root / METADATA).is_file(), "three-class": (root / "original").is_dir()}
    if own.get(layout.reader, False):
        return read_layout(root, layout, params)
    return open_dataset(root, "auto", params.dataset.sharp_folder, params.dataset.blurred_folder)


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
