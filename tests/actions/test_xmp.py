"""XMP sidecars: which ones, every other byte stays, ratings are never lowered and read back."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from action_trees import acted, fill, look, sharp, undone
from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import Decision, photos_below, read_decisions
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.xmp import (
    DC,
    DIGIKAM,
    LR,
    OURS,
    PHOTOSHOP,
    RDF,
    XMP,
    Marks,
    XmlError,
    mark,
    read,
    unmark,
)
from blur_fusion.model.prediction import Prediction
from made_bursts import exif
from trees import write_photo
from xmp_samples import DARKTABLE, DIGIKAM_FILE, LIGHTROOM, tags, wrapped

MOTION, DEFOCUS = tags("motion", 0.98765), tags("defocus", 0.5)
REJECTED, PICKED = Marks(("rejected",), "Red", -1, -1), Marks((), None, 0, 1)
RATE, TAG = ActionOptions(rate=True), ActionOptions(tag=True)
SUBJECT, HIERARCHY = (DC, "subject"), (LR, "hierarchicalSubject")
FULL = LIGHTROOM.replace(b"<rdf:Bag/>", b"<rdf:Bag><rdf:li>x</rdf:li></rdf:Bag>")
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""


def rated(stars: object, flag: object = "") -> bytes:
    """A sidecar with a rating, as an element, and digiKam's flag, as an attribute."""
    inner = f"<x:Rating xmlns:x='{XMP}'>{stars}</x:Rating>"
    pick = f" xmlns:d='{DIGIKAM}' d:PickLabel='{flag}'" * (flag != "")
    return wrapped(inner).replace(b" r:about", pick.encode() + b" r:about")


def keywords(data: bytes, namespace: str, name: str) -> list[str]:
    """The values of a keyword property, read by another parser."""
    (node,) = ElementTree.fromstring(data).iter(f"{{{namespace}}}{name}")
    return [item.text or "" for item in node.iter(f"{{{RDF}}}li")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (BOMB, "document type"),
        (LIGHTROOM[:-20], "not valid XML"),
        (b"", "not valid XML"),
        (LIGHTROOM.decode().encode("utf-16"), "not in UTF-8"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><a/>', "iso-8859-1"),
        (b"<html/>", "no rdf:RDF"),
        (wrapped("<dc:subject>text</dc:subject>"), "subject is not a list"),
        (wrapped("").replace(b"r:about", b"dc:subject"), "subject is not a list"),
    ],
)
def test_what_cannot_be_edited_is_left(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(XmlError, match=why):
        mark(data, MOTION)
    root = fill(tmp_path, "a.jpg", "b.jpg")
    (root / "a.jpg.xmp").write_bytes(data)
    before = look(root)
    report = acted(root, "a.jpg", "b.jpg", tag=True)
    (line,) = report.lines
    assert report.failed and line.startswith(f"{root}/a.jpg.xmp: left as it is: ") and why in line
    assert before.items() <= look(root).items() and (root / "b.jpg.xmp").exists()


@pytest.mark.parametrize(
    ("there", "judged", "written"),
    [
        (["a.jpg"], "a.jpg", {"a.jpg.xmp"}),
        (["a.jpg", "a.xmp"], "a.jpg", {"a.xmp"}),
        (["a.jpg", "a.jpg.XMP"], "a.jpg", {"a.jpg.XMP"}),
        (["a.NEF"], "a.NEF", {"a.NEF.xmp", "a.xmp"}),
        (["a.NEF", "a.xmp"], "a.NEF", {"a.xmp"}),
        (["a.NEF", "a.NEF.xmp"], "a.NEF", {"a.NEF.xmp"}),
        (["a.NEF", "a.JPG"], "a.JPG", {"a.NEF.xmp", "a.xmp", "a.JPG.xmp"}),
        (["a.NEF", "a.JPG", "a.xmp"], "a.JPG", {"a.xmp", "a.JPG.xmp"}),
    ],
)
def test_which_sidecars(tmp_path: Path, there: list[str], judged: str, written: set[str]) -> None:
    root = fill(tmp_path, *there, "other.jpg")
    for name in there:
        if name.lower().endswith(".xmp"):
            (root / name).write_bytes(LIGHTROOM)
    before = look(root)
    report = acted(root, judged, tag=True)
    after = look(root)
    changed = {Path(path).name for path in after if after[path] != before.get(path)}
    assert changed == written and report.done == len(written)
    for name in written:
        assert "blur|motion" in keywords((root / name).read_bytes(), *HIERARCHY)
    assert report.journal.parent == root
    assert acted(root, judged, tag=True).journal is None  # nothing to add
    assert undone(report).lines == () and look(root) == before


def test_a_new_sidecar(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.cr2")
    acted(root, "a.cr2", tag=True)
    for name, value in (("a.xmp", "CR2"), ("a.cr2.xmp", None)):
        (node,) = ElementTree.parse(root / name).iter(f"{{{RDF}}}Description")
        assert node.get(f"{{{PHOTOSHOP}}}SidecarForExtension") == value
        assert node.findtext(f"{{{XMP}}}Label") == "Red"
        assert node.findtext(f"{{{OURS}}}probability") == "0.9877"
        assert node.find(f"{{{XMP}}}Rating") is None


def test_a_sidecar_changed_since_or_linked_is_kept(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    for name in ("b.jpg.xmp", "real.txt"):
        (root / name).write_bytes(DARKTABLE)
    (root / "c.jpg.xmp").symlink_to("real.txt")
    report = acted(root, "a.jpg", "b.jpg", "c.jpg", tag=True)
    assert report.failed and "c.jpg.xmp" in report.lines[0] and "link" in report.lines[0]
    assert (root / "real.txt").read_bytes() == DARKTABLE
    (root / "b.jpg.xmp").write_bytes(LIGHTROOM)
    (line,) = undone(report).lines
    assert line.endswith("b.jpg.xmp: was changed since it was tagged; left")
    assert not (root / "a.jpg.xmp").exists()
    assert (root / "b.jpg.xmp").read_bytes() == LIGHTROOM


OWN = [FULL.replace(b"Anna &amp; Otto", b"blurred"), FULL.replace(b"x<", b"blur|motion<")]
OWN += [FULL.replace(b"x<", b"blurred<")]  # the user's own keywords, in one of the lists


@pytest.mark.parametrize("data", [FULL, *OWN, DARKTABLE, DIGIKAM_FILE, rated(0), rated(0, 2)])
@pytest.mark.parametrize("marks", [REJECTED, PICKED, Marks((), "Großes Blau", 5), MOTION, DEFOCUS])
def test_what_was_written_is_removed_and_nothing_else(data: bytes, marks: Marks) -> None:
    once = mark(data, marks)
    assert once != data == unmark(data) and mark(once, marks) == once and unmark(once) == data
    assert unmark(mark(once, Marks(("blurred",), "Yellow", -1, -1, 0.9))) == data
    rest = iter(once)
    assert all(byte in rest for byte in data) or marks.rating is not None


@pytest.mark.parametrize("data", [LIGHTROOM, DARKTABLE, DIGIKAM_FILE])
def test_all_other_elements_stay(data: bytes) -> None:
    marked = mark(data, MOTION)
    assert {"blurred", "motion"} <= set(keywords(marked, *SUBJECT))
    assert {"blur|blurred", "blur|motion"} <= set(keywords(marked, *HIERARCHY))
    before, after = (
        iter(ElementTree.canonicalize(x.decode("utf-8-sig"), strip_text=True).split("<"))
        for x in (data, marked)
    )
    assert all(element in after for element in before)


def test_users_keywords_and_labels_stay() -> None:
    lightroom, darktable, digikam = (
        mark(data, MOTION) for data in (LIGHTROOM, DARKTABLE, DIGIKAM_FILE)
    )
    assert keywords(lightroom, *SUBJECT) == ["Anna & Otto", "blurred", "motion"]
    assert b"<xmp:Label" not in lightroom + darktable and b">Red</xmp:Label>" in digikam
    assert keywords(digikam, DIGIKAM, "TagsList") == ["Places/Rome", "blur/blurred", "blur/motion"]


@pytest.mark.parametrize("inner", ["></r:RDF>", "><r:Description a='/>'/></r:RDF>", "/>"])
def test_forms_of_a_description(inner: str) -> None:
    data = f"<r:RDF xmlns:r='{RDF}'{inner}"
    for form in (data, f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{data}</x:xmpmeta>"):
        assert keywords(mark(form.encode(), MOTION), *SUBJECT) == ["blurred", "motion"]


def test_tags_are_renewed() -> None:
    once = mark(LIGHTROOM, MOTION)
    defocus = mark(once, DEFOCUS)
    assert keywords(defocus, *SUBJECT) == ["Anna & Otto", "blurred", "defocus"]
    assert keywords(defocus, *HIERARCHY) == ["blur|blurred", "blur|defocus"]
    assert b">0.9877<" in once and b">0.5000<" in defocus and b"0.9877" not in defocus
    theirs = mark(mark(LIGHTROOM.replace(b"Anna", b"motion"), MOTION), DEFOCUS)
    assert "motion & Otto" in keywords(theirs, *SUBJECT)
    attribute = f"xmlns:b=\"{OURS}\" b:probability = '0.1'"
    data = wrapped("").replace(b' r:about=""', f' r:about="" {attribute}'.encode())
    assert b"b:probability = '0.5000'" in mark(data, tags(None, 0.5))


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), max_size=4),
    st.sampled_from(["defocus", "motion", "sharp", None, "<&\"'"]),
)
def test_any_keyword_stays(words: list[str], kind: str | None) -> None:
    tree = ElementTree.fromstring(wrapped("<dc:subject><r:Bag/></dc:subject>"))
    bag = next(tree.iter(f"{{{RDF}}}Bag"))
    for word in words:
        ElementTree.SubElement(bag, f"{{{RDF}}}li").text = word
    have = keywords(mark(ElementTree.tostring(tree, "utf-8"), tags(kind, 0.7)), *SUBJECT)
    new = {"blurred", kind} & {"blurred", "defocus", "motion"}
    assert have[: len(words)] == words
    assert set(have) == set(words) | new and len(have) == len(words) + len(new - set(words))


# As Lightroom and darktable write what we wrote: attributes, one list item a line
REWRITTEN = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"
 xmlns:a="{XMP}" xmlns:dc="{DC}" xmlns:lr="{LR}" xmlns:blur="{OURS}"><rdf:Description
 dc:format=" a:Label='Red' x" a:Label="Red" blur:probability='0.9877'
 blur:added="Red blur|blurred blur|motion motion">
   <dc:subject>
    <rdf:Bag>
     <rdf:li>blurred</rdf:li>
     <rdf:li>motion</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>blur|blurred</rdf:li>
     <rdf:li>blur|motion</rdf:li></rdf:Bag></lr:hierarchicalSubject>
</rdf:Description></rdf:RDF></x:xmpmeta>""".encode()


def test_tags_that_another_program_has_rewritten_are_taken_off() -> None:
    left = unmark(REWRITTEN)
    assert left is not None and keywords(left, *SUBJECT) == ["blurred"]
    node = ElementTree.fromstring(left)[0][0]
    assert node.attrib == {f"{{{DC}}}format": " a:Label='Red' x"} and len(node) == 1
    green = unmark(REWRITTEN.replace(b'Label="Red"', b'Label="Green"'))
    assert green is not None and b'a:Label="Green"' in green  # changed since
    renewed = mark(REWRITTEN, DEFOCUS)
    assert keywords(renewed, *SUBJECT) == ["blurred", "defocus"] and b"'0.5000'" in renewed
    assert mark(renewed, DEFOCUS) == renewed


def test_tags_of_the_first_release_are_taken_off_but_for_the_label() -> None:
    left = unmark(re.sub(rb"\s*<blur:added.*?</blur:added>", b"", mark(DIGIKAM_FILE, MOTION)))
    assert left is not None and b">Red</xmp:Label>" in left
    assert b"motion" not in left and b"blur" not in left and b"Places/Rome" in left


def test_tagging_again_with_another_threshold(tmp_path: Path) -> None:
    """A photo that is sharp then loses our tags, and a sidecar that held nothing else."""
    root = fill(tmp_path, *(photos := ("a.jpg", "b.NEF", "c.jpg", "d.jpg", "e.jpg")))
    (root / "c.jpg.xmp").write_bytes(FULL)
    (root / "d.jpg.xmp").write_bytes(b"no XML")
    (root / "e.jpg.xmp").symlink_to("c.jpg.xmp")
    before = look(root)
    acted(root, "a.jpg", "b.NEF", "c.jpg", tag=True)
    tagged = look(root)
    verdicts = sharp(*(root / name for name in photos))
    dry = act(verdicts, [root], ActionOptions(tag=True, dry_run=True))
    places = [f"{root}/{name}.xmp" for name in ("a.jpg", "b.NEF", "b", "c.jpg")]
    assert dry.plan == tuple(f"untag {place}" for place in places) and look(root) == tagged
    report = act(verdicts, [root], TAG)
    assert report.lines == () and report.summary.startswith("4 files untagged; ")
    contents = [{path: one[0] for path, one in tree.items()} for tree in (look(root), before)]
    assert contents[0] == contents[1]
    assert act(verdicts, [root], TAG).journal is None
    assert undone(report).lines == () and look(root) == tagged


@pytest.mark.parametrize(
    ("name", "there", "wanted", "force", "then"),
    [
        *[("rating", 3, -1, force, then) for force, then in ((False, 3), (True, -1))],
        *[("rating", 3, 2, force, then) for force, then in ((False, 3), (True, 2))],
        *[("rating", 3, 4, False, 4), ("rating", 0, -1, False, -1), ("rating", 0, 1, False, 1)],
        *[("rating", -1, wanted, False, wanted) for wanted in (-1, 0, 5)],
        *[("rating", 3, 0, False, 3), ("rating", "4.0", -1, False, 4)],
        *[("rating", odd, -1, False, None) for odd in ("", "many", "9")],
        *[("flag", 3, -1, force, then) for force, then in ((False, 1), (True, -1))],
        *[("flag", there, 1, False, 1) for there in (0, 1)],
        ("flag", 2, -1, False, -1),
    ],
)
def test_ratings_and_flags_are_never_lowered(
    name: str, there: Any, wanted: int, force: bool, then: int | None
) -> None:
    before = rated(there) if name == "rating" else rated(1, there)
    after = mark(before, Marks(**{name: wanted}, force=force))
    assert getattr(read(after), name) == then and unmark(after) == before
    assert after.count(b":Rating>") == 1 and (there != "4.0" or b">4.0<" in after)


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
    segment = b"\xff\xe1" + (len(name) + 2).to_bytes(2, "big") + name
    return b"\xff\xd8\xff\xe1\x00\x08Exif\0\0" + segment + b"\xff\xd9"


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
    report = act(decisions, [root], RATE)
    assert report.lines == () and report.summary.startswith("6 files rated; ")
    found = read_decisions(root)
    assert found == decisions
    assert act(found, [root], RATE).journal is None  # nothing to add
    assert undone(report).lines == () and look(root) == before and read_decisions(root) == []


def test_decisions_come_from_editors(tmp_path: Path) -> None:
    root = fill(tmp_path, *(f"{name}.jpg" for name in "abcef"), "d.NEF")
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
    photo, sidecar = tmp_path / "a.jpg", tmp_path / "a.jpg.xmp"
    photo.write_bytes(jpeg_with(rated(3)))
    report = acted(tmp_path, "a.jpg", rate=True)
    assert report.lines == (f"{photo}: rating 3 stays; --force lowers it",)
    assert read_decisions(tmp_path) == [Decision(str(photo), True, 3)]
    written = sidecar.read_bytes()
    assert b"Rating" not in written and b">1</digiKam:PickLabel>" in written
    acted(tmp_path, "a.jpg", rate=True, force=True)
    assert b"xmp:Rating" in sidecar.read_bytes()
    act([Decision(str(photo), True, 5)], [tmp_path], RATE)
    assert read_decisions(tmp_path) == [Decision(str(photo), True, 5)]


def test_previews_and_recycle_bins_hold_no_decisions(tmp_path: Path) -> None:
    for name in ("a.jpg", "@eaDir/a.jpg", "#recycle/b.jpg", "trip/c.gpr", "trip/.d.jpg"):
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
    report = act(verdicts, [root], RATE)
    assert report.lines == (f"{root}/b.jpg.xmp: rating 3 stays; --force lowers it",)
    theirs = [Decision(str(root / "b.jpg"), True, 3, 'Grün > "')]
    assert not report.failed and read_decisions(root) == theirs
    forced = act(verdicts, [root], ActionOptions(rate=True, force=True))
    assert forced.lines == () and b'xmp:Rating="-1"' in (root / "b.jpg.xmp").read_bytes()
    assert undone(forced).lines == undone(report).lines == () and look(root) == before


def test_keeping_a_photo_removes_the_marks_of_a_scan(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg")
    before = look(root)
    acted(root, "a.jpg", rate=True)
    act([Decision(str(root / "a.jpg"), keep=True)], [root], TAG)
    assert [one[0] for one in look(root).values()] == [one[0] for one in before.values()]


@pytest.fixture
def exiftool() -> str:
    found = shutil.which("exiftool")
    return found or pytest.skip("exiftool is not installed")


def told(exiftool: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What exiftool reads in each sidecar, and what it finds wrong."""
    words = [exiftool, "-j", "-G1", "-n", "-validate", "-warning", "-a", "-xmp:all"]
    ran = subprocess.run([*words, *folder.glob("*.xmp")], capture_output=True, check=True)
    return {Path(found["SourceFile"]).name: found for found in json.loads(ran.stdout)}


def test_exiftool_reads_them(tmp_path: Path, exiftool: str) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.NEF"]
    root = fill(tmp_path, *names)
    (root / "c.jpg.xmp").write_bytes(FULL)
    (root / "d.jpg.xmp").write_bytes(DIGIKAM_FILE)
    before = told(exiftool, root)
    decisions = [Decision(str(root / name), keep=False) for name in names]
    decisions[1] = Decision(str(root / "b.jpg"), True, 4, "Green")
    act(decisions, [root], ActionOptions(rate=True, force=True))
    found = told(exiftool, root)
    labels = {"b.jpg.xmp": "Green", "c.jpg.xmp": 'Grün > "'}
    assert len(found) == 6
    for name, about in found.items():
        valid = before[name]["ExifTool:Validate"] if name in before else "0 0 0"
        assert about["ExifTool:Validate"] == valid, (name, about)
        numbers = [about[f"XMP-{key}"] for key in ("xmp:Rating", "digiKam:PickLabel", "xmpDM:Pick")]
        assert numbers == ([4, 3, 1] if name == "b.jpg.xmp" else [-1, 1, -1])
        assert about["XMP-xmp:Label"] == labels.get(name, "Red")
        assert name == "b.jpg.xmp" or "rejected" in about["XMP-dc:Subject"]
    assert found["d.jpg.xmp"]["XMP-digiKam:TagsList"] == ["Places/Rome", "blur/rejected"]
    assert found["e.xmp"]["XMP-photoshop:SidecarForExtension"] == "NEF"


def test_what_exiftool_writes_is_read(tmp_path: Path, exiftool: str) -> None:
    a, b, c = (write_photo(tmp_path / f"{name}.jpg", 1) for name in "abc")
    for photo, *words in (
        (a, "-xmp:Rating=-1"),
        (b, "-xmp:Rating=3", "-xmp:Label=Blue"),
        (c, "-XMP-digiKam:PickLabel=3"),
        (f"{a}.xmp", "-xmp:Rating=1"),
    ):
        subprocess.run([exiftool, "-q", "-overwrite_original", *words, photo], check=True)
    assert read_decisions(tmp_path) == [
        Decision(str(a), True, 1),
        Decision(str(b), True, 3, "Blue"),
        Decision(str(c), keep=True),
    ]
    report = act([Decision(str(c), keep=False)], [tmp_path], RATE)
    assert report.summary.startswith("1 file")
