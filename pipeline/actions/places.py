"""Where a file goes below the target folder: same structure, free names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count

from pipeline.actions import files
from pipeline.actions.companions import Shot, dotted_prefixes
from pipeline.config.errors import require

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
