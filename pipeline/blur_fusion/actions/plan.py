"""What is asked for, and what will be done, step by step, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from blur_fusion import files
from blur_fusion.actions.companions import Notes, Shot, dotted_prefixes, find_shots
from blur_fusion.errors import require

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Verdict


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What to do with blurred photos; at most one of `move`, `copy` and `link`."""

    move: Path | None = None
    copy: Path | None = None
    link: Path | None = None
    tag: bool = False
    dry_run: bool = False

    def transfer(self) -> tuple[Kind, Path] | None:
        """What to do and the target folder; None where photos stay.

        Raises
        ------
        BlurError
            More than one is asked for.
        """
        asked: list[tuple[Kind, Path | None]] = [
            ("move", self.move),
            ("copy", self.copy),
            ("link", self.link),
        ]
        given = [(kind, path) for kind, path in asked if path is not None]
        require(len(given) < 2, "move, copy and link exclude one another; choose one")
        return given[0] if given else None


@dataclass(frozen=True, slots=True)
class ActionReport:
    """What was done; the library prints nothing."""

    journal: Path | None  # None where nothing was done
    done: int  # files moved, copied, linked or tagged; in a dry run those that would be
    lines: tuple[str, ...]  # one for each case that was left alone or failed, and why (stderr)
    plan: tuple[str, ...] = ()  # dry run only: one line for each file (stdout)
    failed: bool = False  # something asked for could not be done: exit code 1
    interrupted: bool = False  # Ctrl-C; what was done is in the journal, no shot is half done
    summary: str = ""  # one line


Owner = tuple[str, str] | None  # folder and stem


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _folder_names(roots: Sequence[str]) -> dict[str, str]:
    """Folder below the target for each scanned folder: none for a single one, else its name."""
    outermost = [r for r in roots if not any(o != r and _below(r, o) for o in roots)]
    if len(outermost) == 1:
        return {outermost[0]: ""}
    names: dict[str, str] = {}
    for root in outermost:
        name = os.path.basename(root) or "root"
        tries = (name if n == 1 else f"{name} ({n})" for n in count(1))
        used = {other.casefold() for other in names.values()}
        names[root] = next(one for one in tries if one.casefold() not in used)
    return names


class Places:
    """Goals below one target folder; remembers which names are given away.

    Parameters
    ----------
    target : str
        Absolute; need not exist.
    roots : sequence of str
        What was scanned. A file below a folder keeps its place relative to it; where several
        folders were scanned, below that folder's name, numbered where two are called alike. A file
        named directly goes to the top.

    Raises
    ------
    BlurError
        `target` holds a scanned folder, so that every photo would lie in it already, or is a file.
    """

    def __init__(self, target: str, roots: Sequence[str]) -> None:
        """Look at the roots; nothing is written."""
        self.target = target
        self._real = os.path.realpath(target)
        folders = list(dict.fromkeys(os.path.abspath(r) for r in roots if os.path.isdir(r)))
        for folder in folders:
            require(
                not _below(os.path.realpath(folder), self._real),
                f"{target}: holds the scanned folder {folder}; choose another target",
            )
        require(
            os.path.isdir(target) or not os.path.lexists(target),
            f"{target}: is not a folder; choose another target",
        )
        self._roots = _folder_names(folders)
        self._owners: dict[str, dict[str, Owner]] = {}
        self._real_folders: dict[str, str] = {}

    def holds(self, folder: str) -> bool:
        """Whether `folder` lies in the target already."""
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return _below(self._real_folders[folder], self._real)

    def goal(self, folder: str) -> str:
        """The folder below the target for files of `folder`."""
        for root, name in self._roots.items():
            if _below(folder, root):
                return os.path.normpath(
                    os.path.join(self.target, name, os.path.relpath(folder, root))
                )
        return self.target

    def _owners_in(self, goal: str) -> dict[str, Owner]:
        """What names in `goal` begin with, and the shot it was given to in this run."""
        if goal not in self._owners:
            names = os.listdir(goal) if os.path.isdir(goal) else []
            prefixes = {p.casefold() for name in names for p in dotted_prefixes(name)}
            self._owners[goal] = dict.fromkeys(prefixes)
        return self._owners[goal]

    def free(self, shot: Shot, kind: str) -> list[tuple[str, str]]:
        """Source and target of each file of `shot`, with one free stem for all of them.

        A stem is taken where any file in the goal begins with it, so that no photo meets a
        stranger's sidecar; `IMG_1` becomes `IMG_1 (2)` then. Files that shared a stem before may
        share it again. What an earlier run copied or linked is left out of the answer.
        """
        goal = self.goal(shot.folder)
        owners, own = self._owners_in(goal), (shot.folder, shot.stem)
        names = [*shot.photos, *shot.sidecars]
        sources = [os.path.join(shot.folder, name) for name in names]
        for number in count(1):
            stem = shot.stem if number == 1 else f"{shot.stem} ({number})"
            targets = [os.path.join(goal, stem + name[len(shot.stem) :]) for name in names]
            pairs = list(zip(sources, targets, strict=True))
            if owners.get(stem.casefold(), own) == own:
                given = (p for path in targets for p in dotted_prefixes(os.path.basename(path)))
                owners.update((prefix.casefold(), own) for prefix in given)
                return pairs
            if kind != "move":
                there = [pair for pair in pairs if os.path.lexists(pair[1])]
                if there and pairs[0] in there and all(_same(*pair, kind) for pair in there):
                    return [pair for pair in pairs if pair not in there]
        raise AssertionError("count() ends never")


def _same(source: str, target: str, kind: str) -> bool:
    try:
        if kind == "link":
            return os.path.islink(target) and os.readlink(target) == os.path.realpath(source)
        return not os.path.islink(target) and files.same(source, target)
    except OSError:
        return False


Kind = Literal["move", "copy", "link"]


@dataclass(frozen=True, slots=True)
class Step:
    """One file."""

    kind: str  # move, copy, link or tag
    source: str  # absolute
    target: str  # absolute; of a tag: the sidecar


@dataclass(frozen=True, slots=True)
class Group:
    """The steps for one shot: all of them are taken, or none."""

    shot: Shot
    steps: tuple[Step, ...]


def _refused(shot: Shot, kind: Kind) -> str | None:
    for name in (*shot.photos, *shot.sidecars):
        path = os.path.join(shot.folder, name)
        if kind == "move" and os.path.islink(path):
            return f"{path}: is a symbolic link; left where it is"
        if not os.path.isfile(path) and os.path.lexists(path):
            return f"{path}: is not a regular file, or a broken link; left"
    return None


def plan_actions(
    verdicts: Iterable[Verdict],
    kind: Kind,
    target: Path,
    roots: Sequence[Path],
    notes: Notes,
    coming: Mapping[str, set[str]] | None = None,
) -> list[Group]:
    """Plan where each blurred photo goes; nothing is written.

    Parameters
    ----------
    verdicts : iterable of Verdict
        All that were judged, sharp ones too: they tell where the members of a pair disagree.
    kind : "move", "copy" or "link"
        What to do.
    target : Path
        Folder for the photos; made when needed. What lies in it already is left alone.
    roots : sequence of Path
        What was scanned: folders and files. See :class:`blur_fusion.actions.plan.Places`.
    notes : Notes
        Gains a line for each shot that is left out.
    coming : mapping of folder to names, optional
        Files to be taken for existing.

    Returns
    -------
    list of Group
        One for each shot, in the order of `verdicts`.

    Raises
    ------
    BlurError
        The target is a file, or holds a scanned folder.
    """
    places = Places(os.path.abspath(target), [os.fspath(root) for root in roots])
    groups, inside, known = [], 0, 0
    for shot in find_shots(verdicts, notes, coming):
        refused = _refused(shot, kind)
        if places.holds(shot.folder):
            inside += 1
        elif refused:
            notes.failures.append(refused)
        else:
            try:
                pairs = places.free(shot, kind)
            except OSError as error:
                reason = error.strerror
                notes.failures.append(f"{shot.path}: {error.filename} cannot be read ({reason})")
                continue
            known += not pairs
            if pairs:
                groups.append(Group(shot, tuple(Step(kind, *pair) for pair in pairs)))
    if inside:
        notes.left.append(f"{target}: {inside} blurred photos lie in it already; left")
    if known:
        notes.left.append(f"{target}: {known} blurred photos are there from an earlier run")
    return groups
