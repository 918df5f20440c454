"""Open a folder as a data set, whichever known layout it has."""

from __future__ import annotations

import re
from pathlib import Path

from blur_fusion.data.certh import is_certh, read_certh
from blur_fusion.data.dataset import DataSet, LabelledImage, finish, image_files, read_table
from blur_fusion.errors import BlurError, require

TRIPLET = {"sharp": "sharp", "defocused_blurred": "defocus", "motion_blurred": "motion"}
TRIPLET_NAME = re.compile(r"(.+)_[SFM]", re.IGNORECASE)
LABELS = {"sharp": 0, "0": 0, "blurred": 1, "1": 1}
AMBIGUOUS = "ambiguous"
TABLE = "labels.csv"


def class_folders(root: Path, sharp_folder: str, blurred_folder: str) -> dict[str, str]:
    """The class folders that `root` holds, each with its kind ("" for blur of any kind)."""
    folders = {blurred_folder: "", **TRIPLET, sharp_folder: "sharp"}
    if sharp_folder != "sharp" and blurred_folder != "sharp":
        del folders["sharp"]  # the user named another one
    return {name: kind for name, kind in folders.items() if (root / name).is_dir()}


def _scene(inside: Path) -> str:
    """Name up to kwentar's `_S`, `_F` or `_M`; elsewhere the path in its class folder, no ending.

    Pairs of one name in two class folders (GoPro and the like) are one scene; where two photos
    merely share a name, taking them for one scene costs nothing.
    """
    match = TRIPLET_NAME.fullmatch(inside.stem)
    return inside.with_name(match[1] if match else inside.stem).as_posix()


def read_folders(
    root: Path, subset: str, sharp_folder: str, blurred_folder: str
) -> list[LabelledImage]:
    """Images of the class folders under `root`, subfolders included.

    Folders are `sharp_folder`, `blurred_folder`, and kwentar's `defocused_blurred` and
    `motion_blurred`, whichever exist; one class is enough for evaluation.

    Raises
    ------
    BlurError
        None of the folders exists.
    """
    found = class_folders(root, sharp_folder, blurred_folder)
    require(bool(found), f"{root}: has no folder '{sharp_folder}' or '{blurred_folder}'")
    return [
        LabelledImage(
            path=path,
            name=path.relative_to(root).as_posix(),
            label=int(kind != "sharp"),
            kind=kind,
            subset=subset,
            scene=_scene(path.relative_to(root / folder)),
            half="",
        )
        for folder, kind in found.items()
        for path in image_files(root / folder, deep=True)
    ]


def _read_labels(table: Path) -> dict[str, int | None]:
    """Label by file name; None for ambiguous ones."""
    labels: dict[str, int | None] = {}
    for line, row in read_table(table, ("filename", "label")):
        name, word = row["filename"], row["label"].lower()
        where = f"{table}: line {line}"
        require(bool(name), f"{where} has no filename")
        require(
            word in LABELS or word == AMBIGUOUS,
            f"{where} ('{name}') has label '{row['label']}'; must be sharp, blurred or ambiguous",
        )
        label = LABELS.get(word)
        require(
            labels.setdefault(name, label) == label,
            f"{where}: '{name}' has another label further up; keep one",
        )
    return labels


def read_labels(root: Path, subset: str, notes: list[str]) -> list[LabelledImage]:
    """Images of one folder with a `labels.csv` beside them (`filename,label`, more is ignored).

    Labels are sharp or 0, blurred or 1; rows marked ambiguous are left out. Each image is its own
    scene. `notes` gains a line for all that is left out.

    Raises
    ------
    BlurError
        The table is missing, lacks a column, or holds another label.
    """
    table = root / TABLE
    require(table.is_file(), f"{table}: no such file")
    labels = _read_labels(table)
    files = {path.relative_to(root).as_posix(): path for path in image_files(root, deep=True)}
    counts = {
        "rows are ambiguous": sum(labels[name] is None for name in labels),
        "rows have no image": len(labels.keys() - files.keys()),
        "images have no row": len(files.keys() - labels.keys()),
    }
    notes += [f"{TABLE}: {count} {what}: left out" for what, count in counts.items() if count]
    return [
        LabelledImage(path, name, label, "" if label else "sharp", subset, name, "")
        for name, path in files.items()
        if (label := labels.get(name)) is not None
    ]


LAYOUTS = ("auto", "certh", "folders", "labels")
INNER = "CERTH_ImageBlurDataset"  # the folder inside the official zip


def _known_layouts(sharp: str, blurred: str) -> str:
    return (
        "known layouts: the CERTH tree (TrainingSet, EvaluationSet); class folders "
        f"'{sharp}' and '{blurred}', or 'sharp', 'defocused_blurred', 'motion_blurred'; "
        f"images beside a {TABLE} (filename,label)"
    )


def _find_layout(root: Path, sharp: str, blurred: str) -> str:
    if is_certh(root):
        return "certh"
    if (root / TABLE).is_file():
        return "labels"
    if class_folders(root, sharp, blurred):
        return "folders"
    raise BlurError(f"{root}: unknown layout; {_known_layouts(sharp, blurred)}")


def open_dataset(
    root: Path | str,
    layout: str = "auto",
    sharp_folder: str = "sharp",
    blurred_folder: str = "blurred",
) -> DataSet:
    """Read the labelled images under `root`, sorted by name.

    Every file's bytes are hashed: images of equal content share a scene within a subset, and none
    of the training half is in the test half.

    Parameters
    ----------
    root : Path or str
        The data set's folder; its name becomes the data set's name.
    layout : str
        "certh", "folders", "labels", or "auto" to find out.
    sharp_folder, blurred_folder : str
        Names of the class folders.

    Raises
    ------
    BlurError
        The folder is missing or of no known layout, or the layout's reader finds it at fault.
    """
    root = Path(root)
    require(layout in LAYOUTS, f"layout '{layout}' is none of {', '.join(LAYOUTS)}")
    require(root.is_dir(), f"{root}: no such folder; put the data set there or change dataset.name")
    name = root.name if root.name.strip(".") else root.resolve().name
    if is_certh(root / INNER) and not is_certh(root):
        root = root / INNER
    if layout == "auto":
        layout = _find_layout(root, sharp_folder, blurred_folder)
    notes: list[str] = []
    if layout == "certh":
        images = read_certh(root, notes)
    elif layout == "labels":
        images = read_labels(root, name, notes)
    else:
        images = read_folders(root, name, sharp_folder, blurred_folder)
    return finish(name, root, images, notes)
