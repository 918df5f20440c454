"""A data set: labelled images, found below a folder, equal files known by their content."""

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
        Part of the data set that is evaluated by itself.
    scene : str
        What the picture shows; known only together with `subset`, see `key`.
    half : str
        The layout's official half, "train" or "test"; "" where it has none.
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
        """The scene's identity: the same stem in two subsets is two photos."""
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
        One line each for what was left out.
    content : tuple of str
        SHA-256 of each image's bytes; computed where it is not given.
    layout : str
        Name of the reader, see `blur_fusion.data.layouts`.
    passed_over : dict
        How many files are no pictures, by suffix.
    """

    name: str
    root: Path
    images: tuple[LabelledImage, ...]
    notes: tuple[str, ...] = ()
    content: tuple[str, ...] = field(default=(), repr=False)
    layout: str = ""
    passed_over: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, over names, labels, scenes and bytes of all images, in any order."""
        content = self.content or content_hashes([image.path for image in self.images])
        lines = [
            f"{image.name}\t{image.label}\t{image.scene}\t{sha}\n"
            for image, sha in zip(self.images, content, strict=True)
        ]
        return hashlib.sha256(os.fsencode("".join(sorted(lines)))).hexdigest()


def is_picture(name: str) -> bool:
    """Whether `name` ends like an image file that can be read, in capitals or not."""
    return Path(name).suffix.lower() in PICTURES


def _is_special(path: str) -> bool:
    """Whether it is a pipe, a socket or a device, which may never end."""
    return os.path.exists(path) and not os.path.isfile(path)


@dataclass
class Contents:
    """What a reader found below a folder.

    Attributes
    ----------
    root : Path
        The folder.
    images : list of LabelledImage
    notes : list of str
        One line for each sort of thing that was left out.
    passed_over : Counter
        Files that are no pictures, by suffix.
    """

    root: Path
    images: list[LabelledImage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(
        self, path: Path, label: int, subset: str, scene: str = "", kind: str = "", half: str = ""
    ) -> None:
        """Add the image at `path`; without a `scene` it is its own, and sharp is a kind too."""
        name, kind = path.relative_to(self.root).as_posix(), kind if label else "sharp"
        self.images.append(LabelledImage(path, name, label, kind, subset, scene or name, half))

    def files(self, folder: Path, deep: bool = False, table: str = "") -> list[Path]:
        """The image files of `folder`, sorted; with `deep` those of its subfolders too.

        Hidden files (`.DS_Store`, `._name.jpg`) and the `table` of labels do not count; other
        files are passed over.

        Raises
        ------
        BlurError
            The folder is missing.
        """
        require(folder.is_dir(), f"{folder}: no such folder")
        found: list[Path] = []
        known: set[tuple[int, int]] = set()
        for place, folders, names in os.walk(folder, followlinks=True):
            about = os.stat(place)
            if (about.st_dev, about.st_ino) in known:  # a link in a circle, or a second way here
                folders.clear()
                continue
            known.add((about.st_dev, about.st_ino))
            folders[:] = [name for name in folders if deep and not name.startswith(".")]
            folders.sort(key=lambda name: os.path.islink(os.path.join(place, name)))
            seen = [name for name in names if not name.startswith(".") and name != table]
            seen = [name for name in seen if not _is_special(os.path.join(place, name))]
            found += [Path(place, name) for name in seen if is_picture(name)]
            others = (name for name in seen if not is_picture(name))
            self.passed_over.update(Path(name).suffix.lower() or "none" for name in others)
        return sorted(found)

    def files_by_name(self, table: str) -> dict[str, Path]:
        """The image files below `root` by their path in it, without the `table` of labels."""
        paths = self.files(self.root, True, table)
        return {path.relative_to(self.root).as_posix(): path for path in paths}


def image_files(folder: Path, deep: bool = False) -> list[Path]:
    """The image files of `folder`; see :meth:`Contents.files`."""
    return Contents(folder).files(folder, deep)


def read_table(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, each with its line number.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte-order mark.
    columns : tuple of str
        Columns that must be there; names are compared stripped and in lower case.

    Returns
    -------
    list of (line number, values by column), values stripped, blank rows left out

    Raises
    ------
    BlurError
        The file cannot be read, or a column is missing.
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


THREADS = 8  # reading waits for the disk, and hashlib frees the interpreter's lock


def _content_hash(path: Path) -> str:
    with os_errors(path, "cannot be read"):
        return digest(str(path))


def content_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """SHA-256 of each file's bytes, in hex, in the order of `paths`.

    Raises
    ------
    BlurError
        A file cannot be read.
    """
    return tuple(shown(ordered_map(_content_hash, paths, THREADS), len(paths), "hash"))


Pair = tuple[LabelledImage, str]


def _drop_leaks(pairs: list[Pair], notes: list[str]) -> list[Pair]:
    """Without the images of the training half whose bytes are in the test half too."""
    test = {sha for image, sha in pairs if image.half == "test"}
    kept = [(image, sha) for image, sha in pairs if image.half != "train" or sha not in test]
    if len(kept) < len(pairs):
        notes.append(f"{len(pairs) - len(kept)} training images are in the test half too: left out")
    return kept


def _merge_scenes(pairs: list[Pair]) -> list[Pair]:
    """Join, within a subset, the scenes that share a file; the first name in order stays."""
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
    """What a reader found as a :class:`DataSet`: hashed once, scenes joined, leaks left out.

    Raises
    ------
    BlurError
        There are no images, or one cannot be read.
    """
    require(bool(contents.images), f"{contents.root}: no labelled images found")
    ordered = sorted(contents.images, key=lambda image: image.name)
    pairs = list(zip(ordered, content_hashes([image.path for image in ordered]), strict=True))
    notes, others = list(contents.notes), contents.passed_over
    pairs = _merge_scenes(_drop_leaks(pairs, notes))
    if others:
        suffixes = ", ".join(sorted(others))
        notes.append(f"passed over: {others.total()} files of other formats ({suffixes})")
    images, content = zip(*pairs, strict=True)
    return DataSet(name, contents.root, images, tuple(notes), content, layout, dict(others))
