"""`undo`: put back everything that a journal tells of."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_fusion import files
from blur_fusion.actions.journal import Entry, Journal, JournalError, read


class LeftError(Exception):
    """A step cannot be undone; the message says why, in one line."""


def identity(path: str) -> dict[str, Any]:
    """Size and time of change, by which a file is known again."""
    found = os.lstat(path)
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _is(path: str, facts: dict[str, Any]) -> bool:
    return all(facts.get(key) == value for key, value in identity(path).items())


def _empty(path: str) -> bool:
    return os.path.isfile(path) and os.lstat(path).st_size == 0


def _settle(entry: Entry) -> bool:
    """Clear what a crash left of a move to or fro; whether it is back already."""
    source, target, facts = entry.source, entry.target, entry.facts
    if not entry.done and _is(source, facts) and (_empty(target) or files.same(source, target)):
        files.remove(target)  # the crash came before the source was deleted
        return True
    if entry.undoing and facts.get("size") and _empty(source):
        files.remove(source)  # held for the way back
        return False
    if entry.undoing and files.same(source, target):
        files.remove(target)
        return True
    raise LeftError(f"{source}: is there again, so {target} stays where it is")


def _back(entry: Entry, journal: Journal) -> bool:
    source, target = entry.source, entry.target
    if not os.path.lexists(target):
        if os.path.lexists(source) and _is(source, entry.facts):
            return False
        raise LeftError(f"{target}: is no longer there, so {source} cannot be put back")
    if os.path.lexists(source) and _settle(entry):
        return False
    os.makedirs(os.path.dirname(source), exist_ok=True)
    files.move(target, source, journal.part(entry, source))
    return True


def _uncopy(entry: Entry) -> bool:
    source, target, facts = entry.source, entry.target, entry.facts
    if not os.path.lexists(target):
        return False
    if entry.done:
        same = identity(target)["size"] == facts.get("size")
        same = same and files.digest(target) == facts.get("sha256")
    else:
        same = _empty(target) or (os.path.isfile(source) and files.same(source, target))
    if not same:
        raise LeftError(f"{target}: was changed since it was copied; left")
    os.unlink(target)
    return True


def _unlink(entry: Entry) -> bool:
    if not os.path.lexists(entry.target):
        return False
    text = entry.facts.get("text")
    if not os.path.islink(entry.target) or os.readlink(entry.target) != text:
        raise LeftError(f"{entry.target}: is no longer the link that was made; left")
    os.unlink(entry.target)
    return True


def _untag(entry: Entry, journal: Journal) -> bool:
    target, facts = entry.target, entry.facts
    before = None if facts.get("before") is None else base64.b64decode(facts["before"])
    try:
        with open(target, "rb") as file:
            now: bytes | None = file.read()
    except FileNotFoundError:
        now = None
    if now == before:
        return False
    if now is not None and hashlib.sha256(now).hexdigest() == facts.get("sha256"):
        if before is None:
            os.unlink(target)
            return True
        part, then = journal.part(entry, target), facts.get("mtime_ns")
        files.write(target, before, part, os.stat(target), then)
        return True
    if before is None and (now == b"" and not entry.done):
        os.unlink(target)
        return False
    if before is None and now is None:
        return False
    what = "is no longer there" if now is None else "was changed since it was tagged; left"
    raise LeftError(f"{target}: {what}")


def reverse(entry: Entry, journal: Journal) -> bool:
    """Undo one step, also one that was cut off in the middle; whether anything was put back.

    Raises
    ------
    LeftError
        The user has changed what the step made, or something is in the way: both stay.
    OSError
        The system does not allow it.
    """
    for beside in (entry.source, entry.target):
        if beside:
            files.remove(journal.part(entry, beside))
    if entry.kind == "mkdir":
        with suppress(OSError):  # others' files are in it
            os.rmdir(entry.target)
        return False
    if entry.kind == "move":
        return _back(entry, journal)
    if entry.kind == "copy":
        return _uncopy(entry)
    return _unlink(entry) if entry.kind == "link" else _untag(entry, journal)


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What was put back; the library prints nothing."""

    restored: int  # files moved back, copies and links deleted, sidecars restored
    lines: tuple[str, ...]  # one for each step that could not be undone, and why
    failed: bool  # some could not: exit code 1
    summary: str


def put_back(journal: Journal, first: int = 0) -> tuple[int, list[str]]:
    """Undo the entries of `journal` from index `first` on, last one first.

    Returns
    -------
    (number of files put back, one line for each that could not be)
    """
    restored, lines = 0, []
    for entry in reversed(journal.entries[first:]):
        if entry.over:
            continue
        try:
            journal.mark("undoing", entry)
            restored += reverse(entry, journal)
            journal.mark("undone", entry)
        except LeftError as error:
            lines.append(str(error))
        except OSError as error:
            reason = error.strerror or error
            lines.append(f"{entry.target}: could not be put back ({reason})")
    return restored, lines


def undo(path: Path | str) -> UndoReport:
    """Put back everything that the journal at `path` tells of, also after a crash.

    Photos return to where they were; copies and links are deleted, sidecars get their former bytes;
    folders made are removed where they are empty. Nothing that has appeared at an old place since
    is overwritten, and no copy or sidecar changed since is deleted: each such case is a line.
    Running it again tries those once more and touches nothing else.

    Parameters
    ----------
    path : Path or str
        Journal written by :func:`blur_fusion.actions.act`.

    Raises
    ------
    BlurError
        The file cannot be read, is no journal, or cannot be written.
    """
    journal = read(Path(path))
    if journal.closed:
        return UndoReport(0, (), False, f"{path}: everything is undone already")
    if not os.access(journal.path, os.W_OK):
        raise JournalError(f"{path}: cannot be written; copy it to where it can, and undo the copy")
    restored, lines = put_back(journal)
    if not lines:
        journal.close()
    left = f", {len(lines)} could not be" if lines else ""
    told = tuple(map(files.printable, lines))
    return UndoReport(restored, told, bool(lines), f"{restored} files put back{left}")
