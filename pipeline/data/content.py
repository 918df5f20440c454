"""What content hashes say about a data set: equal files are one scene, never in both halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config.errors import require
from pipeline.data.dataset import DataSet, LabelledImage
from pipeline.data.hashing import content_hashes

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


def finish(name: str, root: Path, images: Sequence[LabelledImage], notes: list[str]) -> DataSet:
    """A reader's images as a :class:`DataSet`: hashed once, scenes joined, leaks left out.

    Raises
    ------
    BlurError
        There are no images, or one cannot be read.
    """
    require(bool(images), f"{root}: no labelled images found")
    ordered = sorted(images, key=lambda image: image.name)
    pairs = list(zip(ordered, content_hashes([image.path for image in ordered]), strict=True))
    notes = list(notes)
    pairs = _merge_scenes(_drop_leaks(pairs, notes))
    found, content = zip(*pairs, strict=True) if pairs else ((), ())
    return DataSet(name=name, root=root, images=found, notes=tuple(notes), content=content)
