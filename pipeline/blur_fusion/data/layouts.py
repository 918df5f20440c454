"""Layouts of data sets, a reader for each; opening and describing a data set.

A new layout is one function decorated with :func:`layout`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from blur_fusion.data.certh import is_certh, read_certh
from blur_fusion.data.dataset import Contents, DataSet, finish, read_table
from blur_fusion.errors import BlurError, require
from blur_fusion.params import DatasetParams

INNER = "CERTH_ImageBlurDataset"  # the folder inside the official zip
TRIPLET = {"sharp": "sharp", "defocused_blurred": "defocus", "motion_blurred": "motion"}
TRIPLET_NAME = re.compile(r"(.+)_[SFM]", re.IGNORECASE)
THREE = ("blurry", "original", "sharp")
TABLE, METADATA = "labels.csv", "metadata.csv"
LABELS = {"sharp": 0, "0": 0, "blurred": 1, "1": 1, "ambiguous": None}
# Column headers in use, compared without case, blanks, "_" and "-".
NAMES = ("filename", "file", "image", "imagename", "name", "path", "filepath", "imagepath", "img")
CLASSES = ("label", "labels", "class", "target", "y")
MEANINGS = ("blur", "isblur", "blurred", "focus", "quality")
HEADERS = {"file names": NAMES, "labels": CLASSES + MEANINGS}
Reader = Callable[[Path, DatasetParams], Contents]


@dataclass(frozen=True)
class Layout:
    """How a data set is laid out on disk.

    Attributes
    ----------
    about : str
        A short description.
    recognises : callable
        Whether a folder has this layout, from it and the :class:`DatasetParams`.
    read : callable
        Reads the labelled images below a folder, from the same; raises :class:`BlurError` if the
        layout differs or a label is wrong.
    """

    about: str
    recognises: Callable[[Path, DatasetParams], bool]
    read: Reader


LAYOUTS: dict[str, Layout] = {}  # tried in this order if none is named


def layout(
    name: str, about: str, recognises: Callable[[Path, DatasetParams], bool]
) -> Callable[[Reader], Reader]:
    """Register a reader under `name`, as in `dataset.layout` and `--layout`."""

    def register(read: Reader) -> Reader:
        LAYOUTS[name] = Layout(about, recognises, read)
        return read

    return register


def layout_names() -> list[str]:
    """Names of all layouts; "auto" is the first that recognises the folder."""
    return ["auto", *LAYOUTS]


@layout("certh", "the CERTH tree", lambda root, _: is_certh(root))
def read_tree(root: Path, params: DatasetParams) -> Contents:
    """See `blur_fusion.data.certh`; recognised by either of its halves.

    >>> Path("certh/TrainingSet").mkdir(parents=True)
    >>> LAYOUTS["certh"].recognises(Path("certh"), DatasetParams())
    True
    """
    return read_certh(root)


def _labels(table: Path) -> dict[str, int | None]:
    """Label by file name; None if ambiguous."""
    labels: dict[str, int | None] = {}
    for line, row in read_table(table, ("filename", "label")):
        name, word, where = row["filename"], row["label"].lower(), f"{table}: line {line}"
        require(bool(name), f"{where} has no filename")
        said = f"{where} ('{name}') has label '{row['label']}'"
        require(word in LABELS, f"{said}; must be sharp, blurred or ambiguous")
        same = labels.setdefault(name, LABELS[word]) == LABELS[word]
        require(same, f"{where}: '{name}' has a different label further up; keep one")
    return labels


@layout("labels", f"images beside a {TABLE}", lambda root, _: (root / TABLE).is_file())
def read_labels(root: Path, params: DatasetParams) -> Contents:
    r"""Images beside a `labels.csv` with the columns `filename` and `label`.

    Labels are sharp or 0, blurred or 1; ambiguous rows are left out. Each image is its own scene.

    >>> Path("a.jpg").touch()
    >>> _ = Path("labels.csv").write_text("filename,label\na.jpg,blurred")
    >>> [(image.name, image.label) for image in read_labels(Path(), DatasetParams()).images]
    [('a.jpg', 1)]
    """
    require((root / TABLE).is_file(), f"{root / TABLE}: no such file")
    labels, found = _labels(root / TABLE), Contents(root)
    files = found.files_by_name(TABLE)
    counts = {
        "rows are ambiguous": sum(label is None for label in labels.values()),
        "rows have no image": len(labels.keys() - files.keys()),
        "images have no row": len(files.keys() - labels.keys()),
    }
    found.notes += [f"{TABLE}: {n} {what}: left out" for what, n in counts.items() if n]
    for name, path in files.items():
        if (label := labels.get(name)) is not None:
            found.add(path, label, params.name)
    return found


@layout(
    "three-class",
    f"folders {', '.join(THREE)}",
    lambda root, _: all((root / folder).is_dir() for folder in THREE),
)
def read_three_classes(root: Path, params: DatasetParams) -> Contents:
    """Folders blurry, original and sharp; files of one name are one scene.

    >>> for name in ("blurry", "original", "sharp"):
    ...     Path("three", name).mkdir(parents=True)
    >>> LAYOUTS["three-class"].recognises(Path("three"), DatasetParams())
    True
    """
    found = Contents(root)
    for folder in THREE:
        paths = found.files(root / folder)
        require(bool(paths), f"{root / folder}: holds no image; three classes are needed")
        for path in paths:
            found.add(path, int(folder == THREE[0]), params.name, path.stem)
    return found


def _class_folders(root: Path, params: DatasetParams) -> dict[str, str]:
    """The class folders in `root`, each with its kind ("" for any blur)."""
    folders = {params.blurred_folder: "", **TRIPLET, params.sharp_folder: "sharp"}
    if "sharp" not in (params.sharp_folder, params.blurred_folder):
        del folders["sharp"]  # the user has named another one
    return {name: kind for name, kind in folders.items() if (root / name).is_dir()}


def _scene(inside: Path) -> str:
    """Path in the class folder without suffix and kwentar's `_S`, `_F` or `_M`.

    Photos of one name in two class folders (GoPro and the like) are one scene; if two merely share
    a name, that does no harm.
    """
    match = TRIPLET_NAME.fullmatch(inside.stem)
    return inside.with_name(match[1] if match else inside.stem).as_posix()


@layout("folders", "class folders", lambda root, params: bool(_class_folders(root, params)))
def read_class_folders(root: Path, params: DatasetParams) -> Contents:
    """Folders of sharp and of blurred images, with their subfolders.

    These are `sharp_folder`, `blurred_folder`, and kwentar's `defocused_blurred` and
    `motion_blurred`, those that exist; one class is enough for evaluation.

    >>> Path("own/motion_blurred").mkdir(parents=True)
    >>> Path("own/motion_blurred/7_M.jpg").touch()
    >>> [(i.scene, i.kind) for i in read_class_folders(Path("own"), DatasetParams()).images]
    [('7', 'motion')]
    """
    folders, found = _class_folders(root, params), Contents(root)
    names = f"'{params.sharp_folder}' or '{params.blurred_folder}'"
    require(bool(folders), f"{root}: has no folder {names}")
    for folder, kind in folders.items():
        for path in found.files(root / folder, deep=True):
            scene = _scene(path.relative_to(root / folder))
            found.add(path, int(kind != "sharp"), params.name, scene, kind)
    return found


def _column(header: list[str], what: str, table: Path) -> str:
    """Find the one column of `header` for `what`."""
    known = HEADERS[what]
    found = [name for name in header if re.sub("[ _-]", "", name) in known]
    line = f"{table}: which column holds the {what}? found: {', '.join(header)}"
    require(len(found) == 1, f"{line}; call one '{known[0]}', and no other of {known[:4]}")
    return found[0]


# Never recognised: `DatasetParams.blurred_label` must say which number means blurred.
@layout("metadata", f"images beside a {METADATA}", lambda root, params: False)
def read_metadata(root: Path, params: DatasetParams) -> Contents:
    r"""Images beside a metadata.csv: a column of file names, one of 0 and 1, optionally `scene`.

    All listed images must exist. Without a scene each image is its own.

    >>> Path("b.jpg").touch()
    >>> _ = Path("metadata.csv").write_text("image,is_blur\nb.jpg,1")
    >>> [image.label for image in read_metadata(Path(), DatasetParams()).images]
    [1]
    """
    table, found = root / METADATA, Contents(root)
    require(table.is_file(), f"{table}: no such file; it must list each image with 0 or 1")
    rows = read_table(table, ())
    require(bool(rows), f"{table}: holds no rows below its header")
    columns = [_column(list(rows[0][1]), what, table) for what in HEADERS]
    files, seen = found.files_by_name(METADATA), dict[str, tuple[int, str]]()
    for line, row in rows:
        name, word = PurePosixPath(row[columns[0]]).as_posix(), row[columns[1]]
        where = f"{table}: line {line} ('{name}')"
        word = word.removesuffix(".0")  # from pandas
        require(word in ("0", "1"), f"{where} has label '{word}'; must be 0 or 1")
        first, before = seen.setdefault(name, (line, word))
        other = f"{where} is {word} here and {before} on line {first}; keep one"
        require(before == word, other)
        require(first == line, f"{where} is listed twice, first on line {first}; keep one")
        require(name in files, f"{where}: there is no such image below {root}")
        blurred = int(word == str(params.blurred_label))
        found.add(files[name], blurred, params.name, row.get("scene", ""))
    return found


def _recognised(root: Path, params: DatasetParams) -> str:
    for name, known in LAYOUTS.items():
        if known.recognises(root, params):
            return name
    raise BlurError(
        f"{root}: unknown layout; known layouts: the CERTH tree (TrainingSet, EvaluationSet); "
        f"class folders '{params.sharp_folder}' and '{params.blurred_folder}', or 'sharp', "
        f"'defocused_blurred', 'motion_blurred'; images beside a {TABLE} (filename,label)"
    )


def open_dataset(
    root: Path | str, layout: str = "auto", params: DatasetParams | None = None
) -> DataSet:
    """Read the labelled images under `root`, sorted by name.

    Every file is hashed: identical images share a scene within a subset, and no training image is
    in the test half.

    Parameters
    ----------
    root : Path or str
        The data set's folder, which gives it its name.
    layout : str
        One of :func:`layout_names`.
    params : DatasetParams, optional
        Names of the class folders, and which label means blurred.

    Raises
    ------
    BlurError
        The folder is missing, has no known layout, or its labels are wrong.
    """
    root, names = Path(root), layout_names()
    require(layout in names, f"layout '{layout}' must be one of {', '.join(names)}")
    require(root.is_dir(), f"{root}: no such folder; put the data set there or change dataset.name")
    name = root.name if root.name.strip(".") else root.resolve().name
    params = replace(params or DatasetParams(), name=name)
    if is_certh(root / INNER) and not is_certh(root):
        root = root / INNER
    if layout == "auto":
        layout = _recognised(root, params)
    return finish(name, layout, LAYOUTS[layout].read(root, params))


def describe(dataset: DataSet) -> dict[str, Any]:
    """Count the images and scenes of a data set, overall and by subset, for `blur data check`."""
    subsets: dict[str, Any] = {}
    for name in sorted({image.subset for image in dataset}):
        images = [image for image in dataset if image.subset == name]
        kinds = [image.kind or "unknown" for image in images if image.label]
        halves = [image.half or "none" for image in images]
        subsets[name] = {
            "images": len(images),
            "blurred": sum(image.label for image in images),
            "sharp": sum(not image.label for image in images),
            "scenes": len({image.key for image in images}),
            "kinds_of_blur": dict(sorted(Counter(kinds).items())),
            "halves": dict(sorted(Counter(halves).items())),
        }
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "digest": dataset.digest,
        "images": len(dataset),
        "scenes": len({image.key for image in dataset}),
        "subsets": subsets,
        "notes": list(dataset.notes),
    }


def as_text(found: dict[str, Any]) -> str:
    """Format the counts of :func:`describe`."""
    lines = [
        f"data set {found['name']} {found['digest'][:12]}: {found['images']} images of "
        f"{found['scenes']} scenes",
        f"layout: {found['layout']} ({LAYOUTS[found['layout']].about}) at {found['root']}",
        "",
        f"{'subset':<20}{'images':>8}{'blurred':>9}{'sharp':>7}{'scenes':>8}  half, kinds of blur",
    ]
    for name, counts in found["subsets"].items():
        details = [f"{half} half" for half in counts["halves"] if half != "none"]
        details += [f"{kind} {count}" for kind, count in counts["kinds_of_blur"].items()]
        lines.append(
            f"{name:<20}{counts['images']:>8}{counts['blurred']:>9}{counts['sharp']:>7}"
            f"{counts['scenes']:>8}  {', '.join(details)}".rstrip()
        )
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])
