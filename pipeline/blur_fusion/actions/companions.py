"""Which files belong to one shot: RAW and JPEG of one name, and the sidecars of both."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Verdict


RAW = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
        *(".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
        *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
PHOTOS = RAW | {
    *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".avif", ".heic", ".heif", ".hif", ".jxl"),
}
# Adobe, RawTherapee, DxO, Apple, thumbnail, Canon, Adobe's masks: edits that a photo must not lose
SIDECARS = frozenset({".xmp", ".pp3", ".dop", ".aae", ".thm", ".vrd", ".acr"})
DARKTABLE_DUPLICATE = re.compile(r"(?P<stem>.+)_(?P<number>\d\d)(?P<ending>\.[^.]+)\.xmp", re.I)


@dataclass(frozen=True, slots=True)
class Shot:
    """Files that stay together, and what is known about them."""

    folder: str  # absolute
    stem: str  # every file's name begins with it
    photos: tuple[str, ...]  # names in the folder
    sidecars: tuple[str, ...]
    verdict: Verdict  # of the member most surely blurred

    @property
    def path(self) -> str:
        """The photo that was judged, or the first of the judged."""
        return os.path.abspath(self.verdict.path)


@dataclass(slots=True)
class Notes:
    """Lines for the user: what was left alone for a reason, and what went wrong."""

    left: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def ending(name: str) -> str:
    """The ending in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def dotted_prefixes(name: str) -> Iterator[str]:
    """`a.b.c` begins with `a`, `a.b` and `a.b.c`."""
    at = name.find(".", 1)
    while at >= 0:
        yield name[:at]
        at = name.find(".", at + 1)
    yield name


class Listing:
    """Names of a folder's files by what they begin with; read from disk once."""

    def __init__(self, folder: str, more: Iterable[str] = ()) -> None:
        """`more` are names of files that will be there."""
        with os.scandir(folder) as entries:
            self.names = {entry.name for entry in entries if not entry.is_dir()} | set(more)
        self._by_stem: dict[str, list[str]] = {}
        for name in sorted(self.names):
            for prefix in dotted_prefixes(name):
                self._by_stem.setdefault(prefix, []).append(name)
            duplicate = DARKTABLE_DUPLICATE.fullmatch(name)
            if duplicate and name[: -len(".xmp")] not in self.names:
                self._by_stem.setdefault(duplicate["stem"], []).append(name)

    def photos(self, stem: str, judged: Collection[str] = ()) -> list[str]:
        """Photos called `stem`: by their ending, or because they were judged."""
        named = (n for n in self._by_stem.get(stem, ()) if os.path.splitext(n)[0] == stem)
        return [n for n in named if ending(n) in PHOTOS or n in judged]

    def shared_sidecars(self, stem: str) -> list[str]:
        """`IMG_1.xmp` and the like."""
        named = (n for n in self._by_stem.get(stem, ()) if os.path.splitext(n)[0] == stem)
        return [n for n in named if ending(n) in SIDECARS]

    def own_sidecars(self, photo: str) -> list[str]:
        """`IMG_1.JPG.xmp` and the like, and darktable's duplicates `IMG_1_01.JPG.xmp`."""
        stem, suffix = os.path.splitext(photo)
        found = []
        for name in self._by_stem.get(stem, ()):
            duplicate = DARKTABLE_DUPLICATE.fullmatch(name)
            plain = os.path.splitext(name)[0] == photo and ending(name) in SIDECARS
            if plain or (duplicate and duplicate.group("stem", "ending") == (stem, suffix)):
                found.append(name)
        return found


def _shot(verdict: Verdict, listing: Listing, judged: Mapping[str, Verdict]) -> Shot:
    folder, name = os.path.split(os.path.abspath(verdict.path))
    stem = os.path.splitext(name)[0]
    photos = listing.photos(stem, (name,))
    shared = listing.shared_sidecars(stem)
    # Equal names with different endings may be strangers; a RAW or a common sidecar ties them.
    if not shared and not any(ending(photo) in RAW for photo in photos):
        photos = [name]
    own = [sidecar for photo in photos for sidecar in listing.own_sidecars(photo)]
    members = [judged[path] for p in photos if (path := os.path.join(folder, p)) in judged]
    surest = max(members, key=lambda v: (bool(v.blurred), v.probability or 0.0))
    return Shot(folder, stem, tuple(photos), tuple([*own, *shared]), surest)


def find_shots(
    verdicts: Iterable[Verdict], notes: Notes, coming: Mapping[str, Collection[str]] | None = None
) -> list[Shot]:
    """The blurred shots, in the order of `verdicts`.

    A shot is a photo with its sidecars. Photos of one folder that differ in their ending only are
    one shot where one of them is RAW or they share a sidecar. Where the judged ones of a shot
    disagree it is left alone, and `notes.left` says so.

    Parameters
    ----------
    verdicts : iterable of Verdict
        Those without a verdict (unreadable files) are passed over.
    notes : Notes
        Gains a line for each shot left out.
    coming : mapping of folder to names, optional
        Files to be taken for existing: sidecars that a dry run has only planned.
    """
    judged = {
        os.path.abspath(verdict.path): verdict
        for verdict in verdicts
        if verdict.error is None and verdict.blurred is not None
    }
    listings: dict[str, Listing] = {}
    shots, seen = [], set()
    for path, verdict in judged.items():
        folder, name = os.path.split(path)
        if not verdict.blurred or path in seen:
            continue
        try:
            if folder not in listings:
                listings[folder] = Listing(folder, (coming or {}).get(folder, ()))
        except OSError as error:
            notes.failures.append(f"{path}: its folder cannot be read ({error.strerror})")
            continue
        if name not in listings[folder].names:
            notes.failures.append(f"{path}: is no file there any more; left out")
            continue
        shot = _shot(verdict, listings[folder], judged)
        members = [os.path.join(folder, photo) for photo in shot.photos]
        seen.update(members)
        sharp = [p for p in members if p in judged and not judged[p].blurred]
        if sharp:
            other = os.path.basename(sharp[0])
            notes.left.append(f"{path}: judged blurred, but {other} of the same shot sharp; left")
            continue
        shots.append(shot)
    return shots
