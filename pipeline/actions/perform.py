"""Take the planned steps, each after its line in the journal; a shot goes as a whole or not."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from pipeline.actions import files
from pipeline.actions.journal import Entry, Journal
from pipeline.actions.plan import Group, Step
from pipeline.actions.reverse import identity
from pipeline.actions.undo import put_back

VERBS = {"move": "moved", "copy": "copied", "link": "linked", "tag": "tagged"}


def _make_folders(folder: str, journal: Journal) -> None:
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        _attempt(journal.intend("mkdir", "", path), journal, partial(os.mkdir, path))


def _attempt(entry: Entry, journal: Journal, work: Callable[[], object]) -> None:
    """Do `work`, which leaves nothing behind when it fails."""
    try:
        work()
    except OSError:
        journal.mark("failed", entry)
        raise
    journal.done(entry)


def _take(step: Step, journal: Journal) -> None:
    source, target = step.source, step.target
    _make_folders(os.path.dirname(target), journal)
    if step.kind == "link":
        text = os.path.realpath(source)  # absolute: it holds wherever the link is moved to
        entry = journal.intend("link", source, target, text=text)
        _attempt(entry, journal, partial(os.symlink, text, target))
        return
    entry = journal.intend(step.kind, source, target, **identity(source))
    part = journal.part(entry, target)
    if step.kind == "move":
        _attempt(entry, journal, partial(files.move, source, target, part))
        return
    try:
        value = files.copy(source, target, part)
        facts = {**identity(target), "sha256": value}
    except OSError:
        journal.mark("failed", entry)
        raise
    journal.done(entry, **facts)


def perform(group: Group, journal: Journal) -> list[str]:
    """Take the steps of one shot; where one fails, those before it are taken back.

    Returns
    -------
    list of str
        Empty, or one line that says what failed, and one for each step that could not be taken
        back.
    """
    first = len(journal.entries)
    step = group.steps[0]
    try:
        for step in group.steps:
            _take(step, journal)
    except OSError as error:
        _, lines = put_back(journal, first)
        reason = error.strerror or error
        whole = "; its shot stays together" if len(group.steps) > 1 else ""
        return [f"{step.source}: could not be {VERBS[step.kind]} ({reason}){whole}", *lines]
    except KeyboardInterrupt:
        put_back(journal, first)
        raise
    return []
