"""Moving, copying and linking: structure, companions, free names, what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from action_trees import blurred, fill, look, names, sharp
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.undo import undo
from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Verdict


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", "a.jpg", "trip/b.jpg", "trip/c.jpg")


def test_moves_the_blurred_and_keeps_the_structure(root: Path, tmp_path: Path) -> None:
    before = look(root)
    verdicts = [*blurred(root / "a.jpg", root / "trip/b.jpg"), *sharp(root / "trip/c.jpg")]
    report = act(verdicts, [root], ActionOptions(move=tmp_path / "out"))
    assert (report.done, report.failed, report.lines) == (2, False, ())
    assert names(root) == {"trip/c.jpg"}
    assert names(tmp_path / "out") == {"a.jpg", "trip/b.jpg"}
    assert report.journal is not None and report.journal.parent == tmp_path / "out"
    assert str(report.journal) in report.summary
    back = undo(report.journal)
    assert (back.restored, back.failed) == (2, False)
    assert look(root, tmp_path / "out") == before
    assert [p.name for p in (tmp_path / "out").iterdir()] == [report.journal.name]
    assert undo(report.journal).summary.endswith("undone already")


def test_nothing_blurred_writes_nothing(root: Path, tmp_path: Path) -> None:
    verdicts = [*sharp(root / "a.jpg"), Verdict.failed(str(root / "trip/b.jpg"), "is broken")]
    report = act(verdicts, [root], ActionOptions(move=tmp_path / "out"))
    assert (report.journal, report.done, report.failed) == (None, 0, False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
def test_dry_run_writes_nothing(root: Path, tmp_path: Path, kind: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    options = ActionOptions(**{kind: tmp_path / "out"}, tag=True, dry_run=True)  # type: ignore[arg-type]
    report = act(blurred(root / "trip/b.jpg"), [root], options)
    assert sorted(tmp_path.rglob("*")) == before
    out = tmp_path / "out" / "trip"
    assert report.plan == (
        f"tag {root}/trip/b.jpg.xmp",
        f"{kind} {root}/trip/b.jpg -> {out}/b.jpg",
        f"{kind} {root}/trip/b.jpg.xmp -> {out}/b.jpg.xmp",
    )
    assert report.journal is None and report.done == 3


def test_companions_go_together(tmp_path: Path) -> None:
    shot = ["I.CR2", "I.JPG", "I.xmp", "I.CR2.xmp", "I.JPG.XMP", "I_01.CR2.xmp", "I.jpg.pp3"]
    root = fill(tmp_path / "photos", *shot, "I_2.JPG", "I_2.JPG.xmp", "II.xmp", "I_01.NEF")
    report = act(blurred(root / "I.JPG"), [root], ActionOptions(move=tmp_path / "out"))
    assert names(tmp_path / "out") == set(shot) - {"I.jpg.pp3"}
    assert report.done == 6
    assert report.journal is not None and undo(report.journal).restored == 6


def test_equal_stems_without_raw_are_strangers(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", "1.jpg", "1.png", "2.jpg", "2.png")
    verdicts = blurred(root / "1.jpg", root / "2.jpg", root / "2.png") + sharp(root / "1.png")
    report = act(verdicts, [root], ActionOptions(move=tmp_path / "out"))
    assert report.lines == ()
    assert names(tmp_path / "out") == {"1.jpg", "2.jpg", "2.png"}


@pytest.mark.parametrize("common", ["I.NEF", "I.xmp"])
def test_a_pair_that_disagrees_is_left(tmp_path: Path, common: str) -> None:
    root = fill(tmp_path / "photos", "I.jpg", "I.heic", common)
    before = look(root)
    verdicts = blurred(root / "I.jpg") + sharp(root / "I.heic")
    report = act(verdicts, [root], ActionOptions(move=tmp_path / "out"))
    assert look(root) == before
    (line,) = report.lines
    assert line == f"{root}/I.jpg: judged blurred, but I.heic of the same shot sharp; left"
    assert not report.failed


def test_a_taken_name_renames_the_whole_shot(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "I.JPG.xmp")
    out = fill(tmp_path / "out", "i.png", "I (2).xmp")
    before = look(root, out)
    report = act(blurred(root / "I.JPG"), [root], ActionOptions(move=out))
    moved = {"I (3).CR2", "I (3).JPG", "I (3).xmp", "I (3).JPG.xmp"}
    assert names(out) == {"i.png", "I (2).xmp"} | moved
    assert report.journal is not None
    undo(report.journal)
    assert look(root, out) == before


def test_roots_called_alike_do_not_meet(tmp_path: Path) -> None:
    one, two = fill(tmp_path / "1/DCIM", "a.jpg", "b/c.jpg"), fill(tmp_path / "2/DCIM", "a.jpg")
    lone = fill(tmp_path / "lone", "a.jpg") / "a.jpg"
    verdicts = blurred(one / "a.jpg", one / "b/c.jpg", two / "a.jpg", lone)
    act(verdicts, [one, two, one / "b", lone], ActionOptions(copy=tmp_path / "out"))
    expected = {"DCIM/a.jpg", "DCIM/b/c.jpg", "DCIM (2)/a.jpg", "a.jpg"}
    assert names(tmp_path / "out") == expected


def test_relative_paths_and_files_named_directly(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    paths = [Path("a.jpg"), Path("trip/b.jpg")]
    report = act(blurred(*paths), paths, ActionOptions(move=Path("../out")))
    assert names(tmp_path / "out") == {"a.jpg", "b.jpg"}
    monkeypatch.chdir(tmp_path)
    assert report.journal is not None and undo(report.journal).restored == 2


def test_target_inside_the_root_is_not_emptied(root: Path) -> None:
    out = root / "blurred"
    first = act(blurred(root / "a.jpg"), [root], ActionOptions(move=out))
    assert first.done == 1
    again = act(blurred(out / "a.jpg", root / "trip/b.jpg"), [root], ActionOptions(move=out))
    assert names(out) == {"a.jpg", "trip/b.jpg"}
    assert again.lines == (f"{out}: 1 blurred photos lie in it already; left",)


@pytest.mark.parametrize("target", [".", "..", "a.jpg"])
def test_a_wrong_target_is_one_line(root: Path, target: str) -> None:
    before = look(root.parent)
    with pytest.raises(BlurError, match="choose another target"):
        act(blurred(root / "a.jpg"), [root], ActionOptions(move=root / target, tag=True))
    assert look(root.parent) == before


def test_copying_again_copies_only_what_is_new(root: Path, tmp_path: Path) -> None:
    options = ActionOptions(copy=tmp_path / "out")
    act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], options)
    before = look(tmp_path / "out")
    again = act(blurred(root / "a.jpg"), [root], options)
    assert again.journal is None and again.lines[0].endswith("1 blurred photos are there from an"
                                                             " earlier run")  # fmt: skip
    (root / "a.jpg").write_bytes(b"edited")
    act(blurred(root / "a.jpg", root / "trip/b.jpg"), [root], options)
    assert names(tmp_path / "out") == {"a.jpg", "a (2).jpg", "trip/b.jpg"}
    assert before.items() <= look(tmp_path / "out").items()


def test_a_moved_link_would_break_and_is_left(root: Path, tmp_path: Path) -> None:
    (root / "l.jpg").symlink_to("a.jpg")
    report = act(blurred(root / "l.jpg"), [root], ActionOptions(move=tmp_path / "out"))
    assert report.failed and "symbolic link" in report.lines[0]
    act(blurred(root / "l.jpg"), [root], ActionOptions(copy=tmp_path / "out"))
    copied = tmp_path / "out/l.jpg"
    assert not copied.is_symlink() and copied.read_bytes() == (root / "a.jpg").read_bytes()


def test_a_file_that_is_gone_is_one_line(root: Path, tmp_path: Path) -> None:
    verdicts = blurred(root / "gone.jpg", root / "nowhere/gone.jpg", root / "a.jpg")
    report = act(verdicts, [root], ActionOptions(move=tmp_path / "out"))
    assert report.failed and len(report.lines) == 2 and report.done == 1
