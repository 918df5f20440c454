"""Find the files that the command line names, in the same order every time."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import IO

from blur_fusion.errors import require
from blur_fusion.images.formats import OTHER_PICTURES, PICTURES, suffix

VIDEOS = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"))
_WILD = frozenset("*?[")
_BOM = b"\xef\xbb\xbf"

# Folders of previews, of deleted files, and of programs' own libraries, in lower case.
PASSED_OVER = (
    *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # Synology, QNAP
    *("$recycle.bin", "system volume information", "lost+found", ".trash*"),
    *("*.lrdata", "*.cocatalog", "*.photoslibrary", "*.photolibrary", "*.aplibrary"),
    *("*.migratedphotolibrary", "*.imovielibrary", "*.fcpbundle"),
)
MARKS = frozenset((".nomedia", ".blurignore"))  # files that have their folder passed over


@dataclass(frozen=True, slots=True)
class Found:
    """A file to judge, as given or below the folder as given; or why it cannot be judged."""

    path: str
    problem: str | None = None

    @property
    def video(self) -> bool:
        """Whether it has the suffix of a video."""
        return suffix(self.path) in VIDEOS


def _matches(below: str, patterns: Sequence[str]) -> bool:
    below = below.lower()
    name = below.rpartition("/")[2]
    lowered = (pattern.lower().strip("/") for pattern in patterns)
    return any(fnmatchcase(below if "/" in pattern else name, pattern) for pattern in lowered)


def _why(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error})"


class Search:
    """Finds files, each once; afterwards `notes` says what it passed over.

    A photo with two paths comes under the one that was given, or the one without links.

    Parameters
    ----------
    exclude : sequence of str
        Patterns such as `*_edited.jpg` or `raw/old`, regardless of case: with a slash for the path
        below the named folder, else for the name.
    include : sequence of str
        If there are any, files in folders must match one of them.
    all_folders : bool
        Look into `PASSED_OVER` and marked folders too.
    suffixes : frozenset of str
        Of the files to take from folders.
    """

    def __init__(
        self,
        exclude: Sequence[str] = (),
        include: Sequence[str] = (),
        all_folders: bool = False,
        suffixes: frozenset[str] = PICTURES | VIDEOS,
    ) -> None:
        self._exclude, self._include = exclude, include
        self._all_folders, self._wanted = all_folders, suffixes
        self._folders: set[tuple[int, int]] = set()
        self._files: set[str] = set()
        self._links: list[tuple[str, str]] = []  # to folders, followed last
        self._passed: Counter[str] = Counter()
        self._suffixes: Counter[str] = Counter()  # of other files
        self._special = 0
        self._real = lru_cache(maxsize=1024)(os.path.realpath)

    def find(self, names: Iterable[Found]) -> Iterator[Found]:
        """Files to judge: those of `names`, see :func:`named`, and what their folders hold.

        Files are taken whatever their names; in folders, pictures and videos at any depth, but no
        hidden ones.
        """
        for name in names:
            yield from self._once([name] if name.problem else self._one(name.path))
        while self._links:
            yield from self._once(self._walk(*self._links.pop(0)))

    def _once(self, found: Iterable[Found]) -> Iterator[Found]:
        for one in found:
            folder, name = os.path.split(os.path.abspath(one.path))
            place = os.path.join(self._real(folder), name)
            if place not in self._files:
                self._files.add(place)
                yield one

    def _one(self, path: str) -> Iterator[Found]:
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:  # ValueError: a NUL inside
            yield Found(
                path, _why(error) if isinstance(error, OSError) else "is not a valid file name"
            )
            return
        if stat.S_ISDIR(mode):
            yield from self._walk(path)
        elif stat.S_ISREG(mode):
            yield Found(path)
        else:
            yield Found(path, "is neither a file nor a folder")

    def _walk(self, top: str, below: str = "") -> Iterator[Found]:
        """Files by name, then folders by name; `below` is the path of `top` in the named folder."""
        waiting = [(top, below)]
        while waiting:
            folder, below = waiting.pop()
            try:
                about = os.stat(folder)
                if (about.st_dev, about.st_ino) in self._folders:
                    continue
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                yield Found(folder, _why(error))
                continue
            marked = any(entry.name.lower() in MARKS for entry in entries)
            if marked and below and not self._all_folders:
                self._passed[os.path.basename(folder)] += 1
                continue
            self._folders.add((about.st_dev, about.st_ino))
            folders: list[tuple[str, str]] = []
            for entry in entries:
                yield from self._entry(entry, f"{below}/{entry.name}".lstrip("/"), folders)
            waiting += reversed(folders)

    def _entry(
        self, entry: os.DirEntry[str], below: str, folders: list[tuple[str, str]]
    ) -> Iterator[Found]:
        """A file that is taken; a folder is added to `folders`, or to the links."""
        hidden = entry.name.startswith(".")
        if hidden and not _matches(entry.name, (".trash*",)):
            return
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:  # a circular link, or one through a file or a private folder
            yield Found(entry.path, _why(error))
            return
        if _matches(below, self._exclude):
            return
        if is_folder:
            if not self._all_folders and _matches(entry.name, PASSED_OVER):
                self._passed[entry.name] += 1
            elif entry.is_symlink():
                self._links.append((entry.path, below))
            else:
                folders.append((entry.path, below))
        elif hidden or (self._include and not _matches(below, self._include)):
            return
        elif suffix(entry.name) not in self._wanted:
            self._suffixes[suffix(entry.name)] += 1
        elif is_file or not os.path.exists(entry.path):  # a broken link fails when it is read
            yield Found(entry.path)
        else:
            self._special += 1

    def notes(self) -> list[str]:
        """What was passed over: a line for each reason."""
        lines = []
        if self._passed:
            number, names = self._passed.total(), sorted(self._passed)
            shown = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
            noun = "folder" if number == 1 else "folders"
            lines.append(f"{number} {noun} passed over ({shown}); --all-folders looks into them")
        unread = {s: n for s, n in self._suffixes.items() if not self._files or s in OTHER_PICTURES}
        if unread:
            number, shown = sum(unread.values()), ", ".join(sorted(s or "none" for s in unread))
            noun = "file of a format" if number == 1 else "files of formats"
            lines.append(f"{number} {noun} that blur does not read: {shown}")
        if self._special:
            noun = "pipe, socket or device" if self._special == 1 else "pipes, sockets or devices"
            lines.append(f"{self._special} {noun} passed over")
        return lines


def listed(stream: IO[bytes]) -> Iterator[str]:
    """Paths on a stream, one per line, or ended by NUL as `find -print0` writes them.

    Raises
    ------
    BlurError
        It is UTF-16, as PowerShell's `>` writes it, whose NULs would be taken for ends.
    """
    content = stream.read()
    half = content[: 1 << 16]
    nuls = max(half[::2].count(0), half[1::2].count(0))
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff")) or 8 * nuls > 3 * len(half) > 3
    require(not wide, "the list on standard input is UTF-16; convert it to UTF-8")
    content = content.removeprefix(_BOM)
    if b"\0" in content:
        names = content.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return map(os.fsdecode, filter(None, names))


def named(inputs: Iterable[str], stream: IO[bytes] | None = None) -> Iterator[Found]:
    """Files and folders of `inputs`: paths, patterns such as `2024/**/*.jpg`, "-" for `stream`."""
    for given in inputs:
        if given == "-" and stream is not None:
            yield from map(Found, listed(stream))
        elif _WILD & set(given) and not os.path.lexists(given):
            names = sorted(glob.glob(given, recursive=True), key=os.fsencode)
            yield from map(Found, names) if names else [Found(given, "no file matches")]
        else:
            yield Found(given)
