"""What to do, and where each file will go, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from blur_fusion import files
from blur_fusion.actions.shots import Notes, Shot, beginnings, names_by_stem
from blur_fusion.errors import require

Step = tuple[str, str]  # source and target, absolute
_Owner = tuple[str, str] | None  # folder and stem


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What to do with blurred or rejected photos; at most one of `move`, `copy` and `link`."""

    move: Path | None = None
    copy: Path | None = None
    link: Path | None = None
    unsure: Path | None = None  # where unsure photos are moved, copied or linked, too
    tag: bool = False
    dry_run: bool = False
    rate: bool = False  # write ratings and flags beside the keywords and labels of `tag`
    force: bool = False  # lower ratings and flags of others
    losers: bool = False  # also transfer what is less sharp than the best of its burst

    def __post_init__(self) -> None:
        """Refuse more than one of `move`, `copy` and `link`."""
        given = sum(target is not None for target in (self.move, self.copy, self.link))
        require(given < 2, "choose one of move, copy and link")

    @property
    def kind(self) -> str | None:
        """Either "move", "copy" or "link"; None if photos stay where they are."""
        kinds = ("move", "copy", "link")
        return next((kind for kind in kinds if getattr(self, kind) is not None), None)

    def places(self, roots: Sequence[Path]) -> dict[str, Places]:
        """Where the photos of each verdict, "blurred" and "unsure", go; BlurError: see `Places`."""
        if self.kind is None:
            return {}
        targets = {"blurred": getattr(self, self.kind), "unsure": self.unsure}
        return {word: Places(target, roots) for word, target in targets.items() if target}


def _numbered(name: str) -> Iterator[str]:
    """`name`, `name (2)` and so on."""
    yield name
    yield from (f"{name} ({number})" for number in count(2))


def _folder_names(roots: Sequence[str]) -> dict[str, str]:
    """Folder below the target for each scanned folder: none for a single one, else its name."""
    outermost = [root for root in roots if not any(str(p) in roots for p in Path(root).parents)]
    if len(outermost) == 1:
        return {outermost[0]: ""}
    names: dict[str, str] = {}
    for root in outermost:
        used = {other.casefold() for other in names.values()}
        tries = _numbered(os.path.basename(root) or "root")
        names[root] = next(name for name in tries if name.casefold() not in used)
    return names


class Places:
    """Free places below one target folder, each given away once.

    Parameters
    ----------
    target : Path
        Need not exist. Files already in it are left alone.
    roots : sequence of Path
        What was scanned. A file below a folder keeps its relative place; with several folders,
        below that folder's name, numbered if two share one. A file named directly goes to the top.

    Raises
    ------
    BlurError
        `target` is a file, or holds a scanned folder, so that every photo would be in it already.
    """

    def __init__(self, target: Path, roots: Sequence[Path]) -> None:
        """Look at the roots; nothing is written."""
        self.target = os.path.abspath(target)
        self._real = os.path.realpath(target)
        folders = list(dict.fromkeys(os.path.abspath(r) for r in roots if os.path.isdir(r)))
        for folder in folders:
            line = f"{self.target}: holds the scanned folder {folder}; choose another target"
            require(not self.holds(folder), line)
        free = os.path.isdir(target) or not os.path.lexists(target)
        require(free, f"{self.target}: is not a folder; choose another target")
        self._roots = _folder_names(folders)
        self._owners: dict[str, dict[str, _Owner]] = {}

    def holds(self, folder: str) -> bool:
        """Whether `folder` is in the target already."""
        return Path(os.path.realpath(folder)).is_relative_to(self._real)

    def goal(self, folder: str) -> str:
        """The folder below the target for files of `folder`."""
        for root, name in self._roots.items():
            if Path(folder).is_relative_to(root):
                return str(Path(self.target, name, Path(folder).relative_to(root)))
        return self.target

    def _owners_in(self, goal: str) -> dict[str, _Owner]:
        """The stems taken in `goal`, each with the shot that was given it in this run."""
        if goal not in self._owners:
            stems = names_by_stem(goal, os.listdir(goal)) if os.path.isdir(goal) else {}
            self._owners[goal] = dict.fromkeys(stem.casefold() for stem in stems)
        return self._owners[goal]

    def steps(self, shot: Shot, kind: str) -> list[Step]:
        """A step for each file of `shot`, under one free stem for all of them.

        A stem is taken if any file in the goal begins with it, so that no photo meets a stranger's
        sidecar; `IMG_1` then becomes `IMG_1 (2)`. Files that shared a stem before may share it
        again. What an earlier run copied or linked is left out.
        """
        goal = self.goal(shot.folder)
        owners, own = self._owners_in(goal), (shot.folder, shot.stem)
        for stem in _numbered(shot.stem):
            names = shot.names(stem)
            steps = list(zip(shot.paths, (os.path.join(goal, name) for name in names), strict=True))
            if owners.get(stem.casefold(), own) == own:
                given = (prefix for name in names for prefix in beginnings(name))
                owners.update((prefix.casefold(), own) for prefix in given)
                return steps
            there = [step for step in steps if os.path.lexists(step[1])]
            if kind != "move" and steps[0] in there and all(_is_done(kind, *s) for s in there):
                return [step for step in steps if step not in there]
        raise AssertionError("there is always one more number")


def _is_done(kind: str, source: str, target: str) -> bool:
    """Whether an earlier run has copied or linked this file."""
    try:
        if kind == "link":
            return os.path.islink(target) and os.readlink(target) == os.path.realpath(source)
        return not os.path.islink(target) and files.same(source, target)
    except OSError:
        return False


def _refused(shot: Shot, kind: str) -> str | None:
    for path in shot.paths:
        if kind == "move" and os.path.islink(path):
            return f"{path}: is a symbolic link; left where it is"
        if not os.path.isfile(path) and os.path.lexists(path):
            return f"{path}: is not a regular file, or a broken link; left"
    return None


def plan_transfers(
    shots: Iterable[Shot], kind: str, places: Places, notes: Notes
) -> list[list[Step]]:
    """The steps of each shot, to be taken together or not at all.

    `notes` gain a line for each shot that is left out.
    """
    plan, inside, known = [], 0, 0
    for shot in shots:
        refused = _refused(shot, kind)
        if places.holds(shot.folder):
            inside += 1
        elif refused:
            notes.failures.append(refused)
        else:
            notes.left += [
                f"{os.path.join(shot.folder, name)}: too long for a Live Photo's video; left"
                for name in shot.apart
            ]
            try:
                steps = places.steps(shot, kind)
            except OSError as error:
                why = f"{error.filename} cannot be read ({error.strerror})"
                notes.failures.append(f"{os.path.abspath(shot.verdict.path)}: {why}")
                continue
            known += not steps
            plan += [steps] if steps else []
    if inside:
        notes.left.append(f"{places.target}: {files.counted(inside, 'photo')} in it already; left")
    if known:
        notes.left.append(
            f"{places.target}: {files.counted(known, 'photo')} there from an earlier run"
        )
    return plan
