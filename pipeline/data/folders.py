"""Readers of class folders, of kwentar's triplets, and of one folder with a `labels.csv`."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.config.errors import require
from pipeline.data.dataset import LabelledImage
from pipeline.data.files import image_files, read_table

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
