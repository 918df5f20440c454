"""The journal: what will be done is on disk before it is done.

JSON lines in ASCII. The first says what this is; then for each step `{"do": N, ...}` (on disk
before anything happens) and `{"done": N}`, or `{"failed": N}` where the step left nothing behind.
Undoing adds `{"undoing": N}` and `{"undone": N}`, and `{"closed": true}` at the end.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from blur_fusion.errors import BlurError, require
from blur_fusion.files import sync_folder

VERSION = 1
IDENTITY = re.compile(r"[0-9A-Z-]+")  # part of a file name
KINDS = ("mkdir", "move", "copy", "link", "tag")


class JournalError(BlurError):
    """The journal cannot be written, so nothing more may be done."""


@dataclass(slots=True)
class Entry:
    """A step and how far it got."""

    number: int
    kind: str
    source: str
    target: str
    facts: dict[str, Any] = field(default_factory=dict)
    done: bool = False
    undoing: bool = False
    over: bool = False  # failed or undone: nothing of it is left


class Journal:
    """A journal open for writing."""

    def __init__(self, path: Path, identity: str, entries: list[Entry], closed: bool) -> None:
        """Use :func:`create` or :func:`read`."""
        self.path, self.identity, self.entries, self.closed = path, identity, entries, closed

    def _append(self, record: dict[str, Any], sync: bool) -> None:
        line = json.dumps(record).encode("ascii") + b"\n"  # any bytes in a name stay \\udcXX
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
        except OSError as error:
            raise JournalError(
                f"{self.path}: cannot be written ({error.strerror}); stopped"
            ) from None

    def intend(self, kind: str, source: str, target: str, **facts: Any) -> Entry:
        """Record a step that is about to be taken; it is on disk when this returns."""
        entry = Entry(len(self.entries) + 1, kind, source, target, dict(facts))
        what = {"do": entry.number, "kind": kind, "source": source, "target": target, **facts}
        self._append(what, sync=True)
        self.entries.append(entry)
        return entry

    def done(self, entry: Entry, **facts: Any) -> None:
        """Record that the step was taken; `facts` tell what it made."""
        entry.done = True
        entry.facts.update(facts)
        self._append({"done": entry.number, **facts}, sync=False)

    def mark(self, word: str, entry: Entry) -> None:
        """Record `failed`, `undoing` or `undone`."""
        entry.undoing |= word == "undoing"
        entry.over |= word in ("failed", "undone")
        self._append({word: entry.number}, sync=word == "undoing")

    def close(self) -> None:
        """Record that everything is undone."""
        self.closed = True
        self._append({"closed": True}, sync=True)

    def part(self, entry: Entry, beside: str) -> str:
        """Name for the unfinished file of a step, in the folder of `beside`."""
        return os.path.join(os.path.dirname(beside), f".blur-{self.identity}-{entry.number}.part")


def create(folder: Path) -> Journal:
    """A new journal `blur-journal-<UTC time>.jsonl` in `folder`.

    Raises
    ------
    JournalError
        It cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        identity = stamp if number == 1 else f"{stamp}-{number}"
        path = Path(os.path.abspath(folder), f"blur-journal-{identity}.jsonl")
        try:
            path.open("xb").close()
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise JournalError(
                f"{path}: the journal cannot be written ({error.strerror}); nothing was done"
            ) from None
    journal = Journal(path, identity, [], False)
    journal._append({"journal": "blur", "version": VERSION, "id": identity}, sync=True)
    sync_folder(str(path.parent))
    return journal


def _apply(record: dict[str, Any], entries: list[Entry]) -> bool:
    """Take up one line; whether it closes the journal."""
    if "do" in record:
        kind, source, target = record["kind"], record["source"], record["target"]
        known = kind in KINDS and os.path.isabs(target) and isinstance(source, str)
        if not known or record["do"] != len(entries) + 1:
            raise ValueError("step")
        facts = {k: v for k, v in record.items() if k not in ("do", "kind", "source", "target")}
        entries.append(Entry(record["do"], kind, source, target, facts))
        return False
    for word in ("done", "failed", "undoing", "undone"):
        if word in record:
            number = record[word]
            if not isinstance(number, int) or number < 1:
                raise ValueError("number")
            entry = entries[number - 1]
            entry.done |= word == "done"
            entry.undoing |= word == "undoing"
            entry.over |= word in ("failed", "undone")
            entry.facts.update({k: v for k, v in record.items() if k != word})
    return bool(record.get("closed"))


def read(path: Path) -> Journal:
    """Open the journal at `path`; a last line cut off by a crash is dropped: it was never acted on.

    Raises
    ------
    BlurError
        The file cannot be read or is no journal of `blur`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror})") from None
    whole = content[: content.rfind(b"\n") + 1]
    entries: list[Entry] = []
    closed = False
    try:
        head, *lines = [json.loads(line) for line in whole.splitlines()] or [{}]
        known = head.get("journal") == "blur" and IDENTITY.fullmatch(head["id"])
        require(bool(known), f"{path}: is no journal of blur")
        require(head["version"] == VERSION, f"{path}: is of another version of blur")
        for record in lines:
            closed |= _apply(record, entries)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise BlurError(f"{path}: is no journal of blur, or damaged; nothing was done") from None
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return Journal(Path(os.path.abspath(path)), head["id"], entries, closed)
