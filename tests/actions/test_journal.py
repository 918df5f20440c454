"""Undo: later changes, journals of all sorts, and kills at any moment."""

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch

from action_trees import (
    Tree,
    acted,
    blurred,
    fill,
    look,
    names,
    separate_file_systems,
    sharp,
    undone,
)
from blur_fusion.actions import journal
from blur_fusion.actions.act import act
from blur_fusion.actions.journal import undo
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.xmp import fresh
from blur_fusion.errors import BlurError
from scan_command import invoked
from trees import refusing
from xmp_samples import tags


@pytest.fixture(autouse=True, scope="module")
def _memory_is_disk() -> Iterator[None]:
    """No test here cuts the power, and waiting for the disk takes a minute."""
    with MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def test_the_command(tmp_path: Path, out: Path) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "trip/b.jpg")
    before = look(tmp_path)
    path = acted(root, "I.JPG", "trip/b.jpg", move=out, tag=True).journal
    (root / "I.JPG").write_bytes(b"new")
    result = invoked("undo", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("warning: ") and result.stderr.count("\n") == 1
    assert (root / "I.JPG").read_bytes() == b"new" and names(out) == {"I.JPG"}
    (root / "I.JPG").unlink()
    result = invoked("undo", path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 file put back\n", "")
    assert look(tmp_path) == before
    assert "already" in invoked("undo", path).stdout


def test_journals_of_one_second_are_numbered(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(journal, "datetime", Still)
    made = [journal.create(tmp_path, [str(tmp_path)]) for _ in range(3)]
    found = [one.path.name for one in made]
    assert found == [f"blur-journal-20260101T000000Z{end}.jsonl" for end in ("", "-2", "-3")]
    for one in made:
        with one.step("mkdir", "", str(tmp_path / "new")):
            pass
    assert journal.not_undone(tmp_path, [tmp_path]) == [one.path for one in made]


def test_a_journal_of_the_first_release(tmp_path: Path) -> None:
    """As it wrote them: a move, a copy, a link, a sidecar and a failure."""
    root, out = fill(tmp_path / "photos", "b.jpg", "c.jpg", "d.jpg"), tmp_path / "out"
    kept = look(root)
    fill(out, "a.jpg")
    sha256 = hashlib.sha256(b"kept").hexdigest()
    for path in (out / "b.jpg", root / "d.jpg.xmp"):
        path.write_bytes(b"kept")
    (out / "c.jpg").symlink_to(root / "c.jpg")
    stat = (out / "a.jpg").stat()
    facts = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    new = {"before": None, "sha256": sha256}
    copied = {"done": 3, "size": 4, "mtime_ns": 1, "sha256": sha256}
    steps = [
        ("mkdir", "", f"{out}", {}, {"done": 1}),
        ("move", f"{root}/a.jpg", f"{out}/a.jpg", facts, {"done": 2}),
        ("copy", f"{root}/b.jpg", f"{out}/b.jpg", {"size": 15, "mtime_ns": 0}, copied),
        ("link", f"{root}/c.jpg", f"{out}/c.jpg", {"text": f"{root}/c.jpg"}, {"done": 4}),
        ("tag", f"{root}/d.jpg", f"{root}/d.jpg.xmp", new, {"done": 5}),
        ("move", f"{root}/e.jpg", f"{out}/e.jpg", {}, {"failed": 6}),
    ]
    lines = [{"journal": "blur", "version": 1, "id": "20260101T000000Z"}]
    for number, (kind, source, target, before, after) in enumerate(steps, 1):
        lines.append({"do": number, "kind": kind, "source": source, "target": target, **before})
        lines.append(after)
    path = tmp_path / "blur-journal-20260101T000000Z.jsonl"
    torn = '{"do": 7, "kind": "mo'  # a crash cut it off: it was never acted on
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + torn)
    report = undo(path)
    assert (report.done, report.lines) == (4, ()) and not out.exists()
    assert kept.items() <= look(root).items() and names(root) == {f"{x}.jpg" for x in "abcd"}


HEAD = b'{"journal": "blur", "version": 1, "id": "X"}\n'
STEPS = [
    b'{"do": 1, "kind": "erase", "source": "/a", "target": "/b"}',
    b'{"do": 1, "kind": "move", "source": "/a", "target": "b"}',
    b'{"do": 2, "kind": "move", "source": "/a", "target": "/b"}',
    *(b'{"done": 1}', b'{"done": 0}', b"[" * 100_000),
]


@pytest.mark.parametrize(
    "content",
    [
        *(HEAD.replace(b"X", b"../x"), HEAD.replace(b"1", b"9"), b"", b"photos\n", b"[]\n"),
        *(b"\xff\n", *(HEAD + step + b"\n" for step in STEPS)),
    ],
)
def test_a_file_that_is_not_a_journal_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(BlurError, match="journal.jsonl: (is not a|was written by another version)"):
        undo(path)
    assert path.read_bytes() == content
    with pytest.raises(BlurError, match="cannot be read"):
        undo(tmp_path / "absent")


def test_copies_carry_times_and_a_changed_one_survives_undo(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", copy=out)
    assert (out / "a.jpg").stat().st_mtime_ns == (root / "a.jpg").stat().st_mtime_ns
    (out / "a.jpg").write_bytes(b"edited since")
    assert undone(report).lines == (f"{out}/a.jpg: was changed since it was copied; left",)
    assert names(out) == {"a.jpg"}
    (out / "a.jpg").unlink()
    assert undone(report).lines == ()


def test_a_folder_that_is_gone_is_made_again(root: Path, out: Path) -> None:
    before = look(root)
    report = acted(root, "trip/b.jpg", "trip/c.jpg", move=out)
    (root / "trip").rmdir()
    assert undone(report).lines == () and look(root) == before


def test_a_journal_that_cannot_be_written_undoes_nothing(
    root: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    report = acted(root, "a.jpg", move=out)
    refusing(monkeypatch, "truncate", errno.EACCES, out)  # root may write anything
    with pytest.raises(BlurError, match="cannot be written; copy it elsewhere and undo the copy"):
        undone(report)
    assert names(out) == {"a.jpg"}


def test_links_are_absolute_and_undone_only_if_ours(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", link=out)
    assert os.readlink(out / "trip/b.jpg") == os.path.realpath(root / "trip/b.jpg")
    assert acted(root, "a.jpg", link=out).journal is None
    (out / "a.jpg").unlink()
    (out / "a.jpg").write_bytes(b"the user's")
    assert undone(report).lines == (f"{out}/a.jpg: is no longer the link that was made; left",)
    assert names(out) == {"a.jpg"} and names(root) == {"a.jpg", "trip/b.jpg", "trip/c.jpg"}


def test_a_shot_stays_together_when_a_part_cannot_go(
    tmp_path: Path, out: Path, monkeypatch: MonkeyPatch
) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "K.jpg")
    before = look(root)
    refusing(monkeypatch, "replace", errno.EACCES, root / "I.xmp")
    report = acted(root, "I.JPG", "K.jpg", move=out)
    assert report.failed and report.done == 1
    expected = "could not be moved (Permission denied); its shot stays together"
    assert report.lines == (f"{root}/I.xmp: {expected}",)
    assert names(root) == {"I.CR2", "I.JPG", "I.xmp"} and names(out) == {"K.jpg"}
    assert undone(report).done == 1
    assert look(root, out) == before


def test_any_bytes_in_a_name_survive(tmp_path: Path, out: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \n\xff.jpg")
    root = fill(tmp_path / "photos", name)
    before = look(root)
    report = acted(root, name, move=out, tag=True)
    assert names(out) == {name, name + ".xmp"}
    assert all(json.loads(line) for line in report.journal.read_text("ascii").splitlines())
    undone(report)
    assert look(root, out) == before
    (line,) = acted(root, name, move=out, dry_run=True).plan
    assert line.isprintable()


def test_a_journal_damaged_within_a_step_is_a_line(root: Path, out: Path) -> None:
    report = acted(root, "a.jpg", "trip/b.jpg", tag=True)
    text = report.journal.read_text().replace('"before": null', '"before": 7', 1)
    report.journal.write_text(text)
    assert undone(report).lines == (f"{root}/a.jpg.xmp: left, the journal is damaged there",)


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
@pytest.mark.parametrize(
    ("target", "moves", "to"),
    [
        ("lib/photos/out", "lib", "far/away"),  # all of it, more than was scanned
        ("lib/photos/out", "lib/photos", "p"),  # what was scanned, and the target in it
        ("lib/out", "lib", "lib2"),  # the target beside it
        ("out", "lib/photos", "p"),  # the photos only
        ("out", "lib", "lib/lib"),  # to below its old name
        ("out", "out", "o"),  # the target only
    ],
)
def test_undo_finds_what_moved_as_a_whole(
    tmp_path: Path, kind: str, target: str, moves: str, to: str
) -> None:
    photos = fill(tmp_path / "lib/photos", "trip/b.jpg", "trip/c.jpg", "trip/b.jpg.xmp")
    (photos / "trip/b.jpg.xmp").write_bytes(fresh(tags("motion", 0.1)))
    before = look(tmp_path)
    report = acted(photos, "trip/b.jpg", **{kind: tmp_path / target}, tag=True)
    (tmp_path / moves).rename(tmp_path / "x")
    (tmp_path / to).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "x").rename(tmp_path / to)
    (path,) = tmp_path.rglob("blur-journal-*")
    (tmp_path / "empty").mkdir()
    for wrong in ("absent", "empty"):
        with pytest.raises(BlurError, match="holds none of the files in .*; give the folder"):
            undo(path, tmp_path / wrong)
    old, new = f"{tmp_path}/{moves}/", f"{tmp_path}/{to}/"
    expected = {path.replace(old, new): one for path, one in before.items()}
    assert undo(path, tmp_path / to).lines == ()
    assert look(tmp_path) == expected
    assert undo(path).summary.endswith("undone already") and report.done > 1


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
@pytest.mark.parametrize(
    ("target", "first_release"), [("photos/out", False), ("photos/out", True), ("out", False)]
)
def test_undo_without_a_hint_spoils_nothing(
    tmp_path: Path, kind: str, target: str, first_release: bool
) -> None:
    """Missing files do not count as deleted if the rest is missing too."""
    root = fill(tmp_path / "photos", "a.jpg")
    report = acted(root, "a.jpg", **{kind: tmp_path / target}, tag=True)
    if first_release:
        text = report.journal.read_text()
        report.journal.write_text(re.sub(', "roots": .*?]', "", text, count=1))
    root.rename(tmp_path / "new")
    (path,) = tmp_path.rglob("blur-journal-*")
    result = invoked("undo", path)
    assert result.exit_code == 1 and "give their folder: --at" in result.stderr
    assert result.stderr.count("\n") == 1
    result = invoked("undo", path, "--at", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    assert names(tmp_path / "new") == {"a.jpg"} and not (tmp_path / "photos").exists()


CALLS = ("open", "replace", "unlink", "mkdir", "rmdir", "symlink", "fsync", "utime", "chmod")


class Killed(BaseException):
    """Nothing in the library catches it, as nothing catches SIGKILL."""


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

    with MonkeyPatch.context() as patch:
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
    for path in sorted(folder.rglob("blur-journal-*.jsonl")):
        if path.stat().st_size == 0:
            continue  # killed before its first line: nothing was done
        try:
            with killed_at(moment):
                undo(path)
        except Killed:
            killed = True
        assert undo(path).lines == ()
    return killed


@pytest.mark.parametrize("kind", ["move", "move across", "copy", "link"])
def test_killed_at_every_moment(tmp_path: Path, monkeypatch: MonkeyPatch, kind: str) -> None:
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
    tmp_path: Path, monkeypatch: MonkeyPatch, across: bool
) -> None:
    """Ctrl-C loses no photo; what was done is undone by the journal."""
    if across:
        separate_file_systems(monkeypatch)
    shot = {"I.CR2", "I.JPG", "I.xmp"}
    for moment in itertools.count():
        place = tmp_path / str(moment)
        root, before = _plant(place)
        with killed_at(moment, KeyboardInterrupt):
            try:
                report = acted(root, "I.JPG", "trip/b.jpg", move=place / "out")
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


FOLDERS = st.sampled_from(["", "d/", "d/e/"])
STEMS = st.text("ab(2) .é", min_size=1, max_size=4).filter(lambda s: s.strip(". ") == s)
ENDINGS = st.sampled_from([".jpg", ".JPG", ".cr2", ".png", ".xmp", ".jpg.xmp", ".cr2.xmp"])
NAMES = st.tuples(FOLDERS, STEMS, ENDINGS).map("".join)
FILES = st.lists(NAMES, min_size=1, max_size=9, unique=True)


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
