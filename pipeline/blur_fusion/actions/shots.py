"""Shots: a photo with every file that belongs to it, and what was said of it.

Photos in one folder that differ only in their suffix are one shot if one of them is RAW or they
share a companion.
"""

from __future__ import annotations

import glob
import os
import re
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from blur_fusion.images import formats
from blur_fusion.images.formats import suffix
from blur_fusion.model.prediction import Prediction

RAW = formats.RAW | {".fff", ".gpr"}
PHOTOS = formats.PICTURES | RAW
# Files that go wherever their photo goes, named after its stem or its full name
COMPANIONS = frozenset(
    (".xmp", ".acr")  # Adobe and others; Adobe's masks
    + (".pp3", ".arp", ".dop", ".on1")  # RawTherapee, ART, DxO, ON1
    + (".cos", ".comask", ".nksc", ".vrd", ".dr4")  # Capture One, Nikon, Canon
    + (".aae", ".thm", ".wav", ".json")  # Apple's edits, thumbnails, voice memos, Google Takeout
)
_FOLDERS = ("NKSC_PARAM", "CaptureOne/Settings*")  # beside photos, where programs keep companions
# The moving part of a Live or Motion Photo; Takeout calls Pixel's `a.MP` beside `a.MP.jpg`.
_MOVING = frozenset((".mov", ".mp4", ".mp", ".mv"))
_MOVING_SECONDS = 5  # they last about three; a longer video merely shares its name with a photo
_DARKTABLE_DUPLICATE = re.compile(r"(?P<stem>.+)_(?P<number>\d\d)(?P<suffix>\.[^.]+)\.xmp", re.I)
# Takeout writes `a.jpg.supplemental-metadata.json`, cut to 46 characters before `.json`, and for
# `a(1).jpg` puts the number at the end; before 2024 `a.jpg.json`, `a.jpg(1).json`.
_TAKEOUT, _TAKEOUT_LENGTH = ".supplemental-metadata", 46
_TAKEOUT_NUMBERED = re.compile(r"(.+?)(\.[^.]+(?:\.s[a-z-]*)?)(\(\d+\))\.json", re.I)
_NUMBERED = re.compile(r"(.+)(\(\d+\))(\.[^.]+)")


@dataclass(slots=True)
class Notes:
    """Lines for the user: what was left alone for a reason, and what went wrong."""

    left: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # file attributes that a file system rejected


@dataclass(frozen=True, slots=True)
class Shot:
    """Files that stay together, and what is known about them; names are those in the folder."""

    folder: str  # absolute
    stem: str  # photos' names begin with it
    photos: tuple[str, ...]
    companions: Mapping[str, str]  # each with its ending under another stem
    verdict: Prediction  # of the member most surely blurred
    apart: tuple[str, ...]  # videos that merely share the stem

    @property
    def paths(self) -> list[str]:
        """All files of the shot, photos first."""
        return [os.path.join(self.folder, name) for name in (*self.photos, *self.companions)]

    def names(self, stem: str) -> list[str]:
        """Names of all files under another stem, photos first."""
        if stem == self.stem:
            return [*self.photos, *self.companions]
        tails = {photo: photo[len(self.stem) :] for photo in self.photos} | dict(self.companions)
        return [os.path.join(os.path.dirname(name), stem + tail) for name, tail in tails.items()]

    def sidecars(self, new: bool) -> dict[str, str]:
        """The XMP sidecars to amend or create, each with its photo; paths are absolute.

        Existing sidecars show which program is used, so only those are amended: a new
        `IMG_1.CR2.xmp` beside Lightroom's `IMG_1.xmp` would keep darktable from reading
        Lightroom's edits. Where there is none and `new` is set, `NAME.EXT.xmp` is created, and for
        a RAW file `NAME.xmp` as well. Sources are in docs/ratings.md.
        """
        found: dict[str, str] = {}
        for photo in self.photos:
            raw = suffix(photo) in RAW
            wanted = [f"{photo}.xmp"]
            if raw or not any(suffix(other) in RAW for other in self.photos):
                wanted.append(f"{self.stem}.xmp")
            lower = [name.lower() for name in wanted]
            there = [name for name in self.companions if name.lower() in lower]
            if new and not there:
                there = wanted if raw else wanted[:1]
            for name in there:
                found.setdefault(os.path.join(self.folder, name), os.path.join(self.folder, photo))
        return found


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _in_place(name: str) -> str:
    """The name without its folder, with Takeout's number where the photo has it."""
    name = os.path.basename(name)
    numbered = _TAKEOUT_NUMBERED.fullmatch(name)
    return f"{numbered[1]}{numbered[3]}{numbered[2]}.json" if numbered else name


def beginnings(name: str) -> list[str]:
    """`a.b.c` begins with `a`, `a.b` and `a.b.c`."""
    name = _in_place(name)
    return [*(name[:at] for at in range(1, len(name)) if name[at] == "."), name]


def _is_own(name: str, photo: str) -> bool:
    """Whether `name` belongs to one photo, as `IMG_1.JPG.xmp` and darktable's duplicates do."""
    duplicate = _DARKTABLE_DUPLICATE.fullmatch(name)
    if duplicate and duplicate.group("stem", "suffix") == os.path.splitext(photo):
        return True
    whole, ending = os.path.splitext(_in_place(name))
    if ending.lower() not in COMPANIONS or not whole.startswith(photo):
        return False
    rest = whole[len(photo) :]
    return _TAKEOUT.startswith(rest) if ending.lower() == ".json" else rest in ("", ".out")


def _cut(photo: str) -> str:
    """Takeout's name for the metadata of a photo whose own name exceeds its limit."""
    numbered = _NUMBERED.fullmatch(photo)
    name, number = (numbered[1] + numbered[3], numbered[2]) if numbered else (photo, "")
    cut = name.encode("utf-16-le", "surrogatepass")[: 2 * _TAKEOUT_LENGTH]
    return f"{cut.decode('utf-16-le', 'ignore')}{number}.json"


def _seconds(path: str) -> float:
    """How long a QuickTime or MP4 video lasts; 0 if its header does not say.

    ISO/IEC 14496-12, 4.2 (boxes) and 8.2.2 (movie header).
    """
    if not os.path.isfile(path):
        return 0.0
    with suppress(OSError, struct.error, ArithmeticError), open(path, "rb") as file:
        for _ in range(64):
            size, kind = struct.unpack(">I4s", file.read(8))
            left = size - 8
            if size == 1:
                left = struct.unpack(">Q", file.read(8))[0] - 16
            if kind == b"mvhd":
                body = file.read(32)
                form, at = (">IQ", 20) if body[:1] == b"\1" else (">II", 12)
                scale, ticks = struct.unpack_from(form, body, at)
                return float(ticks / scale)
            if kind != b"moov":
                file.seek(left, os.SEEK_CUR)
    return 0.0


def names_by_stem(folder: str, more: Iterable[str] = ()) -> dict[str, list[str]]:
    """The files in `folder`, and `more` that will be there, by what their names begin with."""
    with os.scandir(folder) as entries:
        names = {e.name for e in entries if not e.is_dir(follow_symlinks=False)} | set(more)
    for place in _FOLDERS:
        kept = glob.glob(f"{place}/*", root_dir=folder)
        names.update(name for name in kept if suffix(name) in COMPANIONS)
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        stems = beginnings(name)
        duplicate = _DARKTABLE_DUPLICATE.fullmatch(name)
        if duplicate and name[: -len(".xmp")] not in names:
            stems.append(duplicate["stem"])
        for stem in stems:
            found.setdefault(stem, []).append(name)
    return found


def _members(
    folder: str, photo: str, listing: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, str], list[str]]:
    """Photos, companions and videos apart of the shot of `photo`, as in :class:`Shot`."""
    stem = _stem(photo)
    names = listing.get(stem, ())
    videos = [n for n in names if suffix(n) in _MOVING and stem in (n, _stem(n))]
    apart = [n for n in videos if _seconds(os.path.join(folder, n)) > _MOVING_SECONDS]
    moving = [name for name in videos if name not in apart]
    equal = [name for name in names if _stem(name) == stem]
    photos = [name for name in equal if suffix(name) in PHOTOS or name == photo]
    shared = [name for name in equal if suffix(name) in COMPANIONS] + moving
    # Equal names with different suffixes may be strangers; a RAW file or a companion ties them.
    if not shared and not any(suffix(name) in RAW for name in photos):
        photos = [photo]
    companions: dict[str, str] = {}
    for one in (*photos, *moving):
        own = [name for name in names if _is_own(name, one)]
        companions |= {name: _in_place(name)[len(stem) :] for name in own}
        cut = _cut(one)
        if cut not in own and cut in listing.get(_in_place(cut), ()):
            companions[cut] = f"{one[len(stem) :]}.json"
    for name in shared:
        companions[name] = name[len(stem) :] or os.path.splitext(name)[1]
    return photos, companions, apart


def find_shots(
    verdicts: Iterable[Prediction],
    notes: Notes,
    coming: Mapping[str, Collection[str]],
    sharp: bool = False,
) -> Iterator[Shot]:
    """The blurred shots, with `sharp` all of them, in the order of `verdicts`.

    Unreadable files are skipped. A shot whose judged photos disagree is left out; `notes` say so.
    `coming` names files by folder that a dry run has only planned.
    """
    judged = {
        os.path.abspath(verdict.path): verdict
        for verdict in verdicts
        if verdict.error is None and verdict.blurred is not None
    }
    listings: dict[str, dict[str, list[str]]] = {}
    seen: set[str] = set()
    for path, verdict in judged.items():
        folder, name = os.path.split(path)
        if path in seen or not (verdict.blurred or sharp):
            continue
        try:
            os.lstat(path)
            if folder not in listings:
                listings[folder] = names_by_stem(folder, coming.get(folder, ()))
        except OSError as error:
            if verdict.blurred:
                notes.failures.append(f"{path}: left out ({error.strerror})")
            continue
        photos, companions, apart = _members(folder, name, listings[folder])
        members = [os.path.join(folder, photo) for photo in photos]
        seen.update(members)
        known = {member: judged[member] for member in members if member in judged}
        blurry = [member for member, one in known.items() if one.blurred]
        clear = [os.path.basename(member) for member in known if member not in blurry]
        if blurry and clear:
            why = f"{clear[0]} of the same shot has another verdict"
            notes.left.append(f"{blurry[0]}: {why}; left")
            continue
        surest = max(known.values(), key=lambda one: one.probability or 0.0)
        yield Shot(folder, _stem(name), tuple(photos), companions, surest, tuple(apart))
