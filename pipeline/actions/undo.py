"""`undo`: put back everything that a journal tells of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.actions.journal import Journal, JournalError, read
from pipeline.actions.options import printable
from pipeline.actions.reverse import LeftError, reverse


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
        Journal written by :func:`pipeline.actions.act`.

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
    told = tuple(map(printable, lines))
    return UndoReport(restored, told, bool(lines), f"{restored} files put back{left}")
