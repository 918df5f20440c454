"""What a person has decided about photos: as the pages export it, or as editors write it.

A rating of -1 or a reject flag rejects a photo, a pick flag or at least one star keeps it, and
anything else decides nothing. Sidecars come before embedded metadata, newer ones before older ones;
marks that a scan has written are nobody's decision.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_fusion.actions.shots import PHOTOS, Notes, find_shots
from blur_fusion.actions.xmp import LARGEST, Marks, XmlError, read
from blur_fusion.errors import BlurError, require
from blur_fusion.files import from_excel, os_errors, printable
from blur_fusion.images.formats import suffix
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.inputs import Found, Search

WORDS = {"keep": True, "reject": False, "none": None, "": None}
LOWEST, HIGHEST = -1, 5  # of `xmp:Rating`; -1 is rejected
_HOW = "export decisions from a page of blur, as CSV or JSON"
_HEAD = 1 << 18  # bytes of a JPEG that are searched for its metadata
_XMP = re.compile(rb"\xff\xe1(..)http://ns\.adobe\.com/xap/1\.0/\0", re.S)
_EXIF = re.compile(rb"\xff\xe1(..)Exif\0\0", re.S)
_EXIF_RATING = 0x4746  # stars in IFD0, as Windows, cameras and exiftool write them
_DECIDES = frozenset(("decision", "rating", "label"))  # columns; one of them is needed


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person wants of one photo; None where nothing is decided.

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
        """As actions take it: a rejected photo is blurred, an undecided one has no verdict."""
        undecided = self.keep is None and self.rating is None and self.label is None
        return Prediction(self.path, None if undecided else self.keep is False)


def _text(content: bytes) -> str:
    """Decode a file; bytes that are not UTF-8, as in names, are kept."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # a spreadsheet's "Unicode text"
        return content.decode("utf-16")
    return content.decode("utf-8-sig", "surrogateescape")


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows and their positions; a spreadsheet may have turned commas into semicolons or tabs."""
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    names = [name.strip().lower() for name in next(reader, [])]
    require("path" in names, f"is not a file of decisions; {_HOW}")
    require(not _DECIDES.isdisjoint(names), f"has no column 'decision'; {_HOW}")
    for cells in reader:
        if any(cells):
            require(len(cells) >= len(names), f"line {reader.line_num} is cut off; {_HOW}")
            unquoted = map(from_excel, cells)
            yield f"line {reader.line_num}", dict(zip(names, unquoted, strict=False))


def _json_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    content = json.loads(text)
    rows = content.get("photos") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise BlurError(f"holds no list of photos; {_HOW}")
    for number, row in enumerate(rows, start=1):
        require(isinstance(row, dict), f"photo {number} is not a JSON object; {_HOW}")
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


def _segment(head: bytes, pattern: re.Pattern[bytes]) -> bytes | None:
    """Content of the first APP1 segment of a JPEG that begins with `pattern`."""
    if (found := pattern.search(head)) is None:
        return None
    return head[found.end() : found.start(1) + int.from_bytes(found[1], "big")]


def _exif_marks(block: bytes) -> Marks:
    """Stars in an EXIF block; a damaged one says nothing."""
    from PIL import Image

    exif = Image.Exif()
    with warnings.catch_warnings(), suppress(Exception):  # Pillow raises whatever it likes
        warnings.simplefilter("ignore")
        exif.load(b"Exif\0\0" + block)
        if 1 <= (stars := int(exif.get(_EXIF_RATING, 0))) <= HIGHEST:
            return Marks(rating=stars)
    return Marks()


def _embedded(photo: str) -> Iterator[Marks]:
    """Marks in the XMP and in the EXIF of a JPEG."""
    if suffix(photo) in (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"):
        with suppress(OSError), open(photo, "rb") as file:
            head = file.read(_HEAD)
            if packet := _segment(head, _XMP):
                with suppress(XmlError):
                    yield read(packet)
            if block := _segment(head, _EXIF):
                yield _exif_marks(block)


def _in_sidecars(beside: Iterable[str]) -> Iterator[Marks]:
    """Marks in the sidecars of a photo, the newest first."""
    with suppress(OSError):
        for path in sorted(beside, key=os.path.getmtime, reverse=True):
            if os.path.getsize(path) <= LARGEST:
                with suppress(XmlError):
                    yield read(Path(path).read_bytes())


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def embedded_rating(photo: str) -> int | None:
    """Stars embedded in a JPEG; -1 is rejected."""
    rating: int | None = _first(one.rating for one in _embedded(photo))
    return rating


def photos_below(folder: Path) -> list[str]:
    """Paths of the photos that a scan of `folder` would find, and of RAW files it cannot read."""
    found = Search(suffixes=PHOTOS).find([Found(str(folder))])
    return [one.path for one in found if one.problem is None]


def _in_folder(folder: Path) -> Iterator[Decision]:
    """Decisions in sidecars and JPEGs below a folder; photos without any are left out."""
    given = {os.path.abspath(path): path for path in photos_below(folder)}
    photos = (Prediction(path, False) for path in given)
    for shot in find_shots(photos, Notes(), {}, sharp=True):
        beside = shot.sidecars(new=False)
        for name in shot.photos:
            photo = os.path.join(shot.folder, name)
            own = [path for path, owner in beside.items() if owner == photo]
            marks = [*_in_sidecars(own), *_embedded(photo)]
            label, rating, flag = (
                _first(getattr(one, said) for one in marks) for said in ("label", "rating", "flag")
            )
            worth = flag or rating
            keep = worth > 0 if worth else None
            if worth or label:
                yield Decision(given.get(photo, photo), keep, rating or None, label)


def read_decisions(path: Path | str) -> list[Decision]:
    """Read decisions in the order of the file; if a photo is named twice, the last one counts.

    Parameters
    ----------
    path : Path or str
        CSV or JSON as the pages export them: `path` and `decision` ("keep", "reject", "none" or
        empty), or also `rating` and `label`; other columns are ignored. Quotes that keep a
        spreadsheet from reading names as formulas are removed. Or a folder of photos with ratings,
        labels and flags in their sidecars, or embedded in JPEGs.

    Returns
    -------
    list of Decision
        From a file, undecided photos too.

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
        raise BlurError(f"{path}: is damaged ({reason}); {_HOW}") from None
    return list(found.values())


def scanned(path: Path, decisions: Iterable[Decision]) -> list[Path]:
    """The scanned folder behind `decisions` from `path`, as `act` needs it.

    A folder that was read; else the one named in the JSON of `blur review`; else the one that holds
    all the photos, if any.
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
