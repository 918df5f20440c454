"""Ratings, labels and flags: written into sidecars, never lowered, and read back as decisions."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from action_trees import acted, fill, look, sharp, undone
from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import Decision, photos_below, read_decisions
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.xmp import Marks, mark, read, unmark
from blur_fusion.model.prediction import Prediction
from made_bursts import exif
from xmp_samples import DARKTABLE, DIGIKAM_FILE, LIGHTROOM, wrapped

REJECTED = Marks(("rejected",), "Red", -1, -1)
PICKED = Marks((), None, 0, 1)
FULL = LIGHTROOM.replace(b"<rdf:Bag/>", b"<rdf:Bag><rdf:li>x</rdf:li></rdf:Bag>")


def rated(stars: object, flag: object = "") -> bytes:
    """A sidecar with a rating, as an element, and digiKam's flag, as an attribute."""
    inner = f"<x:Rating xmlns:x='http://ns.adobe.com/xap/1.0/'>{stars}</x:Rating>"
    pick = f" xmlns:d='http://www.digikam.org/ns/1.0/' d:PickLabel='{flag}'"
    return wrapped(inner).replace(b" r:about", pick.encode() * (flag != "") + b" r:about")


@pytest.mark.parametrize("data", [FULL, DARKTABLE, DIGIKAM_FILE, rated(0), rated(0, 2)])
@pytest.mark.parametrize("marks", [REJECTED, PICKED, Marks((), "Großes Blau", 5)])
def test_what_was_written_is_removed_and_nothing_else(data: bytes, marks: Marks) -> None:
    once = mark(data, marks)
    assert once != data and mark(once, marks) == once
    assert unmark(once) == data
    assert unmark(mark(once, Marks(("blurred",), "Yellow", -1, -1, 0.9))) == data


@pytest.mark.parametrize(
    ("there", "wanted", "force", "then"),
    [
        *((3, -1, force, then) for force, then in ((False, 3), (True, -1))),
        *((3, 2, force, then) for force, then in ((False, 3), (True, 2))),
        *[(3, 4, False, 4), (0, -1, False, -1), (0, 1, False, 1), (-1, -1, False, -1)],
        *[(-1, 0, False, 0), (3, 0, False, 3), (-1, 5, False, 5), ("4.0", -1, False, 4)],
    ],
)
def test_ratings_are_never_lowered(there: object, wanted: int, force: bool, then: int) -> None:
    before = rated(there)
    after = mark(before, Marks(rating=wanted, force=force))
    assert read(after).rating == then
    if str(there) != str(then) and float(str(there)) == then:
        assert str(there).encode() in after
    assert unmark(after) == before


@pytest.mark.parametrize(
    ("there", "wanted", "force", "then"),
    [(3, -1, False, 1), (3, -1, True, -1), (1, 1, False, 1), (2, -1, False, -1), (0, 1, False, 1)],
)
def test_flags_are_never_lowered(there: int, wanted: int, force: bool, then: int) -> None:
    before = rated(1, there)
    after = mark(before, Marks(flag=wanted, force=force))
    assert read(after).flag == then and unmark(after) == before


@pytest.mark.parametrize("odd", ["", "many", "9"])
def test_odd_ratings_are_left(odd: str) -> None:
    before = rated(odd)
    after = mark(before, Marks(rating=-1))
    assert after.count(b":Rating") == before.count(b":Rating") and unmark(after) == before
    assert read(after).rating is None


def test_what_another_program_changed_since_stays() -> None:
    once = mark(rated(0), REJECTED)
    changed = once.replace(b">-1</x:Rating>", b">4</x:Rating>")
    left = unmark(changed)
    assert changed != once and left is not None and b">4</x:Rating>" in left


def test_a_scan_is_nobodys_decision() -> None:
    judged = mark(rated(0), Marks(("blurred",), "Red", -1, -1, 0.9))
    assert read(judged) == Marks()
    assert read(judged.replace(b">-1</x:Rating>", b">2</x:Rating>")).rating == 2
    assert read(mark(judged, REJECTED)) == Marks((), "Red", -1, -1)


def jpeg_with(packet: bytes) -> bytes:
    name = b"http://ns.adobe.com/xap/1.0/\0" + packet
    exif = b"\xff\xe1\x00\x08Exif\0\0"
    return (
        b"\xff\xd8" + exif + b"\xff\xe1" + (len(name) + 2).to_bytes(2, "big") + name + b"\xff\xd9"
    )


def test_decisions_come_back_from_sidecars(tmp_path: Path) -> None:
    root = fill(tmp_path, *(f"{name}.jpg" for name in "abcdef"), "trip/g.NEF", "h.txt")
    before = look(root)
    decisions = [
        Decision(str(root / "a.jpg"), False, -1, "Red"),
        Decision(str(root / "b.jpg"), True),
        Decision(str(root / "c.jpg"), True, 4, "Green"),
        Decision(str(root / "e.jpg"), None, None, "Blue"),
        Decision(str(root / "trip/g.NEF"), True, 1),
    ]
    report = act(decisions, [root], ActionOptions(rate=True))
    assert report.lines == () and report.summary.startswith("6 files rated; ")
    found = read_decisions(root)
    assert found == decisions
    assert act(found, [root], ActionOptions(rate=True)).journal is None  # nothing to add
    assert undone(report).lines == () and look(root) == before and read_decisions(root) == []


def test_decisions_come_from_editors(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.NEF", "e.jpg", "f.jpg")
    (root / "a.jpg").write_bytes(jpeg_with(rated(2)))
    (root / "b.jpg").write_bytes(jpeg_with(rated(5)))
    (root / "b.jpg.xmp").write_bytes(rated(-1))
    (root / "c.jpg.xmp").write_bytes(rated(0, 1))
    (root / "d.xmp").write_bytes(LIGHTROOM)
    (root / "d.NEF.xmp").write_bytes(rated(1))
    os.utime(root / "d.NEF.xmp", (1, 1))  # older
    (root / "e.jpg.xmp").write_bytes(b"no XML")
    (root / "f.jpg").write_bytes(jpeg_with(rated(0)))
    assert read_decisions(root) == [
        Decision(str(root / "a.jpg"), True, 2),
        Decision(str(root / "b.jpg"), False, -1),
        Decision(str(root / "c.jpg"), False),
        Decision(str(root / "d.NEF"), True, 3, 'Grün > "'),
    ]


def test_exif_ratings_count_last(tmp_path: Path) -> None:
    """As Windows and cameras write them; of no other format, and not if they are damaged."""
    for name, stars in {"a": 5, "b": 0, "c": 2, "d": 3, "e": 6, "f": 1}.items():
        header = exif()
        header[0x4746] = stars
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.jpg", exif=header.tobytes())
    (tmp_path / "c.jpg.xmp").write_bytes(rated(-1))
    damaged = (tmp_path / "d.jpg").read_bytes().replace(b"Exif\0\0MM", b"Exif\0\0XX")
    (tmp_path / "d.jpg").write_bytes(damaged)
    assert read_decisions(tmp_path) == [
        Decision(str(tmp_path / "a.jpg"), True, 5),
        Decision(str(tmp_path / "c.jpg"), False, -1),
        Decision(str(tmp_path / "f.jpg"), True, 1),
    ]


def test_embedded_ratings_are_never_lowered(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(jpeg_with(rated(3)))
    report = acted(tmp_path, "a.jpg", rate=True)
    assert report.lines == (f"{photo}: rating 3 stays; --force lowers it",)
    assert read_decisions(tmp_path) == [Decision(str(photo), True, 3)]
    sidecar = tmp_path / "a.jpg.xmp"
    assert (
        b"Rating" not in sidecar.read_bytes() and b">1</digiKam:PickLabel>" in sidecar.read_bytes()
    )
    acted(tmp_path, "a.jpg", rate=True, force=True)
    assert b"xmp:Rating" in sidecar.read_bytes()
    act([Decision(str(photo), True, 5)], [tmp_path], ActionOptions(rate=True))
    assert read_decisions(tmp_path) == [Decision(str(photo), True, 5)]


def test_previews_and_recycle_bins_hold_no_decisions(tmp_path: Path) -> None:
    names = ("a.jpg", "@eaDir/a.jpg", "#recycle/b.jpg", "trip/c.gpr", "trip/.d.jpg")
    for name in names:
        (fill(tmp_path, name) / f"{name}.xmp").write_bytes(rated(3))
    found = [one.path for one in read_decisions(tmp_path)]
    assert found == [f"{tmp_path}/a.jpg", f"{tmp_path}/trip/c.gpr"] == photos_below(tmp_path)


def test_a_scan_rates_what_it_finds_and_says_what_stays(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (root / "b.jpg.xmp").write_bytes(FULL)
    before = look(root)
    verdicts = [
        *(Prediction(str(root / f"{name}.jpg"), True, 0.9, "motion") for name in "ab"),
        Prediction(str(root / "c.jpg"), False, 0.5, "sharp", verdict="unsure"),
        *sharp(root / "d.jpg"),
    ]
    dry = act(verdicts, [root], ActionOptions(rate=True, dry_run=True))
    assert dry.plan == tuple(f"rate {root}/{name}.jpg.xmp" for name in "abc")
    assert look(root) == before
    report = act(verdicts, [root], ActionOptions(rate=True))
    assert report.lines == (f"{root}/b.jpg.xmp: rating 3 stays; --force lowers it",)
    assert not report.failed and read_decisions(root) == [
        Decision(str(root / "b.jpg"), True, 3, 'Grün > "')
    ]
    forced = act(verdicts, [root], ActionOptions(rate=True, force=True))
    assert forced.lines == () and b'xmp:Rating="-1"' in (root / "b.jpg.xmp").read_bytes()
    assert undone(forced).lines == undone(report).lines == () and look(root) == before


def test_keeping_a_photo_removes_the_marks_of_a_scan(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg")
    before = look(root)
    acted(root, "a.jpg", rate=True)
    kept = [Decision(str(root / "a.jpg"), keep=True)]
    act(kept, [root], ActionOptions(tag=True))
    assert [one[0] for one in look(root).values()] == [one[0] for one in before.values()]


@pytest.fixture
def exiftool() -> str:
    found = shutil.which("exiftool")
    if found is None:
        pytest.skip("exiftool is not installed")
    return found


def told(exiftool: str, *paths: Path) -> list[dict[str, Any]]:
    """What exiftool reads, and what it finds wrong."""
    words = [exiftool, "-j", "-G1", "-n", "-validate", "-warning", "-a", *map(str, paths)]
    words += ["-xmp:all"]
    ran = subprocess.run(words, capture_output=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def test_exiftool_reads_them(tmp_path: Path, exiftool: str) -> None:
    root = fill(tmp_path, *(f"{name}.jpg" for name in "abcd"), "e.NEF")
    for name, data in (("c", FULL), ("d", DIGIKAM_FILE)):
        (root / f"{name}.jpg.xmp").write_bytes(data)
    theirs = told(exiftool, *sorted(root.glob("*.xmp")))
    valid = {Path(tags["SourceFile"]).name: tags["ExifTool:Validate"] for tags in theirs}
    decisions = [
        Decision(str(root / "a.jpg"), keep=False),
        Decision(str(root / "b.jpg"), True, 4, "Green"),
        Decision(str(root / "c.jpg"), keep=False),
        Decision(str(root / "d.jpg"), keep=False),
        Decision(str(root / "e.NEF"), keep=False),
    ]
    act(decisions, [root], ActionOptions(rate=True, force=True))
    paths = sorted(root.glob("*.xmp"))
    found = dict(zip((path.name for path in paths), told(exiftool, *paths), strict=True))
    assert len(found) == 6
    for name, tags in found.items():
        assert tags["ExifTool:Validate"] == valid.get(name, "0 0 0"), (name, tags)
        label = "Green" if name.startswith("b") else "Red"
        stars, flag, pick = (4, 3, 1) if name.startswith("b") else (-1, 1, -1)
        assert tags["XMP-xmp:Rating"] == stars and tags["XMP-xmpDM:Pick"] == pick
        assert tags["XMP-digiKam:PickLabel"] == flag
        if name != "c.jpg.xmp":
            assert tags["XMP-xmp:Label"] == label
        if not name.startswith("b"):
            assert "rejected" in tags["XMP-dc:Subject"]
    assert found["c.jpg.xmp"]["XMP-xmp:Label"] == 'Grün > "'
    assert found["d.jpg.xmp"]["XMP-digiKam:TagsList"] == ["Places/Rome", "blur/rejected"]
    assert found["e.xmp"]["XMP-photoshop:SidecarForExtension"] == "NEF"


def test_what_exiftool_writes_is_read(tmp_path: Path, exiftool: str) -> None:
    from trees import write_photo

    photos = [write_photo(tmp_path / f"{name}.jpg", 1) for name in "abc"]
    for photo, words in zip(
        photos,
        (["-xmp:Rating=-1"], ["-xmp:Rating=3", "-xmp:Label=Blue"], ["-XMP-digiKam:PickLabel=3"]),
        strict=True,
    ):
        subprocess.run([exiftool, "-q", "-overwrite_original", *words, photo], check=True)
    subprocess.run([exiftool, "-q", "-xmp:Rating=1", f"{photos[0]}.xmp"], check=True)
    assert read_decisions(tmp_path) == [
        Decision(str(photos[0]), True, 1),
        Decision(str(photos[1]), True, 3, "Blue"),
        Decision(str(photos[2]), keep=True),
    ]
    report = act([Decision(str(photos[2]), keep=False)], [tmp_path], ActionOptions(rate=True))
    assert re.match("1 file", report.summary)
