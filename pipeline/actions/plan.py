"""What will be done, step by step, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.actions.companions import Notes, Shot, find_shots
from pipeline.actions.places import Places

if TYPE_CHECKING:
    from pipeline.serving.verdict import Verdict

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
        What was scanned: folders and files. See :class:`pipeline.actions.places.Places`.
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
