"""Moving, copying and linking: structure, companions, free names, what is left alone."""

import os
import struct
from pathlib import Path

import pytest
from pytest import MonkeyPatch

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


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
def test_dry_runs_and_what_is_not_blurred_write_nothing(root: Path, out: Path, kind: str) -> None:
    before = sorted(root.parent.rglob("*"))
    verdicts = [*sharp(root / "a.jpg"), Prediction.failed(str(root / "trip/b.jpg"), "is broken")]
    report = act(verdicts, [root], ActionOptions(**{kind: out}))
    assert (report.journal, report.done, report.failed) == (None, 0, False)
    report = acted(root, "trip/b.jpg", **{kind: out}, tag=True, dry_run=True)
    assert sorted(root.parent.rglob("*")) == before
    assert report.plan == (
        f"tag {root}/trip/b.jpg.xmp",
        f"{kind} {root}/trip/b.jpg -> {out}/trip/b.jpg",
        f"{kind} {root}/trip/b.jpg.xmp -> {out}/trip/b.jpg.xmp",
    )
    assert report.journal is None and report.done == 3


LONG = "L" * 44


@pytest.mark.parametrize(
    ("photo", "along", "strangers"),
    [
        (
            "I.JPG",
            {"I.CR2", "I.xmp", "I.CR2.xmp", "I.JPG.XMP", "I_01.CR2.xmp"},
            {"I.jpg.pp3", "I_2.JPG", "I_2.JPG.xmp", "II.xmp", "I_01.NEF"},
        ),
        ("I.HEIC", {"I.MOV", "I.AAE", "I.HEIC.json", "I.MOV.json"}, {"I_2.MOV", "I.avi", "i.mp4"}),
        ("I.jpg", {"I.mp4", "I.heic"}, {"I.jpg.mp4", "I.txt"}),
        ("P.MP.jpg", {"P.MP", "P.MP.jpg.supplemental-metadata.json"}, {"P", "P.jpg", "P.mp4"}),
        ("P.MP.jpg", {"P.MP.mp4"}, {"P.mp4"}),
        ("I.CR2", {f"I.{s}" for s in ("on1", "WAV", "vrd", "dr4", "acr", "thm", "dop")}, {"I.on2"}),
        ("I.NEF", {"I.NEF.arp", "I.NEF.cos", "I.NEF.comask", "I.NEF.nksc", "I.nksc"}, {"I.NE.cos"}),
        ("I.jpg", {"I.jpg.pp3", "I.jpg.out.pp3"}, {"I.jpg.in.pp3", "I_1.jpg.pp3"}),
        ("I.NEF", {"NKSC_PARAM/I.NEF.nksc"}, {"NKSC_PARAM/I_2.NEF.nksc", "NKSC_PARAM/I.NEF.x"}),
        ("I.NEF", {"CaptureOne/Settings153/I.NEF.cos"}, {"CaptureOne/Cache/I.NEF.cos"}),
        ("a.jpg", {"a.jpg.supplemental-metadata.json"}, {"a.jpg.supplemental-metadata(1).json"}),
        ("a(1).jpg", {"a.jpg.supplemental-metadata(1).json"}, {"a.jpg.suppl.json", "a.jpg"}),
        ("a(1).jpg", {"a.jpg(1).json"}, {"a.jpg.json", "a.jpg(2).json", "a.jpg(11).json"}),
        ("a.b(3).jpg", {"a.b.jpg.s(3).json"}, {"a.b.jpg.x(3).json", "a.jpg(3).json"}),
        ("a.jpg", {"a.json"}, {"a.jpg.more.json", "a-edited.jpg", "b.jpg.json"}),
        (f"{LONG}12345.jpg", {f"{LONG}12.json"}, {f"{LONG}1.json", f"{LONG}13.json"}),
        (f"{LONG}1.jpg", {f"{LONG}1..json"}, {f"{LONG}.json"}),
        (f"{LONG}12345(1).jpg", {f"{LONG}12(1).json"}, {f"{LONG}12.json"}),
        ("\U0001f600" * 30 + ".jpg", {"\U0001f600" * 23 + ".json"}, {"\U0001f600" * 22 + ".json"}),
    ],
)
def test_companions_go_together(
    tmp_path: Path, out: Path, photo: str, along: set[str], strangers: set[str]
) -> None:
    """And back; if the name is taken, all of them get the same other stem."""
    root = fill(tmp_path / "photos", photo, *along, *strangers)
    before = look(root)
    report = acted(root, photo, move=out)
    assert names(out) == {photo} | along and report.done == 1 + len(along)
    assert names(root) == strangers
    assert undone(report).done == 1 + len(along)
    assert look(root) == before
    fill(out, photo)
    assert not acted(root, photo, move=out).failed and names(root) == strangers
    assert len(names(out) - {photo}) == 1 + len(along)
    (second,) = out.glob(f"*(2){Path(photo).suffix}")
    back = acted(out, second.name, move=tmp_path / "back")  # still its companions
    assert back.done == 1 + len(along)


def video(path: Path, seconds: float, long: bool = False) -> None:
    """The boxes of a QuickTime video that give its duration."""
    times = struct.pack(">QQIQ" if long else ">IIII", 0, 0, 600, int(600 * seconds))
    header = struct.pack(">B3x", long) + times + bytes(80)
    boxes = ((b"ftyp", b"qt  "), (b"mdat", bytes(999)), (b"moov", box(b"mvhd", header)))
    path.write_bytes(b"".join(box(*one) for one in boxes))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("long", [False, True])
def test_a_video_that_only_shares_its_name_stays(tmp_path: Path, out: Path, long: bool) -> None:
    """A Live Photo's clip goes along; a video of minutes is judged by itself."""
    root = fill(tmp_path / "photos", "a.jpg", "b.jpg", "b.heic", "c.jpg")
    video(root / "a.mov", 3.1, long)
    video(root / "b.mp4", 61, long)
    os.mkfifo(root / "c.mov")
    report = acted(root, "a.jpg", "b.jpg", move=out)
    assert names(out) == {"a.jpg", "a.mov", "b.jpg"} and not report.failed
    assert report.lines == (f"{root}/b.mp4: too long for a Live Photo's video; left",)
    assert acted(root, "c.jpg", move=out).failed  # and does not block on the pipe


def test_takeouts_doubles_keep_their_names(tmp_path: Path, out: Path) -> None:
    there = {"a.jpg", "a.jpg.json", "a(1).jpg", "a.jpg(1).json", "a(2).jpg", "a.jpg.suppl(2).json"}
    root = fill(tmp_path / "photos", *there)
    acted(root, "a(1).jpg", "a.jpg", "a(2).jpg", move=out)
    assert names(out) == there


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
    assert report.lines == (f"{root}/I.jpg: I.heic of the same shot has another verdict; left",)


def test_each_verdict_has_its_target_and_both_one_journal(tmp_path: Path, out: Path) -> None:
    root = fill(tmp_path / "photos", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    before, doubt = look(root), tmp_path / "doubt"
    verdicts = [
        *blurred(root / "a.jpg"),
        Prediction(str(root / "b.jpg"), True, 0.6, "motion", verdict="unsure"),
        Prediction(str(root / "c.jpg"), False, 0.4, "sharp", verdict="unsure", rank=2, tie=False),
        *sharp(root / "d.jpg"),
    ]
    report = act(verdicts, [root], ActionOptions(move=out, unsure=doubt, losers=True, tag=True))
    assert names(out) == {"a.jpg", "a.jpg.xmp", "c.jpg"} and names(doubt) == {"b.jpg"}
    assert names(root) == {"d.jpg"} and list(tmp_path.rglob("blur-journal-*")) == [report.journal]
    assert report.summary.startswith("1 file tagged, 4 files moved; ") and report.lines == ()
    assert undone(report).lines == () and look(root) == before and not doubt.exists()


def test_a_taken_name_renames_the_whole_shot(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "I.xmp", "I.JPG.xmp")
    out = fill(tmp_path / "out", "i.png", "I (2).xmp")
    before = look(root, out)
    report = acted(root, "I.JPG", move=out)
    moved = {f"I (3).{ending}" for ending in ("CR2", "JPG", "xmp", "JPG.xmp")}
    assert names(out) == {"i.png", "I (2).xmp"} | moved
    undone(report)
    assert look(root, out) == before


def test_roots_called_alike_do_not_meet(tmp_path: Path, out: Path) -> None:
    one, two = fill(tmp_path / "1/DCIM", "a.jpg", "b/c.jpg"), fill(tmp_path / "2/DCIM", "a.jpg")
    lone = fill(tmp_path / "lone", "a.jpg") / "a.jpg"
    verdicts = blurred(one / "a.jpg", one / "b/c.jpg", two / "a.jpg", lone)
    act(verdicts, [one, two, one / "b", lone], ActionOptions(copy=out))
    assert names(out) == {"DCIM/a.jpg", "DCIM/b/c.jpg", "DCIM (2)/a.jpg", "a.jpg"}


def test_relative_paths_and_named_files(root: Path, out: Path, monkeypatch: MonkeyPatch) -> None:
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
    assert again.lines == (f"{out}: 1 photo in it already; left",)


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
    assert again.journal is None and again.lines == (f"{out}: 1 photo there from an earlier run",)
    (root / "a.jpg").write_bytes(b"edited")
    acted(root, "a.jpg", "trip/b.jpg", copy=out)
    assert names(out) == {"a.jpg", "a (2).jpg", "trip/b.jpg"}
    assert before.items() <= look(out).items()


def test_a_moved_link_would_break_and_is_left_and_what_is_gone_too(root: Path, out: Path) -> None:
    (root / "l.jpg").symlink_to("a.jpg")
    (root / "loop").symlink_to("loop")  # irrelevant
    report = acted(root, "l.jpg", "gone.jpg", "nowhere/gone.jpg", "trip/b.jpg", move=out)
    assert report.failed and len(report.lines) == 3 and report.done == 1
    assert any("symbolic link" in line for line in report.lines)
    acted(root, "l.jpg", copy=out)
    copy = out / "l.jpg"
    assert not copy.is_symlink() and copy.read_bytes() == (root / "a.jpg").read_bytes()
