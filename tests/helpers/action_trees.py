"""Trees of named files for the tests of actions, and snapshots of them."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from blur_fusion.actions.act import act
from blur_fusion.actions.journal import Report, undo
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.model.prediction import Prediction

Tree = dict[str, tuple[bytes | str, int]]


def fill(root: Path, *names: str) -> Path:
    """Files below `root`; each with its own content and modification time."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name) * 3)
        stamp = 1_600_000_000_123_456_789 + sum(os.fsencode(str(path)))
        os.utime(path, ns=(stamp, stamp))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", "a.jpg", "trip/b.jpg", "trip/c.jpg")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A target folder that does not exist yet."""
    return tmp_path / "out"


def look(*roots: Path) -> Tree:
    """Content (or link target) and modification time of every file except journals."""
    found: Tree = {}
    for root in roots:
        for place, _, names in os.walk(root):
            for name in names:
                path = os.path.join(place, name)
                if name.startswith("blur-journal-"):
                    continue
                link = os.path.islink(path)
                content = os.readlink(path) if link else Path(path).read_bytes()
                found[path] = (content, os.lstat(path).st_mtime_ns)
    return found


def names(root: Path) -> set[str]:
    return {os.path.relpath(path, root) for path in look(root)}


def blurred(*paths: Path) -> list[Prediction]:
    return [Prediction(str(path), True, 0.98765, "motion") for path in paths]


def sharp(*paths: Path) -> list[Prediction]:
    return [Prediction(str(path), False, 0.1, "sharp") for path in paths]


def acted(root: Path, *names: str, **options: Any) -> Report:
    """Act on photos of `root`, all of them blurred."""
    return act(blurred(*(root / name for name in names)), [root], ActionOptions(**options))


def undone(report: Report) -> Report:
    assert report.journal is not None
    return undo(report.journal)


def separate_file_systems(patch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def refused(source: Any, target: Any) -> None:
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    patch.setattr(os, "replace", refused)
