"""The one call that acts: plan, record in the journal, perform, report."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from blur_fusion import files
from blur_fusion.actions.decisions import Decision, embedded_rating
from blur_fusion.actions.journal import Journal, Report, create, put_back
from blur_fusion.actions.plan import ActionOptions, Step, plan_transfers
from blur_fusion.actions.shots import Notes, Shot, find_shots
from blur_fusion.actions.xmp import (
    LARGEST,
    RED,
    WORDS,
    YELLOW,
    Marks,
    XmlError,
    fresh,
    mark,
    read,
    unmark,
)
from blur_fusion.errors import BlurError
from blur_fusion.images.formats import suffix
from blur_fusion.model.prediction import Prediction, is_loser
from blur_fusion.parallel import shown

Judged = Prediction | Decision  # by a classifier, or by a person
_VERBS = {
    "move": "moved",
    "copy": "copied",
    "link": "linked",
    "tag": "tagged",
    "rate": "rated",
    "untag": "untagged",
}


def _judged(one: Prediction, rate: bool) -> Marks | None:
    """What sidecars should say about a verdict; None for a sharp photo."""
    if one.blurred:
        words = tuple(word for word in WORDS if word in ("blurred", one.kind))
        rejected = -1 if rate else None
        return Marks(words, RED, rejected, rejected, one.probability)
    if rate and one.verdict == "unsure":
        return Marks(("unsure",), YELLOW, probability=one.probability)
    return None


def _decided(one: Decision, rate: bool) -> Marks | None:
    """What sidecars should say about a decision; without `rate`, None for a kept photo."""
    if one.keep is False:
        stars, flag = (-1 if one.rating is None else one.rating, -1) if rate else (None, None)
        return Marks(("rejected",), one.label or RED, stars, flag)
    if not rate:
        return None
    stars = 0 if one.rating is None and one.keep else one.rating
    return Marks((), one.label, stars, 1 if one.keep else None)


def _tag(
    target: str,
    photo: str,
    marks: Marks | None,
    journal: Callable[[], Journal] | None,
    notes: Notes,
) -> bool:
    """Write `marks` to the sidecar `target` of `photo`; whether there was anything to write.

    None removes our earlier marks, and the sidecar if nothing else is in it. `journal` opens the
    journal; without it nothing is written. After an XmlError or OSError the sidecar is as it was.
    """
    if marks and marks.rating and not marks.force:
        stars = embedded_rating(photo)
        if stars is not None and stars > max(marks.rating, 0):
            notes.left.append(f"{photo}: rating {stars} stays; --force lowers it")
            marks = replace(marks, rating=None)
    found = os.lstat(target) if os.path.lexists(target) else None
    before: bytes | None = None
    after: bytes | None
    if found is None:
        assert marks is not None  # only existing sidecars are amended
        whole = os.path.splitext(target)[0] == photo
        after = fresh(marks, None if whole else suffix(photo)[1:].upper())
    else:
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            if marks is None:
                return False
            raise XmlError("it is a link, not a regular file, or larger than 16 MB")
        before = Path(target).read_bytes()
        after = unmark(before) if marks is None else mark(before, marks)
        stays = read(after).rating if marks and marks.rating and after else None
        if marks and stays is not None and stays > (marks.rating or 0):
            notes.left.append(f"{target}: rating {stays} stays; --force lowers it")
    if before == after or journal is None:
        return before != after
    facts = {
        "before": None if before is None else base64.b64encode(before).decode("ascii"),
        "mtime_ns": None if found is None else found.st_mtime_ns,
        "sha256": None if after is None else hashlib.sha256(after).hexdigest(),
    }
    opened = journal()
    with opened.step("tag", photo, target, **facts) as entry:
        if found is not None and os.lstat(target).st_mtime_ns != found.st_mtime_ns:
            raise OSError(None, "another program is writing it")
        if after is None:
            os.unlink(target)
        else:
            part = opened.part(entry, target)
            notes.refused |= files.write(target, after, part, new=found is None, like=photo)
    return True


def _missing(folder: Path) -> list[Path]:
    """Folders to create for `folder` to exist, the deepest first."""
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
            if (now := files.attributes(target)) != was:  # `undo` restores them
                entry.made = {"was": was, "moved_ns": now["mtime_ns"]}
        notes.refused |= refused


def _perform(kind: str, steps: list[Step], journal: Journal, notes: Notes) -> list[str]:
    """Take the steps of one shot, or none: if one fails, those before it are undone.

    Returns a line that says what failed and one for each step that could not be undone.
    """
    first = len(journal.entries)
    source = ""
    try:
        for source, target in steps:
            _take(kind, source, target, journal, notes)
    except OSError as error:
        _, lines = put_back(journal, first)
        whole = "; its shot stays together" if len(steps) > 1 else ""
        line = f"{source}: could not be {_VERBS[kind]} ({error.strerror or error}){whole}"
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
        verdicts = [x.verdict() if isinstance(x, Decision) else x for x in given]
        self.verdicts = [
            replace(one, blurred=False) if one.verdict == "unsure" else one for one in verdicts
        ]
        self.roots, self.options = roots, options
        first = Path([*map(str, roots), *(one.path for one in self.verdicts[:1]), "."][0])
        self.home = first if first.is_dir() else first.parent
        self.places = options.places(roots)  # a wrong target ends here, before anything is written
        self.target = Path(self.places["blurred"].target) if self.places else self.home
        self.notes = Notes()
        self.done: list[str] = []  # a line per file; in a dry run, what would be done
        self.moved: dict[str, str] = {}
        self.coming: dict[str, set[str]] = {}  # names of new sidecars by folder
        self.journal: Journal | None = None
        self.made: list[Path] = []  # folders created for the journal, the deepest first

    def open_journal(self) -> Journal:
        """The journal, created on the first call in the target folder or the first root."""
        if self.journal is None:
            self.made = _missing(self.target)
            with files.os_errors(self.target, "cannot be created"):
                self.target.mkdir(parents=True, exist_ok=True)
            roots = [os.path.abspath(root) for root in (*self.roots, self.target) if root.is_dir()]
            self.journal = create(self.target, roots)
            for path in (*self.made, self.journal.path):
                files.own_as(str(path), str(self.home))
        return self.journal

    def marks(self, shot: Shot) -> Marks | None:
        """What the sidecars of a shot should say; None: nothing of ours."""
        decision = self.decisions.get(os.path.abspath(shot.verdict.path))
        if decision is None:
            marks = _judged(shot.verdict, self.options.rate)
        else:
            marks = _decided(decision, self.options.rate)
        return marks and replace(marks, force=self.options.force)

    def tag(self) -> None:
        """Tag or rate shots, and remove our marks from those with nothing to say."""
        journal = None if self.options.dry_run else self.open_journal
        verb = "rate" if self.options.rate else "tag"
        for shot in find_shots(self.verdicts, self.notes, {}, sharp=True):
            marks = self.marks(shot)
            for target, photo in shot.sidecars(new=marks is not None).items():
                try:
                    if not _tag(target, photo, marks, journal, self.notes):
                        continue
                except (XmlError, OSError) as error:
                    reason = getattr(error, "strerror", None) or error
                    self.notes.failures.append(f"{target}: left as it is: {reason}")
                    continue
                if marks:
                    self.coming.setdefault(shot.folder, set()).add(os.path.basename(target))
                self.done.append(f"{verb if marks else 'untag'} {target}")

    def wanted(self, word: str) -> Iterator[Prediction]:
        """The verdicts, `blurred` set for the photos of the pile `word`."""
        for one in self.verdicts:
            loser = self.options.losers and is_loser(one)
            if word == "blurred":
                goes = one.blurred or loser
            else:
                goes = one.verdict == "unsure" and not loser
            yield one if one.blurred is None else replace(one, blurred=goes)

    def transfer(self, kind: str) -> None:
        """Move, copy or link the shots of each pile to its target."""
        dry = self.options.dry_run
        for word, places in self.places.items():
            shots = find_shots(self.wanted(word), self.notes, self.coming)
            plan = plan_transfers(shots, kind, places, self.notes)
            for steps in plan if dry else shown(plan, len(plan), kind):
                failures = [] if dry else _perform(kind, steps, self.open_journal(), self.notes)
                self.notes.failures += failures
                if not failures:
                    self.moved |= dict(steps) if kind == "move" and not dry else {}
                    self.done += [f"{kind} {source} -> {target}" for source, target in steps]

    def report(self, interrupted: bool) -> Report:
        """What was done; a journal without steps is deleted."""
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
        what = [
            f"{files.counted(number, 'file')} {would}{_VERBS[kind]}"
            for kind, number in counts.items()
        ]
        summary = ", ".join(what) or f"no file {would or 'was '}touched"
        if path:
            summary += f"; to put everything back: blur undo {shlex.quote(str(path))}"
        if self.notes.refused:
            lost = ", ".join(sorted(self.notes.refused))
            line = f"{self.target}: files there keep their content, verified, but not their {lost}"
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
    """Act on blurred and rejected photos, and on unsure ones if there is a target for them.

    Tags and ratings come first, so that new sidecars go with their photos; marks of earlier runs
    are removed from sharp photos. A shot goes as a whole or not at all, and nothing is ever
    overwritten. Every step is in a journal on disk before it is taken:
    `blur-journal-<UTC time>.jsonl` in the target folder of blurred photos or, for tags alone, in
    the first of `roots`; `undo` puts everything back.

    Parameters
    ----------
    judged : iterable of Prediction or Decision
        Every regular file that was judged, sharp and failed ones too; `path` as found.
    roots : sequence of Path
        The scanned folders and files as given; they decide the structure below the target.
    options : ActionOptions
        With `dry_run` nothing is written, and the report holds the plan.

    Returns
    -------
    Report
        Print `plan` to stdout, `lines` and `summary` to stderr; exit code 1 if `failed`.

    Raises
    ------
    BlurError
        A target is a file, or holds a scanned folder.
    """
    run, interrupted = _Run(judged, roots, options), False
    try:
        if options.tag or options.rate:
            run.tag()
        if options.kind:
            run.transfer(options.kind)
    except BlurError as error:
        run.notes.failures.append(f"{error}; stopped")
    except KeyboardInterrupt:
        run.notes.failures.append("interrupted; no shot is half done")
        interrupted = True
    return run.report(interrupted)
