"""`undo` restores every byte after a kill at any moment; a system call that raises stands in."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from action_trees import Tree, acted, blurred, fill, look, names, separate_file_systems, sharp
from blur_fusion.actions.act import act
from blur_fusion.actions.journal import undo
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.xmp import fresh
from xmp_samples import tags

CALLS = ("open", "replace", "unlink", "mkdir", "rmdir", "symlink", "fsync", "utime", "chmod")


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

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **more: Any) -> Any:
            if next(counter) == moment:
                raise exception
            result = call(*arguments, **more)
            if next(counter) == moment:
                raise exception
            return result

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield


def _plant(folder: Path) -> tuple[Path, Tree]:
    root = fill(folder / "photos", "I.CR2", "I.JPG", "I.xmp", "trip/b.jpg", "trip/c.jpg")
    (root / "I.xmp").write_bytes(fresh(tags("defocus", 0.1)))
    fill(folder / "out", "trip/b.jpg")
    return root, look(folder)


def _undo_all(folder: Path, moment: int = 10**9) -> bool:
    """Undo by each journal, killed at a `moment`, and again; whether it came to that."""
    killed = False
    for journal in sorted(folder.rglob("blur-journal-*.jsonl")):
        if journal.stat().st_size == 0:
            continue  # killed before its first line: nothing was done
        try:
            with killed_at(moment):
                undo(journal)
        except Killed:
            killed = True
        assert undo(journal).lines == ()
    return killed


@pytest.mark.parametrize("kind", ["move", "move across", "copy", "link"])
def test_killed_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Acting is killed and undone; then all is done, and undoing it killed and done again."""
    kind, _, across = kind.partition(" ")
    if across:
        separate_file_systems(monkeypatch)
    stride = 5 if across else 3  # odd, so before and after alternate; all take 40 s
    for moment in itertools.count(step=stride):
        place, alive = tmp_path / str(moment), False
        root, before = _plant(place)
        with suppress(Killed), killed_at(moment):
            acted(root, "I.JPG", "trip/b.jpg", **{kind: place / "out"}, tag=True)
            alive = True
        _undo_all(place)
        assert look(place) == before, moment
        acted(root, "I.JPG", "trip/b.jpg", **{kind: place / "out"}, tag=True)
        alive = not _undo_all(place, moment) and alive
        assert look(place) == before, moment
        shutil.rmtree(place)
        if alive:
            assert moment > 20
            return


def test_killed_while_tags_are_taken_off(tmp_path: Path) -> None:
    for moment in itertools.count():
        place, alive = tmp_path / str(moment), False
        root, _ = _plant(place)
        acted(root, "I.JPG", "trip/b.jpg", tag=True).journal.unlink()
        before = look(place)
        with suppress(Killed), killed_at(moment):
            act(sharp(root / "I.JPG", root / "trip/b.jpg"), [root], ActionOptions(tag=True))
            alive = True
        _undo_all(place, moment)
        assert look(place) == before, moment
        if alive:
            assert moment > 10
            return


@pytest.mark.parametrize("across", [False, True])
def test_interrupted_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    """Ctrl-C loses no photo; what was done is undone by the journal."""
    if across:
        separate_file_systems(monkeypatch)
    verdict = blurred(Path("photos/I.JPG"), Path("photos/trip/b.jpg"))
    shot = {"I.CR2", "I.JPG", "I.xmp"}
    for moment in itertools.count():
        place = tmp_path / str(moment)
        root, before = _plant(place)
        monkeypatch.chdir(place)
        with killed_at(moment, KeyboardInterrupt):
            try:
                report = act(verdict, [root], ActionOptions(move=place / "out"))
            except KeyboardInterrupt:  # while the report was made
                continue
        assert ("interrupted; no shot is half done" in report.lines) == report.interrupted
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
        options = ActionOptions(**{kind: out}, tag=tags)
        with suppress(Killed), killed_at(moment):
            act(blurred(*shots), [root], options)
            assert kept.items() <= look(out).items()
            contents = [content for content, _ in look(place).values()]
            assert all(content in contents for content, _ in before.values())
        _undo_all(place)
        assert look(place) == before
