"""Moving, copying and linking: structure, companions, free names, what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from action_trees import acted, blurred, fill, look, names, sharp, undone
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Prediction


def test_moves_the_blurred_and_keeps_the_structure(root: Path, out: Path) -> None:
    before = look(root)
    verdicts = [*blurred(root / "a.jpg", root / "trip/b.jpg"), *sharp(root / "trip/c.jpg")]
    report = act(verdicts, [root], ActionOptions(move=out))
    assert (report.done, report.failed, report.lines) == (2, False, ())
    assert names(root) == {"trip/c.jpg"} and names(out) == {"a.jpg", "trip/b.jpg"}
    assert report.journal.parent == out and str(report.journal) in report.summary
    back = undone(report)
    assert (back.done, back.lines) == (2, ())
    assert look(root, out) == before
    assert [path.name for path in out.iterdir()] == [report.journal.name]
    assert undone(report).summary.endswith("undone already")


def test_nothing_blurred_writes_nothing(root: Path, out: Path) -> None:
    verdicts = [*sharp(root / "a.jpg"), Prediction.failed(str(root / "trip/b.jpg"), "is broken")]
    report = act(verdicts, [root], ActionOptions(move=out))
    assert (report.journal, report.done, report.failed) == (None, 0, False)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
def test_dry_run_writes_nothing(root: Path, out: Path, kind: str) -> None:
    before = sorted(root.parent.rglob("*"))
    report = acted(root, "trip/b.jpg", **{kind: out}, tag=True, dry_run=True)
    assert sorted(root.parent.rglob("*")) == before
    assert report.plan == (
        f"tag {root}/trip/b.jpg.xmp",
        f"{kind} {root}/trip/b.jpg -> {out}/trip/b.jpg",
        f"{kind} {root}/trip/b.jpg.xmp -> {out}/trip/b.jpg.xmp",
    )
    assert report.journal is None and report.done == 3


def test_companions_go_together(tmp_path: Path, out: Path) -> None:
    shot = {"I.CR2", "I.JPG", "I.xmp", "I.CR2.xmp", "I.JPG.XMP", "I_01.CR2.xmp"}
    strangers = {"I.jpg.pp3", "I_2.JPG", "I_2.JPG.xmp", "II.xmp", "I_01.NEF"}
    report = acted(fill(tmp_path / "photos", *shot, *strangers), "I.JPG", move=out)
    assert names(out) == shot and report.done == 6
    assert undone(report).done == 6


def test_equal_stems_without_raw_are_strangers(tmp_path: Path, out: Path) -> None:
    root = fill(tmp_path / "photos", "1.jpg", "1.png", "2.jpg", "2.png")
    verdicts = blurred(root / "1.jpg", root / "2.jpg", root / "2.png") + sharp(root / "1.png")
    assert act(verdicts, [root], ActionOptions(move=out)).lines == ()
    assert names(out) == {"1.jpg", "2.jpg", "2.png"}


@pytest.mark.parametrize("common", ["I.NEF", "I.xmp"])
def test_a_pair_that_disagrees_is_left(tmp_path: Path, out: Path, common: str) -> None:
    root = fill(tmp_path / "photos", "I.jpg", "I.heic", common)
    before = look(root)
    report = act(blurred(root / "I.jpg") + sharp(root / "I.heic"), [root], ActionOptions(move=out))
    assert look(root) == before and not report.failed
    assert report.lines == (
        f"{root}/I.jpg: judged blurred, but I.heic of the same shot sharp; left",
    )


def test_a_taken_name_renames_the_whole_shot(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "I.JPG.xmp")
    out = fill(tmp_path / "out", "i.png", "I (2).xmp")
    before = look(root, out)
    report = acted(root, "I.JPG", move=out)
    moved = {"I (3).CR2", "I (3).JPG", "I (3).xmp", "I (3).JPG.xmp"}
    assert names(out) == {"i.png", "I (2).xmp"} | moved
    undone(report)
    assert look(root, out) == before


def test_roots_called_alike_do_not_meet(tmp_path: Path, out: Path) -> None:
    one, two = fill(tmp_path / "1/DCIM", "a.jpg", "b/c.jpg"), fill(tmp_path / "2/DCIM", "a.jpg")
    lone = fill(tmp_path / "lone", "a.jpg") / "a.jpg"
    verdicts = blurred(one / "a.jpg", one / "b/c.jpg", two / "a.jpg", lone)
    act(verdicts, [one, two, one / "b", lone], ActionOptions(copy=out))
    assert names(out) == {"DCIM/a.jpg", "DCIM/b/c.jpg", "DCIM (2)/a.jpg", "a.jpg"}


def test_relative_paths_and_files_named_directly(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    paths = [Path("a.jpg"), Path("trip/b.jpg")]
    report = act(blurred(*paths), paths, ActionOptions(move=Path("../out")))
    assert names(out) == {"a.jpg", "b.jpg"}
    monkeypatch.chdir(root.parent)
    assert undone(report).done == 2


def test_target_inside_the_root_is_not_emptied(root: Path) -> None:
    out = root / "blurred"
    assert acted(root, "a.jpg", move=out).done == 1
    again = acted(root, "blurred/a.jpg", "trip/b.jpg", move=out)
    assert names(out) == {"a.jpg", "trip/b.jpg"}
    assert again.lines == (f"{out}: 1 blurred photos lie in it already; left",)


@pytest.mark.parametrize("target", [".", "..", "a.jpg"])
def test_a_wrong_target_is_one_line(root: Path, target: str) -> None:
    before = look(root.parent)
    with pytest.raises(BlurError, match="choose another target"):
        acted(root, "a.jpg", move=root / target, tag=True)
    assert look(root.parent) == before


def test_copying_again_copies_only_what_is_new(root: Path, out: Path) -> None:
    acted(root, "a.jpg", "trip/b.jpg", copy=out)
    before = look(out)
    again = acted(root, "a.jpg", copy=out)
    assert again.journal is None
    assert again.lines == (f"{out}: 1 blurred photos are there from an earlier run",)
    (root / "a.jpg").write_bytes(b"edited")
    acted(root, "a.jpg", "trip/b.jpg", copy=out)
    assert names(out) == {"a.jpg", "a (2).jpg", "trip/b.jpg"}
    assert before.items() <= look(out).items()


def test_a_moved_link_would_break_and_is_left_and_what_is_gone_too(root: Path, out: Path) -> None:
    (root / "l.jpg").symlink_to("a.jpg")
    report = acted(root, "l.jpg", "gone.jpg", "nowhere/gone.jpg", "trip/b.jpg", move=out)
    assert report.failed and len(report.lines) == 3 and report.done == 1
    assert any("symbolic link" in line for line in report.lines)
    acted(root, "l.jpg", copy=out)
    assert not (out / "l.jpg").is_symlink()
    assert (out / "l.jpg").read_bytes() == (root / "a.jpg").read_bytes()
