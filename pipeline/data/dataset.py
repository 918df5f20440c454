"""The one abstraction of a data set: an iterable of labelled images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.data.hashing import content_hashes

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
    """Labelled images under one root; `notes` says in one line each what was left out.

    `content` holds each image's SHA-256 where a reader has computed it already.
    """

    name: str
    root: Path
    images: tuple[LabelledImage, ...]
    notes: tuple[str, ...] = ()
    content: tuple[str, ...] = field(default=(), repr=False)

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
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
