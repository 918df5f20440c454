"""XMP sidecars: which ones, what is in them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from action_trees import blurred, fill, look, names, undone
from blur_fusion.actions.act import act
from blur_fusion.actions.plan import ActionOptions, ActionReport
from blur_fusion.actions.xmp import (
    DC,
    LR,
    OURS,
    PHOTOSHOP,
    RDF,
    XMP,
    XmlError,
    mark,
)
from xmp_samples import DARKTABLE, LIGHTROOM, keywords

MARKS = ("motion", 0.98765)
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""


def _wrap(inner: str) -> bytes:
    return (
        f'<r:RDF xmlns:r="{RDF}" xmlns:dc="{DC}"><r:Description r:about="">{inner}'
        "</r:Description></r:RDF>"
    ).encode()


def _tag(root: Path, *paths: Path) -> ActionReport:
    return act(blurred(*paths, kind="motion", probability=0.98765), [root], ActionOptions(tag=True))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (BOMB, "document type"),
        (LIGHTROOM[:-20], "not valid XML"),
        (b"", "not valid XML"),
        (LIGHTROOM.decode().encode("utf-16"), "not in UTF-8"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><a/>', "iso-8859-1"),
        (b"<html/>", "no rdf:RDF"),
        (_wrap("<dc:subject>text</dc:subject>"), "subject is no list"),
        (_wrap("").replace(b"r:about", b"dc:subject"), "subject is no list"),
    ],
)
def test_what_cannot_be_edited_is_left(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(XmlError, match=why):
        mark(data, *MARKS)
    root = fill(tmp_path, "a.jpg", "b.jpg")
    (root / "a.jpg.xmp").write_bytes(data)
    before = look(root)
    report = _tag(root, root / "a.jpg", root / "b.jpg")
    assert report.failed and len(report.lines) == 1 and why in report.lines[0]
    assert report.lines[0].startswith(f"{root}/a.jpg.xmp: left as it is: ")
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
    report = _tag(root, root / judged)
    after = look(root)
    changed = {Path(path).name for path in after if after[path] != before.get(path)}
    assert changed == written and report.done == len(written)
    for name in written:
        assert "blur|motion" in keywords((root / name).read_bytes(), LR, "hierarchicalSubject")
    assert report.journal.parent == root
    assert _tag(root, root / judged).journal is None  # nothing to add
    assert undone(report).lines == ()
    assert look(root) == before


def test_a_new_sidecar(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.cr2")
    _tag(root, root / "a.cr2")
    for name, value in (("a.xmp", "CR2"), ("a.cr2.xmp", None)):
        (node,) = ElementTree.parse(root / name).iter(f"{{{RDF}}}Description")
        assert node.get(f"{{{PHOTOSHOP}}}SidecarForExtension") == value
        assert node.findtext(f"{{{XMP}}}Label") == "Red"
        assert node.findtext(f"{{{OURS}}}probability") == "0.9877"
        assert node.find(f"{{{XMP}}}Rating") is None


def test_a_sidecar_changed_since_is_kept(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg", "b.jpg")
    (root / "b.jpg.xmp").write_bytes(DARKTABLE)
    report = _tag(root, root / "a.jpg", root / "b.jpg")
    (root / "b.jpg.xmp").write_bytes(LIGHTROOM)
    back = undone(report)
    assert back.lines[0].endswith("b.jpg.xmp: was changed since it was tagged; left")
    assert names(root) == {"a.jpg", "b.jpg", "b.jpg.xmp"}
    assert (root / "b.jpg.xmp").read_bytes() == LIGHTROOM


def test_a_linked_sidecar_is_left(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.jpg")
    (root / "real.txt").write_bytes(DARKTABLE)
    (root / "a.jpg.xmp").symlink_to("real.txt")
    report = _tag(root, root / "a.jpg")
    assert report.failed and "link" in report.lines[0]
    assert (root / "real.txt").read_bytes() == DARKTABLE
