"""The journal: what will be done is on disk before it is done.

JSON lines in ASCII. The first says what this is; then for each step `{"do": N, ...}` (on disk
before anything happens) and `{"done": N}`, or `{"failed": N}` where the step left nothing behind.
Undoing adds `{"undoing": N}` and `{"undone": N}`, and `{"closed": true}` at the end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from blur_fusion.errors import BlurError, require
from blur_fusion.files import flush, os_errors, sync_folder

VERSION = 1
IDENTITY = re.compile(r"[0-9A-Z-]+")  # part of a file name
KINDS = ("mkdir", "move", "copy", "link", "tag")
MARKS = ("done", "failed", "undoing", "undone")


@dataclass(frozen=True, slots=True)
class Report:
    """What was done or undone; the library prints nothing."""

    done: int  # files acted on, or put back; in a dry run those that would be acted on
    lines: tuple[str, ...]  # one for each case that was left alone or failed, and why (stderr)
    summary: str  # one line
    journal: Path | None = None  # what `undo` takes; None where nothing was done
    plan: tuple[str, ...] = ()  # dry run only: one line for each file (stdout)
    failed: bool = False  # something asked for could not be done: exit code 1
    interrupted: bool = False  # Ctrl-C; what was done is in the journal, no shot is half done
    moved: dict[str, str] = field(default_factory=dict)  # where files are that were moved


@dataclass(slots=True)
class Entry:
    """A step and how far it got."""

    number: int
    kind: str
    source: str
    target: str
    facts: dict[str, Any]
    made: dict[str, Any] = field(default_factory=dict)  # known only once the step is taken
    marks: set[str] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Failed or undone: nothing of it is left."""
        return not self.marks.isdisjoint(("failed", "undone"))


class Journal:
    """A journal open for writing."""

    def __init__(
        self, path: Path, identity: str, entries: list[Entry], closed: bool, roots: list[str]
    ) -> None:
        """Use :func:`create` or :func:`read`."""
        self.path, self.identity, self.entries, self.closed = path, identity, entries, closed
        self.roots = roots  # folders that were scanned, at last that of the journal

    def append(self, record: dict[str, Any], sync: bool = True) -> None:
        """Write one line.

        Raises
        ------
        BlurError
            It cannot be written, so nothing more may be done.
        """
        line = json.dumps(record).encode("ascii") + b"\n"  # any bytes in a name stay \\udcXX
        with os_errors(self.path, "the journal cannot be written"), self.path.open("ab") as file:
            file.write(line)
            if sync:
                flush(file)

    @contextmanager
    def step(self, kind: str, source: str, target: str, **facts: Any) -> Iterator[Entry]:
        """Record a step that the body takes: on disk before, and after it whether it was taken.

        The body leaves nothing behind where it raises OSError, and may fill in `made`.
        """
        entry = Entry(len(self.entries) + 1, kind, source, target, facts)
        self.append({"do": entry.number, "kind": kind, "source": source, "target": target, **facts})
        self.entries.append(entry)
        try:
            yield entry
        except OSError:
            self.mark("failed", entry)
            raise
        self.mark("done", entry)

    def mark(self, word: str, entry: Entry) -> None:
        """Record one of `MARKS`."""
        entry.marks.add(word)
        made = entry.made if word == "done" else {}
        entry.facts.update(made)
        self.append({word: entry.number, **made}, sync=word == "undoing")

    def part(self, entry: Entry, beside: str) -> str:
        """Name for the unfinished file of a step, in the folder of `beside`."""
        return os.path.join(os.path.dirname(beside), f".blur-{self.identity}-{entry.number}.part")


def create(folder: Path, roots: list[str]) -> Journal:
    """A new journal `blur-journal-<UTC time>.jsonl` in `folder`, of what was done to `roots`.

    Raises
    ------
    BlurError
        It cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        identity = stamp if number == 1 else f"{stamp}-{number}"
        path = Path(os.path.abspath(folder), f"blur-journal-{identity}.jsonl")
        with os_errors(path, "the journal cannot be written"), suppress(FileExistsError):
            path.open("xb").close()
            break
    journal = Journal(path, identity, [], False, roots)
    journal.append({"journal": "blur", "version": VERSION, "id": identity, "roots": roots})
    sync_folder(str(path.parent))
    return journal


def _take_up(record: dict[str, Any], entries: list[Entry]) -> bool:
    """Take up one line; whether it closes the journal."""
    if "do" in record:
        number, kind, source, target = (record.pop(k) for k in ("do", "kind", "source", "target"))
        known = kind in KINDS and os.path.isabs(target) and isinstance(source, str)
        sidecar = kind != "tag" or target.lower().endswith(".xmp")  # whose bytes are in the journal
        if not known or not sidecar or number != len(entries) + 1:
            raise ValueError("step")
        entries.append(Entry(number, kind, source, target, record))
        return False
    for word in MARKS:
        if word in record:
            number = record.pop(word)
            if not isinstance(number, int) or number < 1:
                raise ValueError("number")
            entries[number - 1].marks.add(word)
            entries[number - 1].facts.update(record)
    return bool(record.get("closed"))


def read(path: Path, mend: bool = True) -> Journal:
    """Open the journal at `path`; a last line cut off by a crash is ignored: it was never acted on.

    With `mend` that line is removed, as lines can then be appended.

    Raises
    ------
    BlurError
        The file cannot be read or is no journal of `blur`.
    """
    with os_errors(path, "cannot be read"):
        content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    entries: list[Entry] = []
    closed = False
    try:
        head, *lines = [json.loads(line) for line in whole.splitlines()] or [{}]
        known = head.get("journal") == "blur" and IDENTITY.fullmatch(head["id"])
        require(bool(known), f"{path}: is not a journal of blur")
        require(head["version"] == VERSION, f"{path}: was written by another version of blur")
        roots = [str(root) for root in head.get("roots", ())]
        for record in lines:
            closed |= _take_up(record, entries)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise BlurError(
            f"{path}: is not a journal of blur, or is damaged; nothing was done"
        ) from None
    if mend and len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return Journal(Path(os.path.abspath(path)), head["id"], entries, closed, roots)


def not_undone(root: Path, folders: Iterable[Path]) -> list[Path]:
    """Journals in `folders` of actions on photos in `root` that can be undone, the latest last."""
    found = []
    for path in {path for folder in folders for path in folder.glob("blur-journal-*.jsonl")}:
        with suppress(BlurError):
            journal = read(path, mend=False)
            left = not journal.closed and any(not entry.over for entry in journal.entries)
            if left and str(root) in journal.roots[:1]:
                found.append(path)
    return sorted(found, key=lambda path: path.name)
