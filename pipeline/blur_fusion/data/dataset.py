"""A data set: labelled images below a folder; identical files are known by their hash."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from blur_fusion.errors import BlurError, require
from blur_fusion.files import digest, from_excel, os_errors
from blur_fusion.images.formats import PICTURES
from blur_fusion.parallel import ordered_map, shown

KINDS = ("sharp", "defocus", "motion", "")


@dataclass(frozen=True)
class LabelledImage:
    """One image of a data set.

    Attributes
    ----------
    path : Path
        The file, absolute or relative to the working folder.
    name : str
        Its path relative to the data set's root, with forward slashes.
    label : int
        1 blurred, 0 sharp.
    kind : str
        "sharp", "defocus", "motion", or "" where unknown.
    subset : str
        Part of the data set that is evaluated separately.
    scene : str
        What the picture shows; unique only within its `subset`.
    half : str
        The layout's official half, "train" or "test"; "" if it has none.
    """

    path: Path
    name: str
    label: int
    kind: str
    subset: str
    scene: str
    half: str

    @property
    def key(self) -> tuple[str, str]:
        """The scene's identity: the same name in two subsets is two scenes."""
        return (self.subset, self.scene)


@dataclass(frozen=True)
class DataSet:
    """Labelled images under one root.

    Attributes
    ----------
    name : str
    root : Path
    images : tuple of LabelledImage
    notes : tuple of str
        What was left out, one line each.
    content : tuple of str
        SHA-256 of each image's bytes; computed if it is not given.
    layout : str
        Name of the reader, see `blur_fusion.data.layouts`.
    """

    name: str
    root: Path
    images: tuple[LabelledImage, ...]
    notes: tuple[str, ...] = ()
    content: tuple[str, ...] = field(default=(), repr=False)
    layout: str = ""

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, labels, scenes and bytes of all images, in any order."""
        content = self.content or content_hashes([image.path for image in self.images])
        lines = [
            f"{image.name}\t{image.label}\t{image.scene}\t{sha}\n"
            for image, sha in zip(self.images, content, strict=True)
        ]
        return hashlib.sha256(os.fsencode("".join(sorted(lines)))).hexdigest()


def is_picture(name: str) -> bool:
    """Whether `name` has the suffix of an image file, in upper or lower case."""
    return Path(name).suffix.lower() in PICTURES


@dataclass
class Contents:
    """What a reader has found below the folder `root`; see :class:`DataSet`."""

    root: Path
    images: list[LabelledImage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(
        self, path: Path, label: int, subset: str, scene: str = "", kind: str = "", half: str = ""
    ) -> None:
        """Add the image at `path`; without a `scene` it is its own."""
        name, kind = path.relative_to(self.root).as_posix(), kind if label else "sharp"
        self.images.append(LabelledImage(path, name, label, kind, subset, scene or name, half))

    def files(self, folder: Path, deep: bool = False, table: str = "") -> list[Path]:
        """List the image files of `folder`, sorted; with `deep` those of its subfolders too.

        Hidden files and the `table` of labels are ignored; other files count as passed over.
        """
        require(folder.is_dir(), f"{folder}: no such folder")
        found: list[Path] = []
        known: set[tuple[int, int]] = set()
        for place, folders, names in os.walk(folder, followlinks=True):
            about = os.stat(place)
            if (about.st_dev, about.st_ino) in known:  # reached again by a link
                folders.clear()
                continue
            known.add((about.st_dev, about.st_ino))
            folders[:] = [name for name in folders if deep and not name.startswith(".")]
            folders.sort(key=lambda name: os.path.islink(os.path.join(place, name)))
            for name in names:
                if name.startswith(".") or name == table:
                    continue
                path = Path(place, name)
                if os.path.exists(path) and not os.path.isfile(path):
                    continue  # a pipe or a device may block for ever
                if is_picture(name):
                    found.append(path)
                else:
                    self.passed_over[path.suffix.lower() or "none"] += 1
        return sorted(found)

    def files_by_name(self, table: str) -> dict[str, Path]:
        """Image files below `root` by their relative path, without the `table` of labels."""
        paths = self.files(self.root, True, table)
        return {path.relative_to(self.root).as_posix(): path for path in paths}


def image_files(folder: Path, deep: bool = False) -> list[Path]:
    """List the image files of `folder`; see :meth:`Contents.files`."""
    return Contents(folder).files(folder, deep)


def read_table(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Read a UTF-8 CSV file with a header: line number and values by column, without blank rows.

    Column names are stripped and in lower case. Raises :class:`BlurError` if the file cannot be
    read or lacks one of `columns`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            rows = [(reader.line_num, [from_excel(cell.strip()) for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BlurError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    missing = [name for name in columns if name not in header]
    require(not missing, f"{path}: has no column '{', '.join(missing)}'; found: {header}")
    padding = [""] * len(header)
    return [
        (line, dict(zip(header, cells + padding, strict=False)))
        for line, cells in rows
        if any(cells)
    ]


THREADS = 8  # reading waits for the disk, and hashlib releases the GIL


def _content_hash(path: Path) -> str:
    with os_errors(path, "cannot be read"):
        return digest(str(path))


def content_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """SHA-256 of each file, in the order of `paths`."""
    return tuple(shown(ordered_map(_content_hash, paths, THREADS), len(paths), "hash"))


Pair = tuple[LabelledImage, str]


def _drop_leaks(pairs: list[Pair], notes: list[str]) -> list[Pair]:
    """Drop images of the training half that are also in the test half."""
    test = {sha for image, sha in pairs if image.half == "test"}
    kept = [(image, sha) for image, sha in pairs if image.half != "train" or sha not in test]
    if len(kept) < len(pairs):
        notes.append(f"{len(pairs) - len(kept)} training images are in the test half too: left out")
    return kept


def _merge_scenes(pairs: list[Pair]) -> list[Pair]:
    """Merge the scenes of a subset that share a file, under the first name."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while (above := parent.get(key, key)) != key:
            key = above
        return key

    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for image, sha in pairs:
        first = seen.setdefault((image.subset, sha), image.key)
        low, high = sorted((root(first), root(image.key)))
        if low != high:
            parent[high] = low
    return [(replace(image, scene=root(image.key)[1]), sha) for image, sha in pairs]


def finish(name: str, layout: str, contents: Contents) -> DataSet:
    """Make a :class:`DataSet`: hash each file once, merge scenes, drop leaks."""
    require(bool(contents.images), f"{contents.root}: no labelled images found")
    ordered = sorted(contents.images, key=lambda image: image.name)
    pairs = list(zip(ordered, content_hashes([image.path for image in ordered]), strict=True))
    notes, others = list(contents.notes), contents.passed_over
    pairs = _merge_scenes(_drop_leaks(pairs, notes))
    if others:
        suffixes = ", ".join(sorted(others))
        notes.append(f"passed over: {others.total()} files of other formats ({suffixes})")
    images, content = zip(*pairs, strict=True)
    return DataSet(name, contents.root, images, tuple(notes), content, layout)
