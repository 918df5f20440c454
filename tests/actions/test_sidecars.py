"""XMP sidecars: which ones, what is in them, and that every other byte of them stays."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from action_trees import acted, fill, look, sharp, undone
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.actions.xmp import (
    DC,
    DIGIKAM,
    LR,
    OURS,
    PHOTOSHOP,
    RDF,
    XMP,
    XmlError,
    unmark,
)
from blur_fusion.actions.xmp import mark as marked_with
from xmp_samples import DARKTABLE, DIGIKAM_FILE, LIGHTROOM, tags, wrapped

MARKS = ("motion", 0.98765)
SUBJECT, HIERARCHY = (DC, "subject"), (LR, "hierarchicalSubject")
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""


def mark(data: bytes, kind: str | None, probability: float | None) -> bytes:
    """As a blurred photo is tagged."""
    return marked_with(data, tags(kind, probability))


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
        mark(data, *MARKS)
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
    assert undone(report).lines == ()
    assert look(root) == before


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


@pytest.mark.parametrize("data", [LIGHTROOM, DARKTABLE, DIGIKAM_FILE])
def test_all_other_bytes_stay(data: bytes) -> None:
    marked = mark(data, *MARKS)
    assert {"blurred", "motion"} <= set(keywords(marked, *SUBJECT))
    assert {"blur|blurred", "blur|motion"} <= set(keywords(marked, *HIERARCHY))
    rest = iter(marked)
    assert all(byte in rest for byte in data.replace(b"<rdf:Bag/>", b"<rdf:Bag>"))
    forms = (
        ElementTree.canonicalize(x.decode("utf-8-sig"), strip_text=True) for x in (data, marked)
    )
    before, after = (iter(form.split("<")) for form in forms)
    assert all(line in after for line in before)
    assert mark(marked, *MARKS) == marked


def test_users_keywords_and_labels_stay() -> None:
    lightroom, darktable, digikam = (
        mark(data, *MARKS) for data in (LIGHTROOM, DARKTABLE, DIGIKAM_FILE)
    )
    assert keywords(lightroom, *SUBJECT) == ["Anna & Otto", "blurred", "motion"]
    assert b"<xmp:Label" not in lightroom + darktable and b">Red</xmp:Label>" in digikam
    tags = keywords(digikam, DIGIKAM, "TagsList")
    assert tags == ["Places/Rome", "blur/blurred", "blur/motion"]


@pytest.mark.parametrize("inner", ["", "<r:Description a='/>'/>"])
def test_forms_of_a_description(inner: str) -> None:
    data = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r='{RDF}'>{inner}</r:RDF></x:xmpmeta>"
    for form in (data, f"<r:RDF xmlns:r='{RDF}'/>"):
        assert keywords(mark(form.encode(), *MARKS), *SUBJECT) == ["blurred", "motion"]


def test_the_probability_is_renewed() -> None:
    once = mark(LIGHTROOM, *MARKS)
    twice = mark(once, "motion", 0.5)
    assert b">0.9877<" in once and b">0.5000<" in twice and b"0.9877" not in twice
    attribute = f"xmlns:b=\"{OURS}\" b:probability = '0.1'"
    data = wrapped("").replace(b' r:about=""', f' r:about="" {attribute}'.encode())
    assert b"b:probability = '0.5000'" in mark(data, None, 0.5)


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), max_size=4),
    st.sampled_from(["defocus", "motion", "sharp", None, "<&\"'"]),
)
def test_any_keyword_stays(words: list[str], kind: str | None) -> None:
    tree = ElementTree.fromstring(wrapped("<dc:subject><r:Bag/></dc:subject>"))
    bag = next(tree.iter(f"{{{RDF}}}Bag"))
    for word in words:
        ElementTree.SubElement(bag, f"{{{RDF}}}li").text = word
    data = ElementTree.tostring(tree, encoding="utf-8")
    have = keywords(mark(data, kind, 0.7), *SUBJECT)
    assert have[: len(words)] == words
    new = {"blurred"} | ({kind} if kind in ("defocus", "motion") else set())
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


FULL = b"<rdf:Bag><rdf:li>x</rdf:li></rdf:Bag>"  # of an empty list nothing is left


@pytest.mark.parametrize("data", [LIGHTROOM, DARKTABLE, DIGIKAM_FILE])
def test_what_was_tagged_is_removed_and_nothing_else(data: bytes) -> None:
    full = data.replace(b"<rdf:Bag/>", FULL)
    assert unmark(mark(mark(full, *MARKS), "defocus", 0.6)) == full
    assert unmark(full) == full
    for theirs in (b"blurred", b"blur|motion"):  # the user's own keywords stay
        owned = full.replace(b"x</rdf:li>", theirs + b"</rdf:li>").replace(
            b"Anna &amp; Otto", theirs
        )
        assert unmark(mark(mark(owned, *MARKS), None, 0.1)) == owned


def test_tags_are_renewed() -> None:
    defocus = mark(mark(LIGHTROOM, *MARKS), "defocus", 0.5)
    assert keywords(defocus, *SUBJECT) == ["Anna & Otto", "blurred", "defocus"]
    assert keywords(defocus, *HIERARCHY) == ["blur|blurred", "blur|defocus"]
    assert mark(defocus, "defocus", 0.5) == defocus
    theirs = mark(mark(LIGHTROOM.replace(b"Anna", b"motion"), *MARKS), "defocus", 0.5)
    assert "motion & Otto" in keywords(theirs, *SUBJECT)


def test_tags_that_another_program_has_rewritten_are_taken_off() -> None:
    left = unmark(REWRITTEN)
    assert left is not None and keywords(left, *SUBJECT) == ["blurred"]
    node = ElementTree.fromstring(left)[0][0]
    assert node.attrib == {f"{{{DC}}}format": " a:Label='Red' x"} and len(node) == 1
    green = unmark(REWRITTEN.replace(b'Label="Red"', b'Label="Green"'))
    assert green is not None and b'a:Label="Green"' in green  # changed since
    renewed = mark(REWRITTEN, "defocus", 0.5)
    assert keywords(renewed, *SUBJECT) == ["blurred", "defocus"] and b"'0.5000'" in renewed
    assert mark(renewed, "defocus", 0.5) == renewed


def test_tags_of_the_first_release_are_taken_off_but_for_the_label() -> None:
    parts = re.sub(rb"\s*<blur:added.*?</blur:added>", b"", mark(DIGIKAM_FILE, *MARKS))
    left = unmark(parts)
    assert left is not None and b">Red</xmp:Label>" in left
    assert b"motion" not in left and b"blur" not in left and b"Places/Rome" in left


def test_tagging_again_with_another_threshold(tmp_path: Path) -> None:
    """A photo that is sharp then loses our tags, and a sidecar that held nothing else."""
    root = fill(tmp_path, "a.jpg", "b.NEF", "c.jpg", "d.jpg", "e.jpg")
    (root / "c.jpg.xmp").write_bytes(LIGHTROOM.replace(b"<rdf:Bag/>", FULL))
    (root / "d.jpg.xmp").write_bytes(b"no XML")
    (root / "e.jpg.xmp").symlink_to("c.jpg.xmp")
    before = look(root)
    acted(root, "a.jpg", "b.NEF", "c.jpg", tag=True)
    tagged = look(root)
    verdicts = sharp(*(root / name for name in ("a.jpg", "b.NEF", "c.jpg", "d.jpg", "e.jpg")))
    dry = act(verdicts, [root], ActionOptions(tag=True, dry_run=True))
    places = [f"{root}/{name}.xmp" for name in ("a.jpg", "b.NEF", "b", "c.jpg")]
    assert dry.plan == tuple(f"untag {place}" for place in places) and look(root) == tagged
    report = act(verdicts, [root], ActionOptions(tag=True))
    assert report.lines == () and report.summary.startswith("4 files untagged; ")
    contents = [[(path, one[0]) for path, one in tree.items()] for tree in (look(root), before)]
    assert sorted(contents[0]) == sorted(contents[1])
    assert act(verdicts, [root], ActionOptions(tag=True)).journal is None
    assert undone(report).lines == () and look(root) == tagged
