"""From what was named on the command line to files, in the same order every time."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from blur_fusion.images.formats import PICTURES

VIDEOS = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"))
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Found:
    """A file to judge, or one line that says why there is none.

    Attributes
    ----------
    path : str
        As given, or below the folder as given; bytes that are no UTF-8 as `os.fsdecode` has them.
    problem : str, optional
        Why it cannot be judged.
    """

    path: str
    problem: str | None = None

    @property
    def video(self) -> bool:
        """Whether its name is that of a video."""
        return _suffix(self.path) in VIDEOS


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _why(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error})"


def _inside(folder: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    """Pictures and videos below `folder`: files by name, then folders by name."""
    try:
        about = os.stat(folder)
        if (about.st_dev, about.st_ino) in seen:  # a link in a circle, or a second way here
            return
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(folder) as listed:
            entries = sorted(
                (entry for entry in listed if not entry.name.startswith(".")),
                key=lambda entry: os.fsencode(entry.name),
            )
        folders = [entry.path for entry in entries if entry.is_dir()]
    except OSError as error:
        yield Found(folder, _why(error))
        return
    known = PICTURES | VIDEOS
    for entry in entries:
        if entry.path not in folders and _suffix(entry.name) in known:
            yield Found(entry.path)
    for path in folders:
        yield from _inside(path, seen)


def listed(stream: IO[bytes]) -> Iterator[str]:
    """Paths on a stream, one a line, or ended by NUL as `find -print0` writes them."""
    content = stream.read()
    ending = b"\0" if b"\0" in content else b"\n"
    for line in content.split(ending):
        name = line if ending == b"\0" else line.removesuffix(b"\r")
        if name:
            yield os.fsdecode(name)


def _one(path: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL inside
        yield Found(path, _why(error) if isinstance(error, OSError) else "is no file name")
        return
    if stat.S_ISDIR(mode):
        yield from _inside(path, seen)
    elif stat.S_ISREG(mode):
        yield Found(path)
    else:
        yield Found(path, "is neither a file nor a folder")


def named(inputs: Iterable[str], stream: IO[bytes] | None = None) -> Iterator[Found]:
    """What the inputs name: files and folders, patterns and the list on `stream` resolved.

    Parameters
    ----------
    inputs : iterable of str
        Files, folders, patterns such as `2024/**/*.jpg`, or "-" for `stream`.
    stream : binary stream, optional
        Paths of files and folders, ended by newlines or NULs.
    """
    for given in inputs:
        if given == "-" and stream is not None:
            yield from map(Found, listed(stream))
        elif _WILD & set(given) and not os.path.lexists(given):
            names = sorted(glob.glob(given, recursive=True), key=os.fsencode)
            yield from map(Found, names) if names else [Found(given, "no file matches")]
        else:
            yield Found(given)


def find(names: Iterable[Found]) -> Iterator[Found]:
    """Files to judge, each once.

    Parameters
    ----------
    names : iterable of Found
        From :func:`named`. Files are taken whatever their names; of folders, pictures and videos
        at any depth, hidden ones left out.
    """
    seen: set[tuple[int, int]] = set()
    known: set[str] = set()
    for name in names:
        for found in [name] if name.problem else _one(name.path, seen):
            place = os.path.abspath(found.path)
            if place not in known:
                known.add(place)
                yield found
