"""What the stages wrote, read back."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.errors import BlurError, require

REPRO = "run 'make repro'"


@dataclass(frozen=True)
class Table:
    """Columns of a CSV file by name."""

    columns: dict[str, list[str]]

    def numbers(self, name: str) -> list[float]:
        """A column as numbers."""
        return [float(value) for value in self.columns[name]]

    def rows(self) -> list[dict[str, str]]:
        """Row by row."""
        return [
            dict(zip(self.columns, values, strict=True))
            for values in zip(*self.columns.values(), strict=True)
        ]


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a CSV file that a stage wrote.

    Raises
    ------
    BlurError
        It is missing, damaged or lacks a column that is needed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            rows = list(reader)
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; {REPRO} first") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BlurError(f"{path}: cannot be read ({error}); {REPRO} again") from None
    absent = [name for name in needed if name not in names]
    require(not absent, f"{path}: lacks the column {', '.join(absent)}; {REPRO} again")
    whole = all(None not in row and None not in row.values() for row in rows)
    require(whole, f"{path}: has rows of another length; {REPRO} again")
    return Table({name: [row[name] for row in rows] for name in names})
