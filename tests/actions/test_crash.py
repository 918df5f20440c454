"""Killed at any moment: `undo` brings every byte back. A system call that raises stands in."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from action_trees import Tree, acted, blurred, fill, look, names, separate_file_systems
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.undo import undo

CALLS = ("open", "replace", "unlink", "mkdir", "rmdir", "symlink", "fsync", "utime", "chmod")
SIDECAR = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description/></rdf:RDF></x:xmpmeta>"""


class Killed(BaseException):
    """Nothing in the library catches it, as nothing catches SIGKILL."""


@pytest.fixture(autouse=True, scope="module")
def _memory_is_disk() -> Iterator[None]:
    """No test here cuts the power, and waiting for the disk takes a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@contextmanager
def killed_at(moment: int, exception: type[BaseException] = Killed) -> Iterator[None]:
    """Raise before (even moments) or after (odd ones) one of the calls that change the disk."""
    counter = itertools.count()
    patch = pytest.MonkeyPatch()

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **more: Any) -> Any:
            if next(counter) == moment:
                raise exception
            result = call(*arguments, **more)
            if next(counter) == moment:
                raise exception
            return result

        return run

    for name in CALLS:
        patch.setattr(os, name, wrapped(getattr(os, name)))
    try:
        yield
    finally:
        patch.undo()


def _plant(folder: Path) -> tuple[Path, Tree]:
    root = fill(folder / "photos", "I.CR2", "I.JPG", "I.xmp", "trip/b.jpg", "trip/c.jpg")
    (root / "I.xmp").write_bytes(SIDECAR)
    fill(folder / "out", "trip/b.jpg")
    return root, look(folder)


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.rglob("blur-journal-*.jsonl"))


def _killed_everywhere(folder: Path, kind: str, undo_killed: bool, stride: int) -> int:
    """Kill at each moment in turn, undo (killed too, or not), compare; how many moments."""
    for moment in itertools.count(step=stride):
        place = folder / str(moment)
        root, before = _plant(place)
        alive = True
        try:
            with killed_at(moment if not undo_killed else 10**9):
                acted(root, "I.JPG", "trip/b.jpg", **{kind: place / "out"}, tag=True)
        except Killed:
            alive = False
        for journal in _journals(place):
            if journal.stat().st_size == 0:
                continue  # killed before its first line: nothing was done
            if undo_killed:
                try:
                    with killed_at(moment):
                        undo(journal)
                except Killed:
                    alive = False
            report = undo(journal)
            assert report.lines == (), (moment, report.lines)
        assert look(place) == before, moment
        shutil.rmtree(place)
        if alive:
            return moment
    raise AssertionError


@pytest.mark.parametrize("undo_killed", [False, True])
@pytest.mark.parametrize(
    ("kind", "across"), [("move", False), ("move", True), ("copy", False), ("link", False)]
)
def test_killed_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, across: bool, undo_killed: bool
) -> None:
    if across:
        separate_file_systems(monkeypatch)
    stride = 5 if across else 3  # odd: befores and afters take turns; all took 40 s and passed
    assert _killed_everywhere(tmp_path, kind, undo_killed, stride) > 20


@pytest.mark.parametrize("across", [False, True])
def test_interrupted_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    """Ctrl-C loses no photo; what was done is undone by the journal."""
    if across:
        separate_file_systems(monkeypatch)
    verdict = blurred(Path("photos/I.JPG"), Path("photos/trip/b.jpg"))
    for moment in itertools.count():
        place = tmp_path / str(moment)
        root, before = _plant(place)
        monkeypatch.chdir(place)
        with killed_at(moment, KeyboardInterrupt):
            try:
                report = act(verdict, [root], ActionOptions(move=place / "out"))
            except KeyboardInterrupt:  # while the report was made
                continue
        shot = {"I.CR2", "I.JPG", "I.xmp"}
        assert (names(root) & shot) in (set(), shot)
        if report.journal:
            assert undo(report.journal).lines == ()
        assert look(place) == before
        if not report.interrupted:
            assert moment > 20
            return


STEMS = st.text("ab(2) .é", min_size=1, max_size=4).filter(lambda s: s.strip(". ") == s)
ENDINGS = st.sampled_from([".jpg", ".JPG", ".cr2", ".png", ".xmp", ".jpg.xmp", ".cr2.xmp"])
FILES = st.lists(
    st.tuples(st.sampled_from(["", "d/", "d/e/"]), STEMS, ENDINGS).map("".join),
    min_size=1,
    max_size=9,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(FILES, FILES, st.sampled_from(["move", "copy", "link"]), st.booleans(), st.integers(0, 300))
def test_any_tree_comes_back(
    photos: list[str], there: list[str], kind: str, tags: bool, moment: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        root, out = fill(place / "photos", *photos), fill(place / "out", *there)
        before, kept = look(place), look(out)
        shots = [root / photo for photo in photos if not photo.endswith(".xmp")]
        options = ActionOptions(**{kind: out}, tag=tags)  # type: ignore[arg-type]
        try:
            with killed_at(moment):
                act(blurred(*shots), [root], options)
            assert kept.items() <= look(out).items()
            contents = [content for content, _ in look(place).values()]
            assert all(content in contents for content, _ in before.values())
        except Killed:
            pass
        for journal in _journals(place):
            if journal.stat().st_size:
                assert undo(journal).lines == ()
        assert look(place) == before
