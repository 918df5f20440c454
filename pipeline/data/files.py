"""Find the image files of a folder, and read the small CSV files that lie beside them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from pipeline.config.errors import BlurError, require

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def has_image_ending(name: str) -> bool:
    """Whether `name` ends like an image file, in capitals or not."""
    return Path(name).suffix.lower() in ENDINGS


def image_files(folder: Path, deep: bool = False) -> list[Path]:
    """The image files of `folder`, sorted; with `deep` those of its subfolders too.

    Hidden files (`.DS_Store`, `._name.jpg`) and files with other endings are no images.

    Raises
    ------
    BlurError
        The folder is missing.
    """
    require(folder.is_dir(), f"{folder}: no such folder")
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and has_image_ending(name)
        ]
    return sorted(found)


def read_table(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, each with its line number.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte-order mark.
    columns : tuple of str
        Columns that must be there; names are compared stripped and in lower case.

    Returns
    -------
    list of (line number, values by column), values stripped, blank rows left out

    Raises
    ------
    BlurError
        The file cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BlurError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    missing = [name for name in columns if name not in header]
    require(not missing, f"{path}: has no column '{', '.join(missing)}'; found: {header}")
    padding = [""] * len(header)
    return [
        (line, dict(zip(header, cells + padding, strict=False)))
        for line, cells in rows
        if any(cells)
    ]
