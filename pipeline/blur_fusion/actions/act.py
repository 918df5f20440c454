"""The one call that acts: plan, journal, perform, report."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from blur_fusion import files
from blur_fusion.actions.decisions import Decision
from blur_fusion.actions.journal import Journal, Report, create
from blur_fusion.actions.plan import ActionOptions, Places, Step, plan_transfers
from blur_fusion.actions.shots import Notes, Shot, find_shots
from blur_fusion.actions.sidecars import sidecars, tag
from blur_fusion.actions.undo import put_back
from blur_fusion.actions.xmp import RED, WORDS, YELLOW, Marks, XmlError
from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Prediction, is_loser
from blur_fusion.parallel import shown

Judged = Prediction | Decision  # what a classifier says of a photo, or a person
VERBS = {
    **{"move": "moved", "copy": "copied", "link": "linked"},
    **{"tag": "tagged", "rate": "rated", "untag": "untagged"},
}


def _judged(one: Prediction, rate: bool) -> Marks | None:
    """What sidecars are to say of a verdict; of a sharp photo nothing."""
    if one.blurred:
        words = tuple(word for word in WORDS if word in ("blurred", one.kind))
        rejected = -1 if rate else None
        return Marks(words, RED, rejected, rejected, one.probability)
    if rate and one.verdict == "unsure":
        return Marks(("unsure",), YELLOW, probability=one.probability)
    return None


def _decided(one: Decision, rate: bool) -> Marks | None:
    """What sidecars are to say of a decision; without ratings, of a photo that is kept nothing."""
    if one.keep is False:
        stars, flag = (-1 if one.rating is None else one.rating, -1) if rate else (None, None)
        return Marks(("rejected",), one.label or RED, stars, flag)
    if not rate:
        return None
    stars = 0 if one.rating is None and one.keep else one.rating
    return Marks((), one.label, stars, 1 if one.keep else None)


def _missing(folder: Path) -> list[Path]:
    """Folders to make for `folder` to be there, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _take(kind: str, source: str, target: str, journal: Journal, notes: Notes) -> None:
    for folder in reversed(_missing(Path(target).parent)):
        with journal.step("mkdir", "", str(folder)):
            folder.mkdir()
            files.own_as(str(folder), os.path.dirname(source))
    if kind == "link":
        text = os.path.realpath(source)  # absolute: it holds wherever the link is moved to
        with journal.step("link", source, target, text=text):
            os.symlink(text, target)
            files.own_as(target, source)
        return
    with journal.step(kind, source, target, **files.identity(source)) as entry:
        part = journal.part(entry, target)
        if kind == "copy":
            sha256, refused = files.copy(source, target, part)
            entry.made = {**files.identity(target), "sha256": sha256}
        else:
            was = files.attributes(source)
            refused = files.move(source, target, part)
            if (now := files.attributes(target)) != was:  # `undo` gives them back
                entry.made = {"was": was, "moved_ns": now["mtime_ns"]}
        notes.refused |= refused


def _perform(kind: str, steps: list[Step], journal: Journal, notes: Notes) -> list[str]:
    """Take the steps of one shot; where one fails, those before it are taken back.

    Returns
    -------
    list of str
        Empty, or one line that says what failed, and one for each step that could not be taken
        back.
    """
    first = len(journal.entries)
    source = ""
    try:
        for source, target in steps:
            _take(kind, source, target, journal, notes)
    except OSError as error:
        _, lines = put_back(journal, first)
        whole = "; its shot stays together" if len(steps) > 1 else ""
        line = f"{source}: could not be {VERBS[kind]} ({error.strerror or error}){whole}"
        return [line, *lines]
    except KeyboardInterrupt:
        put_back(journal, first)
        raise
    return []


class _Run:
    """State of one call of :func:`act`."""

    def __init__(
        self, judged: Iterable[Judged], roots: Sequence[Path], options: ActionOptions
    ) -> None:
        given = list(judged)
        self.decisions = {os.path.abspath(x.path): x for x in given if isinstance(x, Decision)}
        self.verdicts = [x.verdict() if isinstance(x, Decision) else x for x in given]
        self.roots, self.options = roots, options
        self.transfer = options.transfer()
        first = Path([*map(str, roots), *(one.path for one in self.verdicts[:1]), "."][0])
        self.home = first if first.is_dir() else first.parent
        # A wrong target ends here, before anything is written.
        self.places = Places(self.transfer[1], roots) if self.transfer else None
        self.notes = Notes()
        self.done: list[str] = []  # a line for each file; in a dry run what would be done
        self.moved: dict[str, str] = {}
        self.coming: dict[str, set[str]] = {}  # names of new sidecars by folder
        self.journal: Journal | None = None
        self.made: list[Path] = []  # folders made for the journal, the deepest first

    def open_journal(self) -> Journal:
        """In the target folder, or where the first root is; its folder is made now."""
        if self.journal is None:
            folder = self.transfer[1] if self.transfer else self.home
            self.made = _missing(folder)
            with files.os_errors(folder, "cannot be made"):
                folder.mkdir(parents=True, exist_ok=True)
            roots = [os.path.abspath(root) for root in (*self.roots, folder) if root.is_dir()]
            self.journal = create(folder, roots)
            for path in (*self.made, self.journal.path):
                files.own_as(str(path), str(self.home))
        return self.journal

    def marks(self, shot: Shot) -> Marks | None:
        """What the sidecars of a shot are to say; None: nothing of ours."""
        decision = self.decisions.get(os.path.abspath(shot.verdict.path))
        if decision is None:
            marks = _judged(shot.verdict, self.options.rate)
        else:
            marks = _decided(decision, self.options.rate)
        return marks and replace(marks, force=self.options.force)

    def tag(self) -> None:
        """Tag or rate shots; of those of which nothing is to be said, take our marks off."""
        journal = None if self.options.dry_run else self.open_journal
        verb = "rate" if self.options.rate else "tag"
        for shot in find_shots(self.verdicts, self.notes, {}, sharp=True):
            marks = self.marks(shot)
            for target, photo in sidecars(shot, new=marks is not None).items():
                try:
                    if not tag(target, photo, marks, journal, self.notes):
                        continue
                except (XmlError, OSError) as error:
                    reason = getattr(error, "strerror", None) or error
                    self.notes.failures.append(f"{target}: left as it is: {reason}")
                    continue
                if marks:
                    self.coming.setdefault(shot.folder, set()).add(os.path.basename(target))
                self.done.append(f"{verb if marks else 'untag'} {target}")

    def transfer_shots(self) -> None:
        """Move, copy or link the blurred shots, and the losers of bursts where asked."""
        if not self.transfer or not self.places:
            return
        kind, dry = self.transfer[0], self.options.dry_run
        wanted = self.verdicts
        if self.options.losers:
            wanted = [replace(one, blurred=True) if is_loser(one) else one for one in wanted]
        shots = find_shots(wanted, self.notes, self.coming)
        plan = plan_transfers(shots, kind, self.places, self.notes)
        for steps in plan if dry else shown(plan, len(plan), kind):
            failures = [] if dry else _perform(kind, steps, self.open_journal(), self.notes)
            self.notes.failures += failures
            if not failures:
                self.moved |= dict(steps) if kind == "move" and not dry else {}
                self.done += [f"{kind} {source} -> {target}" for source, target in steps]

    def report(self, interrupted: bool) -> Report:
        """What came of it; a journal of nothing is removed."""
        dry, path = self.options.dry_run, None
        if self.journal and all(entry.over for entry in self.journal.entries):
            self.journal.path.unlink(missing_ok=True)
            with suppress(OSError):
                for folder in self.made:
                    folder.rmdir()
        elif self.journal:
            path = self.journal.path
        would = "would be " if dry else ""
        counts = Counter(line.split()[0] for line in self.done)
        what = [f"{number} files {would}{VERBS[kind]}" for kind, number in counts.items()]
        summary = ", ".join(what) or f"no file {would or 'was '}touched"
        if path:
            summary += f"; to put everything back: blur undo {shlex.quote(str(path))}"
        if self.notes.refused:
            lost = ", ".join(sorted(self.notes.refused))
            place = self.transfer[1] if self.transfer else self.home
            line = f"{place}: files there keep their content, verified, but not their {lost}"
            self.notes.left.append(line)
        lines = dict.fromkeys([*self.notes.left, *self.notes.failures])
        return Report(
            journal=path,
            done=len(self.done),
            lines=tuple(map(files.printable, lines)),
            plan=tuple(map(files.printable, self.done)) if dry else (),
            failed=bool(self.notes.failures),
            interrupted=interrupted,
            summary=files.printable(summary),
            moved=self.moved,
        )


def act(judged: Iterable[Judged], roots: Sequence[Path], options: ActionOptions) -> Report:
    """Do to photos judged blurred, or rejected, what `options` ask for; others are not touched.

    Tags and ratings come first, so that new sidecars go with their photos; of sharp photos what
    earlier runs have added is taken off. Sidecars and RAW+JPEG pairs go
    together: where a file of a shot cannot go, none does. Nothing is ever overwritten. Every step
    is in a journal on disk before it is taken: `blur-journal-<UTC time>.jsonl` in the target
    folder, or for tags alone in the first of `roots`; `undo` puts all back.

    Parameters
    ----------
    judged : iterable of Prediction or Decision
        All that were judged, sharp and failed ones too; `path` as found, of a regular file.
    roots : sequence of Path
        What was scanned, folders and files, as given: they decide the structure below the target.
    options : ActionOptions
        With `dry_run` nothing is written, no folder either, and the report holds the plan.

    Returns
    -------
    Report
        Print `plan` to stdout, `lines` and `summary` to stderr; exit code 1 if `failed`.

    Raises
    ------
    BlurError
        The target is a file, or holds a scanned folder; two of move, copy and link are asked for.
    """
    run, interrupted = _Run(judged, roots, options), False
    try:
        if options.tag or options.rate:
            run.tag()
        run.transfer_shots()
    except BlurError as error:
        run.notes.failures.append(f"{error}; stopped")
    except KeyboardInterrupt:
        run.notes.failures.append("interrupted; no shot is half done")
        interrupted = True
    return run.report(interrupted)
