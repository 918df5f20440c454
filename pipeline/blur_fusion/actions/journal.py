"""The journal: every step is on disk before it is taken, and :func:`undo` reverses it.

JSON lines in ASCII. The first is a header. Each step is `{"do": N, ...}`, on disk before anything
happens, then `{"done": N}`, or `{"failed": N}` if the step left nothing behind. Undoing adds
`{"undoing": N}` and `{"undone": N}`, and `{"closed": true}` at the end.
"""

from __future__ import annotations

import base64
import hashlib
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

from blur_fusion import files
from blur_fusion.errors import BlurError, require

VERSION = 1
_IDENTITY = re.compile(r"[0-9A-Z-]+")  # part of a file name
_MARKS = ("done", "failed", "undoing", "undone")


@dataclass(frozen=True, slots=True)
class Report:
    """What was done or undone; the library prints nothing."""

    done: int  # files acted on or put back; in a dry run, files that would be acted on
    lines: tuple[str, ...]  # one per file left alone or failed, with the reason (stderr)
    summary: str  # one line
    journal: Path | None = None  # for `undo`; None if nothing was done
    plan: tuple[str, ...] = ()  # dry run only: one line per file (stdout)
    failed: bool = False  # something could not be done: exit code 1
    interrupted: bool = False  # Ctrl-C; no shot is half done
    moved: dict[str, str] = field(default_factory=dict)  # new path of each moved file


@dataclass(slots=True)
class Entry:
    """A step and how far it got."""

    number: int
    kind: str
    source: str
    target: str
    facts: dict[str, Any]
    made: dict[str, Any] = field(default_factory=dict)  # facts known only after the step
    marks: set[str] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Failed or undone: nothing of it is left."""
        return not self.marks.isdisjoint(("failed", "undone"))


@dataclass(slots=True)
class Journal:
    """A journal open for writing; from :func:`create` or :func:`read`."""

    path: Path
    identity: str
    roots: list[str]  # scanned folders, then the journal's own
    entries: list[Entry] = field(default_factory=list)
    closed: bool = False
    size: int = 0  # bytes read, without a last line cut off by a crash, which was never acted on

    def append(self, record: dict[str, Any], sync: bool = True) -> None:
        """Write one line; a BlurError means that nothing more may be done."""
        line = json.dumps(record).encode("ascii") + b"\n"  # odd bytes in names stay \\udcXX
        errors = files.os_errors(self.path, "the journal cannot be written")
        with errors, self.path.open("ab") as file:
            file.write(line)
            if sync:
                files.flush(file)

    @contextmanager
    def step(self, kind: str, source: str, target: str, **facts: Any) -> Iterator[Entry]:
        """Record a step before the body takes it, and afterwards whether it was taken.

        If the body raises OSError, it must leave nothing behind. It may fill in `made`.
        """
        entry = Entry(len(self.entries) + 1, kind, source, target, facts)
        self.append({"do": entry.number, "kind": kind, "source": source, "target": target, **facts})
        self.entries.append(entry)
        try:
            yield entry
        except OSError:
            self.mark("failed", entry)
            raise
        entry.facts.update(entry.made)
        self.mark("done", entry, **entry.made)

    def mark(self, word: str, entry: Entry, **made: Any) -> None:
        """Record one of `_MARKS`."""
        entry.marks.add(word)
        self.append({word: entry.number, **made}, sync=word == "undoing")

    def part(self, entry: Entry, beside: str) -> str:
        """Name for the unfinished file of a step, in the folder of `beside`."""
        return os.path.join(os.path.dirname(beside), f".blur-{self.identity}-{entry.number}.part")


def create(folder: Path, roots: list[str]) -> Journal:
    """Start `blur-journal-<UTC time>.jsonl` in `folder`; BlurError if it cannot be written."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        identity = stamp if number == 1 else f"{stamp}-{number}"
        path = Path(os.path.abspath(folder), f"blur-journal-{identity}.jsonl")
        with files.os_errors(path, "the journal cannot be written"), suppress(FileExistsError):
            path.open("xb").close()
            break
    journal = Journal(path, identity, roots)
    journal.append({"journal": "blur", "version": VERSION, "id": identity, "roots": roots})
    files.sync_folder(str(path.parent))
    return journal


def _replay(journal: Journal, record: dict[str, Any]) -> None:
    """Apply one line of the file; ValueError and the like if it is damaged."""
    if "do" in record:
        number, kind, source, target = (record.pop(k) for k in ("do", "kind", "source", "target"))
        known = kind in _REVERSE and os.path.isabs(target) and isinstance(source, str)
        sidecar = kind != "tag" or target.lower().endswith(".xmp")  # its bytes are in the journal
        if not known or not sidecar or number != len(journal.entries) + 1:
            raise ValueError("step")
        journal.entries.append(Entry(number, kind, source, target, record))
        return
    for word in _MARKS:
        if word in record:
            number = record.pop(word)
            if not isinstance(number, int) or number < 1:
                raise ValueError("number")
            journal.entries[number - 1].marks.add(word)
            journal.entries[number - 1].facts.update(record)
    journal.closed |= bool(record.get("closed"))


def read(path: Path) -> Journal:
    """Read the journal at `path`; BlurError if it cannot be read or is not a journal of `blur`."""
    with files.os_errors(path, "cannot be read"):
        content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        head, *lines = [json.loads(line) for line in whole.splitlines()] or [{}]
        known = head.get("journal") == "blur" and _IDENTITY.fullmatch(head["id"])
        require(bool(known), f"{path}: is not a journal of blur")
        require(head["version"] == VERSION, f"{path}: was written by another version of blur")
        roots = [str(root) for root in head.get("roots", ())]  # none in the first release
        journal = Journal(Path(os.path.abspath(path)), head["id"], roots, size=len(whole))
        for record in lines:
            _replay(journal, record)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        line = f"{path}: is not a journal of blur, or is damaged; nothing was done"
        raise BlurError(line) from None
    return journal


def not_undone(root: Path, folders: Iterable[Path]) -> list[Path]:
    """Journals in `folders` of actions on photos in `root` that can be undone, the latest last."""
    found = []
    for path in {path for folder in folders for path in folder.glob("blur-journal-*.jsonl")}:
        with suppress(BlurError):
            journal = read(path)
            left = not journal.closed and any(not entry.over for entry in journal.entries)
            if left and str(root) in journal.roots[:1]:
                found.append(path)
    return sorted(found, key=lambda path: path.stem)  # the second of a second ends in "-2"


class LeftError(Exception):
    """A step cannot be undone; the message says why, in one line."""


def _is(path: str, facts: dict[str, Any]) -> bool:
    return all(facts.get(key) == value for key, value in files.identity(path).items())


def _empty(path: str) -> bool:
    return os.path.isfile(path) and os.lstat(path).st_size == 0


def _remove_folder(entry: Entry, journal: Journal) -> bool:
    with suppress(OSError):  # it holds files of others
        os.rmdir(entry.target)
    return False


def _settle(entry: Entry) -> bool:
    """Clear what a crash left of a move in either direction; whether the file is back already."""
    source, target, facts = entry.source, entry.target, entry.facts
    begun = "done" not in entry.marks and _is(source, facts)
    undoing = "undoing" in entry.marks
    if (begun and _empty(target)) or ((begun or undoing) and files.same(source, target)):
        Path(target).unlink(missing_ok=True)  # a crash came before one of the two was deleted
        return True
    if undoing and facts.get("size") and _empty(source):
        Path(source).unlink(missing_ok=True)  # a reserved name
        return False
    raise LeftError(f"{source}: exists again, so {target} stays where it is")


def _move_back(entry: Entry, journal: Journal) -> bool:
    source, target = entry.source, entry.target
    if not os.path.lexists(target):
        if os.path.lexists(source) and _is(source, entry.facts):
            return False
        raise LeftError(f"{target}: is no longer there, so {source} cannot be put back")
    if os.path.lexists(source) and _settle(entry):
        return False
    os.makedirs(os.path.dirname(source), exist_ok=True)
    # Restore what the other file system refused, unless the file was changed there.
    kept = os.stat(target).st_mtime_ns == entry.facts.get("moved_ns")
    files.move(
        source=target,
        target=source,
        part=journal.part(entry, source),
        wanted=entry.facts.get("was") if kept else None,
    )
    return True


def _delete_copy(entry: Entry, journal: Journal) -> bool:
    source, target, facts = entry.source, entry.target, entry.facts
    if not os.path.lexists(target):
        return False
    if "done" in entry.marks:
        same = os.lstat(target).st_size == facts.get("size")
        same = same and files.digest(target) == facts.get("sha256")
    else:
        same = _empty(target) or (os.path.isfile(source) and files.same(source, target))
    if not same:
        raise LeftError(f"{target}: was changed since it was copied; left")
    os.unlink(target)
    return True


def _delete_link(entry: Entry, journal: Journal) -> bool:
    target, text = entry.target, entry.facts.get("text")
    if not os.path.lexists(target):
        return False
    if not os.path.islink(target) or os.readlink(target) != text:
        raise LeftError(f"{target}: is no longer the link that was made; left")
    os.unlink(target)
    return True


def _untag(entry: Entry, journal: Journal) -> bool:
    target, facts = entry.target, entry.facts
    before = None if facts.get("before") is None else base64.b64decode(facts["before"])
    now = Path(target).read_bytes() if os.path.exists(target) else None

    def restore(content: bytes, new: bool, like: str) -> None:
        part, then = journal.part(entry, target), facts.get("mtime_ns")
        files.write(target, content, part, new=new, like=like, mtime_ns=then)

    if now == before:
        return False
    if before is not None and now in (None, b"") and facts.get("sha256") is None:
        Path(target).unlink(missing_ok=True)  # a reserved name
        restore(before, new=True, like=entry.source)
        return True
    if now is None:
        raise LeftError(f"{target}: is no longer there")
    if hashlib.sha256(now).hexdigest() == facts.get("sha256"):
        if before is None:
            os.unlink(target)
        else:
            restore(before, new=False, like=target)
        return True
    if before is None and now == b"" and "done" not in entry.marks:
        os.unlink(target)  # a reserved name
        return False
    raise LeftError(f"{target}: was changed since it was tagged; left")


# Each undoes one step, even one that was cut off midway, and returns whether a file was put back.
# LeftError: the user has changed the result, or something is in the way; both stay.
_REVERSE = {
    "mkdir": _remove_folder,
    "move": _move_back,
    "copy": _delete_copy,
    "link": _delete_link,
    "tag": _untag,
}


def put_back(journal: Journal, first: int = 0) -> tuple[int, list[str]]:
    """Undo the entries from index `first` on, last one first.

    Returns the number of files put back, and a line for each that could not be.
    """
    restored, lines = 0, []
    for entry in reversed(journal.entries[first:]):
        if entry.over:
            continue
        try:
            journal.mark("undoing", entry)
            for beside in filter(None, (entry.source, entry.target)):
                Path(journal.part(entry, beside)).unlink(missing_ok=True)
            restored += _REVERSE[entry.kind](entry, journal)
            journal.mark("undone", entry)
        except LeftError as error:
            lines.append(str(error))
        except OSError as error:
            lines.append(f"{entry.target}: could not be put back ({error.strerror or error})")
        except (KeyError, TypeError, ValueError):
            lines.append(f"{entry.target}: left, the journal is damaged there")
    return restored, lines


def _relocate(journal: Journal, root: Path) -> None:
    """Rewrite the steps of `journal` for a library that has moved to `root`.

    Its old place is the ancestor of the first or last step's files, and of a scanned folder or the
    target, under which most of the recorded paths exist today.
    """
    steps = [entry for entry in journal.entries if entry.source and not entry.over][:200]

    def place(path: str, old: str) -> str:
        if not path or not Path(path).is_relative_to(old):
            return path
        return os.path.normpath(os.path.join(os.path.abspath(root), os.path.relpath(path, old)))

    paths = [path for one in steps for path in (os.path.dirname(one.source), one.target)]

    def fit(old: str) -> tuple[bool, int]:
        there = [path for path in paths if os.path.lexists(place(path, old))]
        return any(Path(path).is_relative_to(old) for path in there), len(there)

    ends = [path for one in (*steps[:1], *steps[-1:]) for path in (one.source, one.target)]
    folders = {str(folder) for path in ends for folder in Path(path).parents}
    if journal.roots:
        roots = list(map(Path, journal.roots))
        folders = {one for one in folders if any(root.is_relative_to(one) for root in roots)}
    old = max(sorted(folders, key=len), key=fit, default="")
    line = f"{root}: holds none of the files in {journal.path}; give the folder that was moved"
    require(old != "" and fit(old)[0], line)
    for entry in journal.entries:
        entry.source, entry.target = place(entry.source, old), place(entry.target, old)


def undo(path: Path | str, at: Path | None = None) -> Report:
    """Put back everything in the journal at `path`, even after a crash.

    Photos return to where they were; copies and links are deleted; sidecars get their former bytes;
    created folders are removed if they are empty. Nothing that has appeared at an old place is
    overwritten, and no copy or sidecar changed since is deleted: each such case is a line. Running
    it again retries only those.

    Parameters
    ----------
    path : Path or str
        Journal written by :func:`blur_fusion.actions.act.act`.
    at : Path, optional
        New place of a folder that held some or all of the files and was moved as a whole.

    Raises
    ------
    BlurError
        The file cannot be read or written, or is not a journal; none of its files is there.
    """
    journal = read(Path(path))
    if journal.closed:
        return Report(0, (), f"{path}: everything is undone already")
    if at is not None:
        _relocate(journal, at)
    else:
        left = [entry for entry in journal.entries if entry.source and not entry.over]
        paths = [path for one in left for path in (one.source, os.path.dirname(one.target))]
        there = any(map(os.path.lexists, journal.roots[:-1] or paths))
        line = f"{path}: its files are gone; if they were moved, give their folder: --at NEW_ROOT"
        require(not left or there, line)
    # Before anything is put back: a journal that cannot be written to is left alone.
    with files.os_errors(path, "cannot be written; copy it elsewhere and undo the copy"):
        os.truncate(journal.path, journal.size)
    restored, lines = put_back(journal)
    if not lines:
        journal.append({"closed": True})
    left_over = f", {len(lines)} could not be" if lines else ""
    summary = f"{files.counted(restored, 'file')} put back{left_over}"
    return Report(restored, tuple(map(files.printable, lines)), summary, failed=bool(lines))
