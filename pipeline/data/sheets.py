"""CERTH's label sheets (xlsx): odd headers, stray spaces, blank rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from pipeline.config.errors import BlurError, require
from pipeline.data.files import has_image_ending

BLURRED, SHARP = 1, -1  # as the sheets write it


def _cells(path: Path) -> list[tuple[Any, Any]]:
    """The first two columns of the first sheet."""
    try:
        import openpyxl
    except ImportError:
        raise BlurError(
            f"{path}: reading it needs the extra 'train': pip install 'blur-fusion[train]'"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            rows = list(sheet.iter_rows(max_col=2, values_only=True))
        finally:
            book.close()
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        raise BlurError(f"{path}: is no readable xlsx sheet ({error})") from None
    return [(row[0] if row else None, row[1] if len(row) > 1 else None) for row in rows]


def _text(cell: Any) -> str:
    """A cell as stripped text; Excel turns a numeric name into a float."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def sheet_key(name: str) -> str:
    """The name under which a sheet's row and an image file meet: no ending, no capitals."""
    stem = name[: -len(Path(name).suffix)] if has_image_ending(name) else name
    return stem.strip().casefold()


def read_sheet(path: Path) -> dict[str, int]:
    """Labels of a CERTH sheet.

    The first column names an image (with or without its ending), the second holds 1 for blurred and
    -1 for sharp. The first row is a header unless it carries a label; blank rows are passed over.

    Returns
    -------
    dict
        `sheet_key` of the name to our label: 1 blurred, 0 sharp.

    Raises
    ------
    BlurError
        The sheet is missing or no xlsx; a label is neither 1 nor -1; a row has no name; two rows
        give one image different labels.
    """
    require(path.is_file(), f"{path}: label sheet is missing; CERTH keeps it beside the folder")
    codes = {str(BLURRED): 1, str(SHARP): 0}
    labels: dict[str, int] = {}
    for number, (first, second) in enumerate(_cells(path), start=1):
        name, code = _text(first), _text(second)
        if not name and not code or number == 1 and code not in codes:
            continue
        where = f"{path}: row {number}"
        require(code in codes, f"{where} ('{name}') has label '{code}'; must be 1 or -1")
        require(bool(name), f"{where} has a label but no image name")
        key = sheet_key(name)
        same = labels.setdefault(key, codes[code]) == codes[code]
        require(same, f"{where}: '{name}' has another label further up; keep one")
    require(bool(labels), f"{path}: holds no labels")
    return labels
