"""`undo`: put back everything that a journal tells of."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from blur_fusion import files
from blur_fusion.actions.journal import Entry, Journal, Report, read
from blur_fusion.errors import require


class LeftError(Exception):
    """A step cannot be undone; the message says why, in one line."""


def _is(path: str, facts: dict[str, Any]) -> bool:
    return all(facts.get(key) == value for key, value in files.identity(path).items())


def _empty(path: str) -> bool:
    return os.path.isfile(path) and os.lstat(path).st_size == 0


def _remove_folder(entry: Entry, journal: Journal) -> bool:
    with suppress(OSError):  # others' files are in it
        os.rmdir(entry.target)
    return False


def _settle(entry: Entry) -> bool:
    """Clear what a crash left of a move to or fro; whether it is back already."""
    source, target, facts = entry.source, entry.target, entry.facts
    begun = "done" not in entry.marks and _is(source, facts)
    undoing = "undoing" in entry.marks
    if (begun and _empty(target)) or ((begun or undoing) and files.same(source, target)):
        Path(target).unlink(missing_ok=True)  # a crash came before one of the two was deleted
        return True
    if undoing and facts.get("size") and _empty(source):
        Path(source).unlink(missing_ok=True)  # held for the way back
        return False
    raise LeftError(f"{source}: is there again, so {target} stays where it is")


def _move_back(entry: Entry, journal: Journal) -> bool:
    source, target = entry.source, entry.target
    if not os.path.lexists(target):
        if os.path.lexists(source) and _is(source, entry.facts):
            return False
        raise LeftError(f"{target}: is no longer there, so {source} cannot be put back")
    if os.path.lexists(source) and _settle(entry):
        return False
    os.makedirs(os.path.dirname(source), exist_ok=True)
    # What another file system did not take comes back, unless the file was changed there.
    kept = os.stat(target).st_mtime_ns == entry.facts.get("moved_ns")
    part, was = journal.part(entry, source), entry.facts.get("was") if kept else None
    files.move(target, source, part, was)
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
    if now == before:
        return False
    if before is not None and now in (None, b"") and facts.get("sha256") is None:
        Path(target).unlink(missing_ok=True)  # held for the way back
        part, then = journal.part(entry, target), facts.get("mtime_ns")
        files.write(target, before, part, new=True, like=entry.source, mtime_ns=then)
        return True
    if now is None:
        raise LeftError(f"{target}: is no longer there")
    if hashlib.sha256(now).hexdigest() == facts.get("sha256"):
        if before is None:
            os.unlink(target)
        else:
            part, then = journal.part(entry, target), facts.get("mtime_ns")
            files.write(target, before, part, new=False, like=target, mtime_ns=then)
        return True
    if before is None and now == b"" and "done" not in entry.marks:
        os.unlink(target)  # the name was held, no more
        return False
    raise LeftError(f"{target}: was changed since it was tagged; left")


# Each undoes one step, also one that was cut off in the middle, and says whether a file was put
# back. LeftError: the user has changed what the step made, or something is in the way; both stay.
REVERSE = {
    "mkdir": _remove_folder,
    "move": _move_back,
    "copy": _delete_copy,
    "link": _delete_link,
    "tag": _untag,
}


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
            for beside in filter(None, (entry.source, entry.target)):
                Path(journal.part(entry, beside)).unlink(missing_ok=True)
            restored += REVERSE[entry.kind](entry, journal)
            journal.mark("undone", entry)
        except LeftError as error:
            lines.append(str(error))
        except OSError as error:
            lines.append(f"{entry.target}: could not be put back ({error.strerror or error})")
        except (KeyError, TypeError, ValueError):
            lines.append(f"{entry.target}: left, as the journal is damaged there")
    return restored, lines


def _relocate(journal: Journal, root: Path) -> None:
    """Change the steps of `journal` to those of a library that lies at `root` now.

    It lay at that folder, of those that hold files of the first or the last step and what was
    scanned or the target, with which most of what the steps tell of is there.
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
    roots = [Path(root) for root in journal.roots]  # of a journal of before: none
    if roots:
        folders = {one for one in folders if any(root.is_relative_to(one) for root in roots)}
    old = max(sorted(folders, key=len), key=fit, default="")
    known = old != "" and fit(old)[0]
    line = f"{root}: holds nothing that {journal.path} tells of; name the folder that moved"
    require(known, line)
    for entry in journal.entries:
        entry.source, entry.target = place(entry.source, old), place(entry.target, old)


def undo(path: Path | str, at: Path | None = None) -> Report:
    """Put back everything that the journal at `path` tells of, also after a crash.

    Photos return to where they were; copies and links are deleted, sidecars get their former bytes;
    folders made are removed where they are empty. Nothing that has appeared at an old place since
    is overwritten, and no copy or sidecar changed since is deleted: each such case is a line.
    Running it again tries those once more and touches nothing else.

    Parameters
    ----------
    path : Path or str
        Journal written by :func:`blur_fusion.actions.act`.
    at : Path, optional
        Where a folder with all or some of it lies now, which was moved as a whole.

    Raises
    ------
    BlurError
        The file cannot be read, is no journal, or cannot be written; nothing that it tells of is
        there.
    """
    journal = read(Path(path))
    if journal.closed:
        return Report(0, (), f"{path}: everything is undone already")
    writable = os.access(journal.path, os.W_OK)
    require(
        writable,
        f"{path}: cannot be written; copy it to a place where it can be, and undo the copy",
    )
    if at is not None:
        _relocate(journal, at)
    else:
        left = [entry for entry in journal.entries if entry.source and not entry.over]
        paths = [path for one in left for path in (one.source, os.path.dirname(one.target))]
        there = any(map(os.path.lexists, journal.roots[:-1] or paths))
        line = f"{path}: what it tells of is gone; if it was moved, say where to with --at NEW_ROOT"
        require(not left or there, line)
    restored, lines = put_back(journal)
    if not lines:
        journal.append({"closed": True})
    more = f", {len(lines)} could not be" if lines else ""
    summary = f"{restored} files put back{more}"
    return Report(restored, tuple(map(files.printable, lines)), summary, failed=bool(lines))
