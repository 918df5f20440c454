"""What a person has decided about photos, as the pages export it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_fusion.errors import BlurError, require
from blur_fusion.files import from_excel, os_errors, printable
from blur_fusion.model.prediction import Prediction

WORDS = {"keep": True, "reject": False, "none": None, "": None}
LOWEST, HIGHEST = -1, 5  # of `xmp:Rating`; -1 is rejected
HOW = "export decisions from a page of blur, as CSV or JSON"
_DECIDES = frozenset(("decision", "rating", "label"))  # columns of which one is needed


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person wants of one photo; what is not decided is None.

    Attributes
    ----------
    path : str
        As it was given to the scan.
    keep : bool
        False is rejected.
    rating : int
        Stars, 0..5; -1 is rejected.
    label : str
        Colour label, such as "Red".

    Examples
    --------
    >>> Decision("a.jpg", keep=False)
    Decision(path='a.jpg', keep=False, rating=None, label=None)
    """

    path: str
    keep: bool | None
    rating: int | None = None
    label: str | None = None

    def verdict(self) -> Prediction:
        """It as actions take it: a rejected photo as a blurred one, of an undecided one nothing."""
        undecided = self.keep is None and self.rating is None and self.label is None
        return Prediction(self.path, None if undecided else self.keep is False)


def _text(content: bytes) -> str:
    """Decoded; bytes of names that are no UTF-8 stay what they are."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # a spreadsheet's "Unicode text"
        return content.decode("utf-16")
    return content.decode("utf-8-sig", "surrogateescape")


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with where they are; commas may have become semicolons or tabs in a spreadsheet."""
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    names = [name.strip().lower() for name in next(reader, [])]
    require("path" in names, f"is no file of decisions; {HOW}")
    require(not _DECIDES.isdisjoint(names), f"has no column 'decision'; {HOW}")
    for cells in reader:
        if any(cells):
            require(len(cells) >= len(names), f"line {reader.line_num} is cut off; {HOW}")
            unquoted = map(from_excel, cells)
            yield f"line {reader.line_num}", dict(zip(names, unquoted, strict=False))


def _json_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    content = json.loads(text)
    rows = content.get("photos") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise BlurError(f"holds no list of photos; {HOW}")
    for number, row in enumerate(rows, start=1):
        require(isinstance(row, dict), f"photo {number} is no record of one; {HOW}")
        yield f"photo {number}", row


def _stars(rating: Any) -> int | None:
    if rating in (None, ""):
        return None
    stars = int(rating)
    if not LOWEST <= stars <= HIGHEST or stars != float(rating):
        raise ValueError(rating)
    return stars


def _decision(place: str, row: dict[str, Any]) -> Decision:
    path, word, rating, label = (row.get(n) for n in ("path", "decision", "rating", "label"))
    require(isinstance(path, str) and path != "" and "\0" not in path, f"{place} names no photo")
    known = "" if word is None else str(word).strip().lower()
    line = f"{place}: decision '{word}' is none of keep, reject and none"
    require(known in WORDS, printable(line)[:200])
    try:
        stars = _stars(rating)
    except (TypeError, ValueError):
        line = f"{place}: rating '{rating}' is none of {LOWEST} to {HIGHEST}"
        raise BlurError(printable(line)[:200]) from None
    return Decision(str(path), WORDS[known], stars, str(label) if label else None)


def read_decisions(path: Path | str) -> list[Decision]:
    """Read what was decided, in the order of the file; of a photo named twice the last counts.

    Parameters
    ----------
    path : Path or str
        CSV or JSON as the pages export them: `path` and `decision` ("keep", "reject", "none" or
        empty), or also `rating` and `label`; other columns are ignored. Quotes that keep a
        spreadsheet from taking names for formulas are taken off.

    Returns
    -------
    list of Decision
        Undecided photos too.

    Raises
    ------
    BlurError
        The file cannot be read, is damaged or holds no decisions.
    """
    path = Path(path)
    with os_errors(path, "cannot be read"):
        content = path.read_bytes()
    found: dict[str, Decision] = {}
    try:
        text = _text(content)
        rows = _json_rows if text.lstrip()[:1] in ("{", "[") else _csv_rows
        for place, row in rows(text):
            one = _decision(place, row)
            found[one.path] = one
    except BlurError as error:
        raise BlurError(f"{path}: {error}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, csv.Error, RecursionError) as error:
        reason = printable(str(error))[:200]
        raise BlurError(f"{path}: is damaged ({reason}); {HOW}") from None
    return list(found.values())
