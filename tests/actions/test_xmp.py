"""Keywords in an XMP packet: everything else in it stays, byte for byte."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_fusion.actions.xmp import DC, DIGIKAM, LR, OURS, RDF, mark
from xmp_samples import DARKTABLE, DIGIKAM_FILE, LIGHTROOM, keywords

MARKS = ("motion", 0.98765)
SUBJECT, HIERARCHY = (DC, "subject"), (LR, "hierarchicalSubject")


def _wrap(inner: str) -> bytes:
    return (
        f'<r:RDF xmlns:r="{RDF}" xmlns:dc="{DC}"><r:Description r:about="">{inner}'
        "</r:Description></r:RDF>"
    ).encode()


def _canonical_lines(data: bytes) -> list[str]:
    return ElementTree.canonicalize(data.decode("utf-8-sig"), strip_text=True).split("<")


@pytest.mark.parametrize("data", [LIGHTROOM, DARKTABLE, DIGIKAM_FILE])
def test_all_other_bytes_stay(data: bytes) -> None:
    marked = mark(data, *MARKS)
    assert {"blurred", "motion"} <= set(keywords(marked, *SUBJECT))
    assert {"blur|blurred", "blur|motion"} <= set(keywords(marked, *HIERARCHY))
    rest = iter(marked)
    assert all(byte in rest for byte in data.replace(b"<rdf:Bag/>", b"<rdf:Bag>"))
    lines = iter(_canonical_lines(marked))
    assert all(line in lines for line in _canonical_lines(data))
    assert mark(marked, *MARKS) == marked


def test_users_keywords_and_labels_stay() -> None:
    assert keywords(mark(LIGHTROOM, *MARKS), *SUBJECT) == ["Anna & Otto", "blurred", "motion"]
    for data in (LIGHTROOM, DARKTABLE):
        assert b"<xmp:Label" not in mark(data, *MARKS)
    assert b">Red</xmp:Label>" in mark(DIGIKAM_FILE, *MARKS)
    tags = keywords(mark(DIGIKAM_FILE, *MARKS), DIGIKAM, "TagsList")
    assert tags == ["Places/Rome", "blur/blurred", "blur/motion"]


def test_forms_of_a_description() -> None:
    rdf = f'<rdf:RDF xmlns:rdf="{RDF}"/>'.encode()
    alone = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r='%s'><r:Description a='/>'/></r:RDF></x:xmpmeta>"  # noqa: E501
    for data in (rdf, alone % RDF.encode()):
        assert keywords(mark(data, *MARKS), *SUBJECT) == ["blurred", "motion"]


def test_the_probability_is_renewed() -> None:
    once = mark(LIGHTROOM, *MARKS)
    twice = mark(once, "motion", 0.5)
    assert b">0.9877<" in once and b">0.5000<" in twice and b"0.9877" not in twice
    attribute = f"xmlns:b=\"{OURS}\" b:probability = '0.1'"
    data = _wrap("").replace(b' r:about=""', f' r:about="" {attribute}'.encode())
    assert b'b:probability = "0.5000"' in mark(data, None, 0.5)


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), max_size=4),
    st.sampled_from(["defocus", "motion", "sharp", None, "<&\"'"]),
)
def test_any_keyword_stays(words: list[str], kind: str | None) -> None:
    tree = ElementTree.fromstring(_wrap("<dc:subject><r:Bag/></dc:subject>"))
    bag = next(tree.iter(f"{{{RDF}}}Bag"))
    for word in words:
        ElementTree.SubElement(bag, f"{{{RDF}}}li").text = word
    data = ElementTree.tostring(tree, encoding="utf-8")
    have = keywords(mark(data, kind, 0.7), *SUBJECT)
    assert have[: len(words)] == words
    new = {"blurred"} | ({kind} if kind in ("defocus", "motion") else set())
    assert set(have) == set(words) | new and len(have) == len(words) + len(new - set(words))
