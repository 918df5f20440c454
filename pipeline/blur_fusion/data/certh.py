"""Reader of the CERTH Image Blur Dataset's folder tree (Mavridaki and Mezaris, ICIP 2014)."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from blur_fusion.data.dataset import KINDS, Contents, is_picture, read_table
from blur_fusion.errors import BlurError, needs_train_line, require

CODES = {"1": 1, "-1": 0}  # our label for each in the sheets


def _cells(path: Path) -> list[tuple[Any, ...]]:
    """The first two columns of the first sheet."""
    try:
        import openpyxl
    except ImportError:
        raise BlurError(needs_train_line(f"{path}: reading it")) from None
    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            rows = list(book.worksheets[0].iter_rows(max_col=2, values_only=True))
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        raise BlurError(f"{path}: not a readable xlsx sheet ({error})") from None
    return [(*row, None, None)[:2] for row in rows]


def _text(cell: Any) -> str:
    """A cell as stripped text; Excel turns a numeric name into a float."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def sheet_key(name: str) -> str:
    """Normalise a name in a sheet or of a file: no suffix, no capitals."""
    return (Path(name).stem if is_picture(name) else name).strip().casefold()


def read_sheet(path: Path) -> dict[str, int]:
    """Read the labels of a CERTH sheet: 1 blurred, 0 sharp, by :func:`sheet_key`.

    The first column names an image, the second holds 1 for blurred and -1 for sharp. The first row
    is a header unless it has a label; blank rows are skipped.
    """
    require(path.is_file(), f"{path}: label sheet is missing; CERTH keeps it beside the folder")
    labels: dict[str, int] = {}
    for number, (first, second) in enumerate(_cells(path), start=1):
        name, code = _text(first), _text(second)
        if not name and not code or number == 1 and code not in CODES:
            continue
        where = f"{path}: row {number}"
        require(code in CODES, f"{where} ('{name}') has label '{code}'; must be 1 or -1")
        require(bool(name), f"{where} has a label but no image name")
        key = sheet_key(name)
        same = labels.setdefault(key, CODES[code]) == CODES[code]
        require(same, f"{where}: '{name}' has a different label further up; keep one")
    require(bool(labels), f"{path}: holds no labels")
    return labels


TRAINING = {"Undistorted": 0, "Artificially-Blurred": 1, "Naturally-Blurred": 1}
EVALUATION = {"digital": "DigitalBlurSet", "natural": "NaturalBlurSet"}
KIND_OF_FILTER = {"disk": "defocus", "gaussian": "defocus", "motion": "motion"}
# Nearly flat, 50 or 80 pixels long, one or two wide: looks like a straight motion.
ALONG_ONE_DIRECTION = re.compile(r"gaussianh[12]x", re.IGNORECASE)
FILTER_NAME = re.compile(r"(disk|gaussian|motion)\w*_(\d+)", re.IGNORECASE)

# The filters ran over the 30 originals in the order of their names: 1, 10, 11, ..., 19, 2, ...
# Compared with the pictures for j = 1..3: holds for all 15 filters.
ORIGINAL_OF_FILTER = tuple(sorted(range(1, 31), key=str))


def is_certh(root: Path) -> bool:
    """Whether `root` has a half of the CERTH tree."""
    return (root / "TrainingSet").is_dir() or (root / "EvaluationSet").is_dir()


def filter_kind(stem: str) -> str:
    """Kind of blur of a filter, from the file name (`DiskR10_3`); "" for others."""
    match = FILTER_NAME.fullmatch(stem)
    if match and ALONG_ONE_DIRECTION.match(stem):
        return "motion"
    return KIND_OF_FILTER[match[1].lower()] if match else ""


def digital_scene(path: Path) -> str:
    """Scene of an image of the digital half: `<Filter>_j` shows the j-th original."""
    match = FILTER_NAME.fullmatch(path.stem)
    if match and 1 <= int(match[2]) <= len(ORIGINAL_OF_FILTER):
        return f"Original_{ORIGINAL_OF_FILTER[int(match[2]) - 1]}"
    return path.stem if re.fullmatch(r"Original_\d+", path.stem) else path.name


def _read_training(found: Contents) -> None:
    for name, label in {**TRAINING, "NewDigitalBlur": 1}.items():  # which not every copy has
        folder = found.root / "TrainingSet" / name
        for path in found.files(folder) if folder.is_dir() else ():
            scene = f"{name}/{path.name}"
            found.add(path, label, "training", scene, filter_kind(path.stem), "train")


def _read_evaluation(subset: str, found: Contents) -> None:
    folder = found.root / "EvaluationSet" / EVALUATION[subset]
    keys = {path: sheet_key(path.name) for path in found.files(folder)}
    labels = read_sheet(folder.with_suffix(".xlsx"))
    if left := sum(key not in labels for key in keys.values()):
        found.notes.append(f"{folder.name}: {left} images have no row in the sheet: left out")
    if rows := len(labels.keys() - set(keys.values())):
        found.notes.append(f"{folder.name}.xlsx: {rows} rows have no image: left out")
    for path, key in keys.items():
        if key in labels:
            scene = digital_scene(path) if subset == "digital" else path.name
            found.add(path, labels[key], subset, scene, filter_kind(path.stem), "test")


def _apply_scenes(table: Path, found: Contents) -> None:
    """Take scenes and kinds from `scenes.csv` (path, scene, kind)."""
    scenes: dict[str, dict[str, Any]] = {}
    for line, row in read_table(table, ("path", "scene", "kind")):
        where, name = f"{table}: line {line}", row.pop("path")
        require(bool(name and row["scene"]), f"{where}: path or scene is empty")
        require(row["kind"] in KINDS, f"{where}: kind '{row['kind']}' must be one of {KINDS}")
        require(name not in scenes, f"{where}: '{name}' is listed twice")
        scenes[name] = {"scene": row["scene"], "kind": row["kind"]}
    if unknown := len(scenes.keys() - {image.name for image in found.images}):
        found.notes.append(f"scenes.csv: {unknown} paths are not labelled images: left out")
    found.images = [replace(image, **scenes.get(image.name, {})) for image in found.images]


def read_certh(root: Path) -> Contents:
    """Read the CERTH tree at `root`.

    The subset "training" is the training half; "digital" and "natural" are the test half. In the
    digital subset the scene comes from the filter's name; elsewhere each image is its own. An
    optional `scenes.csv` at the root (path, scene, kind) overrides both.

    Raises
    ------
    BlurError
        A folder or label sheet is missing, a label or `scenes.csv` is wrong.
    """
    folders = [f"TrainingSet/{name}" for name in TRAINING]
    folders += [f"EvaluationSet/{name}" for name in EVALUATION.values()]
    missing = [name for name in folders if not (root / name).is_dir()]
    require(not missing, f"{root}: CERTH tree lacks the folder {', '.join(missing)}")
    found = Contents(root)
    _read_training(found)
    for subset in EVALUATION:
        _read_evaluation(subset, found)
    if (root / "scenes.csv").is_file():
        _apply_scenes(root / "scenes.csv", found)
    return found
