"""The one call that acts: plan, journal, perform, report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blur_fusion import files
from blur_fusion.actions.companions import Notes, find_shots
from blur_fusion.actions.journal import Entry, Journal, JournalError, create
from blur_fusion.actions.plan import (
    ActionOptions,
    ActionReport,
    Group,
    Places,
    Step,
    plan_actions,
)
from blur_fusion.actions.sidecar import prepare, tag, tag_group
from blur_fusion.actions.undo import identity, put_back
from blur_fusion.errors import BlurError
from blur_fusion.progress import progress_bar

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Verdict


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


class _Run:
    """State of one call of :func:`act`."""

    def __init__(
        self, verdicts: Iterable[Verdict], roots: Sequence[Path], options: ActionOptions
    ) -> None:
        self.verdicts, self.options = list(verdicts), options
        self.roots = [Path(root) for root in roots]
        self.transfer = options.transfer()
        if self.transfer:  # a wrong target ends here, before anything is written
            Places(os.path.abspath(self.transfer[1]), [os.fspath(root) for root in self.roots])
        self.notes = Notes()
        self.journal: Journal | None = None
        self.made: list[Path] = []  # folders made for the journal, the deepest first
        self.counts: dict[str, int] = {}

    def _open_journal(self) -> Journal:
        """In the target folder, or where the first root is; its folder is made now."""
        if self.journal is None:
            if self.transfer:
                folder = self.transfer[1]
            else:
                first = self.roots[0] if self.roots else Path(self.verdicts[0].path)
                folder = first if first.is_dir() else first.parent
            self.made = [p for p in (folder, *folder.parents) if not p.exists()]
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise JournalError(f"{folder}: cannot be made ({error.strerror})") from None
            self.journal = create(folder)
        return self.journal

    def _count(self, kind: str, number: int) -> None:
        if number:
            self.counts[kind] = self.counts.get(kind, 0) + number

    def tag(self) -> dict[str, set[str]]:
        """Tag the blurred shots; names of the sidecars by folder, which a dry run only plans."""
        coming: dict[str, set[str]] = {}
        for shot in find_shots(self.verdicts, self.notes):
            for step in tag_group(shot).steps:
                try:
                    before, after, _ = prepare(step, shot)
                    if before == after:
                        continue
                    if not self.options.dry_run:
                        self._count("tag", tag(step, shot, self._open_journal()))
                        continue
                except JournalError:
                    raise
                except BlurError as error:
                    self.notes.failures.append(str(error))
                    continue
                coming.setdefault(shot.folder, set()).add(os.path.basename(step.target))
                self._count("tag", 1)
        return coming

    def groups(self, coming: dict[str, set[str]]) -> list[Group]:
        """The planned transfers."""
        if not self.transfer:
            return []
        kind, target = self.transfer
        return plan_actions(self.verdicts, kind, target, self.roots, self.notes, coming)

    def perform(self, groups: list[Group]) -> None:
        """Take the planned transfers, journalled."""
        if not groups or not self.transfer:
            return
        kind, _ = self.transfer
        journal = self._open_journal()
        with progress_bar(len(groups), kind, "photo") as bar:
            for group in groups:
                failures = perform(group, journal)
                self.notes.failures += failures
                self._count(kind, 0 if failures else len(group.steps))
                bar.update()

    def report(self, interrupted: bool = False) -> ActionReport:
        """What came of it; a journal of nothing is removed."""
        dry, path = self.options.dry_run, None
        if self.journal and all(e.over for e in self.journal.entries):
            self.journal.path.unlink(missing_ok=True)
            with suppress(OSError):
                for folder in self.made:
                    folder.rmdir()
        elif self.journal:
            path = self.journal.path
        would = "would be " if dry else ""
        what = [f"{number} files {would}{VERBS[kind]}" for kind, number in self.counts.items()]
        summary = ", ".join(what) or f"no file {would or 'was '}touched"
        if path:
            summary += f"; to put everything back: blur undo {shlex.quote(str(path))}"
        lines = dict.fromkeys([*self.notes.left, *self.notes.failures])
        failed, done = bool(self.notes.failures) or interrupted, sum(self.counts.values())
        return ActionReport(
            path,
            done,
            tuple(map(files.printable, lines)),
            (),
            failed,
            interrupted,
            files.printable(summary),
        )


def _plan_lines(run: _Run) -> tuple[str, ...]:
    lines = []
    coming = run.tag() if run.options.tag else {}
    lines += [f"tag {Path(f, name)}" for f, names in coming.items() for name in sorted(names)]
    for group in run.groups(coming):
        lines += [f"{step.kind} {step.source} -> {step.target}" for step in group.steps]
        run._count(group.steps[0].kind, len(group.steps))
    return tuple(map(files.printable, lines))


def act(verdicts: Iterable[Verdict], roots: Sequence[Path], options: ActionOptions) -> ActionReport:
    """Do to the photos judged blurred what `options` ask for; sharp ones are not touched.

    Tags come first, so that new sidecars go with their photos. Sidecars and RAW+JPEG pairs go
    together: where a file of a shot cannot go, none does. Nothing is ever overwritten. Every step
    is in a journal on disk before it is taken: `blur-journal-<UTC time>.jsonl` in the target
    folder, or for tags alone in the first of `roots`; `undo` puts all back.

    Parameters
    ----------
    verdicts : iterable of Verdict
        All that were judged, sharp and failed ones too; `path` as found, of a regular file.
    roots : sequence of Path
        What was scanned, folders and files, as given: they decide the structure below the target.
    options : ActionOptions
        With `dry_run` nothing is written, no folder either, and the report holds the plan.

    Returns
    -------
    ActionReport
        Print `plan` to stdout, `lines` and `summary` to stderr; exit code 1 if `failed`.

    Raises
    ------
    BlurError
        The target is a file, or holds a scanned folder; two of move, copy and link are asked for.
    """
    run = _Run(verdicts, roots, options)
    if options.dry_run:
        plan = _plan_lines(run)
        return replace(run.report(), plan=plan)
    try:
        if options.tag:
            run.tag()
        run.perform(run.groups({}))
    except JournalError as error:
        run.notes.failures.append(str(error))
    except KeyboardInterrupt:
        run.notes.failures.append("interrupted; the shot in hand was put back")
        return run.report(interrupted=True)
    return run.report()
