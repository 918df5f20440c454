"""What a person has decided about photos: as the pages export it, or as editors write it.

Of ratings and flags -1 (rejected) is a reject, a picked photo or one with a star or more is kept,
and the rest says nothing. Sidecars count before what is embedded, of several the newest; what a
scan of ours has written is nobody's decision.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_fusion.actions.shots import PHOTOS, Notes, find_shots
from blur_fusion.actions.sidecars import LARGEST, sidecars
from blur_fusion.actions.xmp import Marks, XmlError, read
from blur_fusion.errors import BlurError, require
from blur_fusion.files import from_excel, os_errors, printable
from blur_fusion.images.formats import suffix
from blur_fusion.model.prediction import Prediction

WORDS = {"keep": True, "reject": False, "none": None, "": None}
LOWEST, HIGHEST = -1, 5  # of `xmp:Rating`; -1 is rejected
HOW = "export decisions from a page of blur, as CSV or JSON"
_HEAD = 1 << 18  # octets of a JPEG that are looked through for its XMP
_EMBEDDED = re.compile(rb"\xff\xe1(..)http://ns\.adobe\.com/xap/1\.0/\0", re.S)
_SAID = ("label", "rating", "flag")
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
    line = f"{place}: decision '{word}' must be one of keep, reject and none"
    require(known in WORDS, printable(line)[:200])
    try:
        stars = _stars(rating)
    except (TypeError, ValueError):
        line = f"{place}: rating '{rating}' must be one of {LOWEST} to {HIGHEST}"
        raise BlurError(printable(line)[:200]) from None
    return Decision(str(path), WORDS[known], stars, str(label) if label else None)


def _packets(photo: str, beside: Iterable[str]) -> Iterator[bytes]:
    """XMP of a photo: its sidecars, the newest first, and what is embedded in a JPEG."""
    with suppress(OSError):
        for path in sorted(beside, key=os.path.getmtime, reverse=True):
            if os.path.getsize(path) <= LARGEST:
                yield Path(path).read_bytes()
    if suffix(photo) in (".jpg", ".jpeg", ".jpe"):
        with suppress(OSError), open(photo, "rb") as file:
            head = file.read(_HEAD)
            if found := _EMBEDDED.search(head):
                yield head[found.end() : found.start(1) + int.from_bytes(found[1], "big")]


def _marks(packets: Iterable[bytes]) -> Marks:
    """What several packets say, each in what those before it leave open."""
    found = Marks()
    for packet in packets:
        with suppress(XmlError):
            one = read(packet)
            pairs = ((getattr(found, name), getattr(one, name)) for name in _SAID)
            label, rating, flag = (first if first is not None else more for first, more in pairs)
            found = Marks((), label, rating, flag)
    return found


def _in_folder(folder: Path) -> Iterator[Decision]:
    """What sidecars and JPEGs below a folder say; photos of which nothing is said are left out."""
    given: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (os.path.join(place, name) for name in sorted(names) if suffix(name) in PHOTOS)
        given |= {os.path.abspath(path): path for path in paths}
    photos = (Prediction(path, False) for path in given)
    for shot in find_shots(photos, Notes(), {}, sharp=True):
        beside = sidecars(shot, new=False)
        for name in shot.photos:
            photo = os.path.join(shot.folder, name)
            own = [path for path, owner in beside.items() if owner == photo]
            marks = _marks(_packets(photo, own))
            worth = [mark for mark in (marks.flag, marks.rating) if mark]
            keep = worth[0] > 0 if worth else None
            stars = marks.rating or None
            if worth or marks.label:
                yield Decision(given.get(photo, photo), keep, stars, marks.label)


def read_decisions(path: Path | str) -> list[Decision]:
    """Read what was decided, in the order of the file; of a photo named twice the last counts.

    Parameters
    ----------
    path : Path or str
        CSV or JSON as the pages export them: `path` and `decision` ("keep", "reject", "none" or
        empty), or also `rating` and `label`; other columns are ignored. Quotes that keep a
        spreadsheet from taking names for formulas are taken off. Or a folder of photos with
        ratings, labels and flags in their sidecars, or embedded in JPEGs.

    Returns
    -------
    list of Decision
        Of a file undecided photos too.

    Raises
    ------
    BlurError
        The file cannot be read, is damaged or holds no decisions.
    """
    path = Path(path)
    if path.is_dir():
        return list(_in_folder(path))
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


def scanned(path: Path, decisions: Iterable[Decision]) -> list[Path]:
    """What was scanned, for `act`, where `decisions` were read from `path`.

    A folder that was read; that which the JSON of `blur review` names; else the one in which all
    the photos lie, if there is one.
    """
    if path.is_dir():
        return [path]
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        named = Path(json.loads(_text(path.read_bytes()))["folder"])
        if named.is_dir():
            return [named]
    folders = {os.path.dirname(os.path.abspath(one.path)) for one in decisions}
    with suppress(ValueError):  # none, or on several drives
        return [Path(os.path.commonpath(folders))]
    return []
