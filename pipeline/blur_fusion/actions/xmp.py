"""Keywords for a blurred photo, put into an XMP packet without touching anything else in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC, LR = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/lightroom/1.0/"
XMP, DARKTABLE = "http://ns.adobe.com/xap/1.0/", "http://darktable.sf.net/"
DIGIKAM, MICROSOFT = "http://www.digikam.org/ns/1.0/", "http://ns.microsoft.com/photo/1.0/"
PHOTOSHOP, OURS = "http://ns.adobe.com/photoshop/1.0/", "urn:blur-fusion:xmp:1.0/"
LISTS = tuple(f"{RDF} {name}" for name in ("Bag", "Seq", "Alt"))
# A colour that the user has given stays: darktable would show `xmp:Label` instead of it.
LABELS = (f"{XMP} Label", f"{DARKTABLE} colorlabels", f"{DIGIKAM} ColorLabel")
PROBABILITY = f"{OURS} probability"
EMPTY = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Blur Fusion">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""%s>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")
TAG_NAME = re.compile(rb"<([^\s/>]+)")
START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")  # a `>` within quotes ends nothing
PROBABILITY_ATTRIBUTE = re.compile(rb"""(?<=:probability)(\s*=\s*)("[^"]*"|'[^']*')""")

Edit = tuple[int, int, bytes]  # from, to, bytes instead


class XmlError(ValueError):
    """The file cannot be edited safely; the message says why."""


@dataclass(slots=True)
class _Node:
    """An element; offsets are in bytes of the whole file."""

    name: str  # "namespace local"
    attributes: dict[str, str]  # keys as `name`
    start: int  # of "<name"
    opened: int  # just after the start tag
    empty: bool  # written <name/>
    close: int = 0  # of "</name>", where it is not empty
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[_Node]:
        """Children that have one of `names`."""
        return (child for child in self.children if child.name in names)


def _parse(data: bytes) -> _Node:
    """The root element of an XML file in UTF-8, with everything below it.

    A document type is refused: entities can grow without bounds, and no program writes them into
    a sidecar.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    path = [_Node("", {}, 0, 0, False)]  # from the document down to where the parser is

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in UTF8:
            raise XmlError(f"it is in {encoding}, not in UTF-8")

    def refused(*_: object) -> None:
        raise XmlError("it has a document type")

    def started(name: str, attributes: dict[str, str]) -> None:
        start = parser.CurrentByteIndex
        tag = START_TAG.match(data, start)
        assert tag is not None  # expat has seen it there
        node = _Node(name, attributes, start, tag.end(), tag[0].endswith(b"/>"))
        path[-1].children.append(node)
        path.append(node)

    def ended(_: str) -> None:
        path.pop().close = parser.CurrentByteIndex

    def told(text: str) -> None:
        path[-1].text += text

    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declared, refused
    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.CharacterDataHandler = told
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise XmlError("it is not in UTF-8")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"it is not valid XML ({error})") from None
    return path[0].children[0]


def _insertion(data: bytes, node: _Node, inner: str) -> Edit:
    """The edit that puts `inner` at the end of `node`."""
    if not node.empty:
        return node.close, node.close, inner.encode()
    name = TAG_NAME.match(data, node.start)
    assert name is not None
    return node.opened - 2, node.opened, b">" + inner.encode() + b"</" + name[1] + b">"


def _items(values: Iterable[str]) -> str:
    return "".join(f'<rdf:li xmlns:rdf="{RDF}">{escape(value)}</rdf:li>' for value in values)


def _element(namespace: str, tag: str, inner: str) -> str:
    return f'   <{tag} xmlns:{tag.split(":")[0]}="{namespace}">{inner}</{tag}>\n'


def _list(descriptions: list[_Node], name: str) -> _Node | None:
    """The list that is the value of a property; None where the property is missing."""
    found = next((child for node in descriptions for child in node.all(name)), None)
    value = None if found is None else next(found.all(*LISTS), None)
    if any(name in node.attributes for node in descriptions) or (found and not value):
        raise XmlError(f"its {name.split()[1]} is no list")
    return value


def _keyword_edits(
    data: bytes, descriptions: list[_Node], kind: str | None
) -> tuple[str, list[Edit]]:
    """Properties that are missing, as elements, and additions to those that are there."""
    words = ["blurred", *([kind] if kind in ("defocus", "motion") else [])]
    paths = [f"blur/{word}" for word in words]
    new, edits = "", []
    for namespace, tag, values in (
        (DC, "dc:subject", words),
        (LR, "lr:hierarchicalSubject", [f"blur|{word}" for word in words]),
        (DIGIKAM, "digiKam:TagsList", paths),
        (MICROSOFT, "MicrosoftPhoto:LastKeywordXMP", paths),
    ):
        found = _list(descriptions, f"{namespace} {tag.split(':')[1]}")
        if found is not None:
            have = {item.text for item in found.all(f"{RDF} li")}
            missing = [value for value in values if value not in have]
            edits += [_insertion(data, found, _items(missing))] if missing else []
        elif namespace in (DC, LR):  # the others only where their programs have written
            bag = f'<rdf:Bag xmlns:rdf="{RDF}">{_items(values)}</rdf:Bag>'
            new += _element(namespace, tag, bag)
    return new, edits


def _probability_edit(data: bytes, nodes: list[_Node], value: str) -> Edit | None:
    """Renew a probability that is there; None where there is none."""
    for node in nodes:
        for child in node.all(PROBABILITY):
            if not child.empty and not child.children:
                return child.opened, child.close, value.encode()
        if PROBABILITY in node.attributes:  # as rewritten by another program
            found = PROBABILITY_ATTRIBUTE.search(data, node.start, node.opened)
            if found:
                return found.start(2), found.end(2), f'"{value}"'.encode()
    return None


def mark(data: bytes, kind: str | None, probability: float | None) -> bytes:
    """`data` with keywords, a red label and the probability added; every other byte is kept.

    Keywords that are there are not repeated; a colour label or one of darktable's or digiKam's
    own is kept. Ratings and flags are not touched.

    Parameters
    ----------
    data : bytes
        An XMP packet or sidecar in UTF-8.
    kind : str, optional
        "defocus" or "motion" is a keyword, others are not.
    probability : float, optional
        Of being blurred, calibrated.

    Raises
    ------
    XmlError
        It is no XMP, or cannot be edited safely.
    """
    tree = _parse(data)
    rdf = tree if tree.name == f"{RDF} RDF" else next(tree.all(f"{RDF} RDF"), None)
    if rdf is None:
        raise XmlError("it is no XMP: it has no rdf:RDF")
    descriptions = list(rdf.all(f"{RDF} Description"))
    new, edits = _keyword_edits(data, descriptions, kind)
    if not any(n.attributes.get(x) or any(n.all(x)) for n in descriptions for x in LABELS):
        new += _element(XMP, "xmp:Label", "Red")
    if probability is not None:
        edit = _probability_edit(data, descriptions, f"{probability:.4f}")
        if edit:
            edits.append(edit)
        else:
            new += _element(OURS, "blur:probability", f"{probability:.4f}")
    if new and descriptions:
        edits.append(_insertion(data, descriptions[0], f"\n{new}  "))
    elif new:
        block = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="">\n{new}</rdf:Description>'
        edits.append(_insertion(data, rdf, block))
    for start, end, instead in sorted(edits, reverse=True):  # they do not overlap
        data = data[:start] + instead + data[end:]
    _parse(data)  # what cannot be read back is not written
    return data


def fresh(kind: str | None, probability: float | None, sidecar_for: str | None = None) -> bytes:
    """A new sidecar; `sidecar_for` is the RAW's suffix without its dot, which Adobe looks for."""
    attributes = ""
    if sidecar_for:
        suffix = f'"{escape(sidecar_for, {chr(34): "&quot;"})}"'
        attributes = f' xmlns:photoshop="{PHOTOSHOP}" photoshop:SidecarForExtension={suffix}'
    return mark((EMPTY % attributes).encode(), kind, probability)
