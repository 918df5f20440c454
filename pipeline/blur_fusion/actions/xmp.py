"""Keywords for a blurred photo, put into an XMP packet without touching anything else in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

RAW_NAME = re.compile(rb"<([^\s/>]+)")
START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


class XmlError(ValueError):
    """The file cannot be edited safely; the message says why."""


@dataclass(slots=True)
class Node:
    """An element; offsets are in bytes of the whole file."""

    name: str  # "namespace local"
    attributes: dict[str, str]  # keys as `name`
    start: int  # of "<name"
    opened: int  # just after the start tag
    empty: bool  # written <name/>
    close: int = 0  # of "</name>", where it is not empty
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[Node]:
        """Children that have one of `names`."""
        return (child for child in self.children if child.name in names)


def _tag_end(data: bytes, start: int) -> int:
    """Offset just after the start tag at `start`; a `>` within quotes ends nothing."""
    found = START_TAG.match(data, start)
    if found is None:
        raise XmlError("it is cut off")
    return found.end()


def parse(data: bytes) -> Node:
    """The root element of an XML file in UTF-8, with everything below it.

    Raises
    ------
    XmlError
        It is no XML, not in UTF-8, or has a document type: entities can grow without bounds, and
        no program writes them into a sidecar.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top: list[Node] = []
    path: list[Node] = []

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in UTF8:
            raise XmlError(f"it is in {encoding}, not in UTF-8")

    def refused(*_: object) -> None:
        raise XmlError("it has a document type")

    def started(name: str, attributes: dict[str, str]) -> None:
        start = parser.CurrentByteIndex
        opened = _tag_end(data, start)
        node = Node(name, attributes, start, opened, data[opened - 2 : opened] == b"/>")
        (path[-1].children if path else top).append(node)
        path.append(node)

    def ended(_: str) -> None:
        path.pop().close = parser.CurrentByteIndex

    def told(text: str) -> None:
        path[-1].text += text

    parser.XmlDeclHandler = declared
    parser.StartDoctypeDeclHandler = refused
    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.CharacterDataHandler = told
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise XmlError("it is not in UTF-8")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"it is not valid XML ({error})") from None
    return top[0]


def insertion(data: bytes, node: Node, inner: bytes) -> tuple[int, int, bytes]:
    """The edit that puts `inner` at the end of `node`: (from, to, bytes instead)."""
    if not node.empty:
        return node.close, node.close, inner
    found = RAW_NAME.match(data, node.start)
    assert found is not None  # expat has seen a start tag there
    return node.opened - 2, node.opened, b">" + inner + b"</" + found[1] + b">"


def splice(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """`data` with the edits made; they do not overlap."""
    for start, end, instead in sorted(edits, reverse=True):
        data = data[:start] + instead + data[end:]
    return data


RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC, LR = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/lightroom/1.0/"
XMP, DARKTABLE = "http://ns.adobe.com/xap/1.0/", "http://darktable.sf.net/"
DIGIKAM, MICROSOFT = "http://www.digikam.org/ns/1.0/", "http://ns.microsoft.com/photo/1.0/"
PHOTOSHOP, OURS = "http://ns.adobe.com/photoshop/1.0/", "urn:blur-fusion:xmp:1.0/"
LISTS = tuple(f"{RDF} {name}" for name in ("Bag", "Seq", "Alt"))
# a colour the user has given stays: in darktable `xmp:Label` would hide his own
LABELS = (f"{XMP} Label", f"{DARKTABLE} colorlabels", f"{DIGIKAM} ColorLabel")
PROBABILITY = f"{OURS} probability"
KINDS = ("defocus", "motion")
EMPTY = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Blur Fusion">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""%s>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of a blurred photo."""

    kind: str | None  # "defocus" or "motion"; others give no keyword
    probability: float | None  # of being blurred, calibrated

    def lists(self) -> tuple[tuple[str, str, str, tuple[str, ...], bool], ...]:
        """(namespace, prefix, property, values, whether it is made where it is missing)."""
        words = ("blurred", *(kind for kind in KINDS if kind == self.kind))
        paths = tuple(f"blur/{word}" for word in words)
        return (
            (DC, "dc", "subject", words, True),
            (LR, "lr", "hierarchicalSubject", tuple(f"blur|{word}" for word in words), True),
            (DIGIKAM, "digiKam", "TagsList", paths, False),
            (MICROSOFT, "MicrosoftPhoto", "LastKeywordXMP", paths, False),
        )


def _items(values: list[str]) -> bytes:
    return "".join(
        f'<rdf:li xmlns:rdf="{RDF}">{escape(value)}</rdf:li>' for value in values
    ).encode()


def _element(namespace: str, prefix: str, name: str, inner: bytes) -> bytes:
    tag = f"{prefix}:{name}"
    return f'   <{tag} xmlns:{prefix}="{namespace}">'.encode() + inner + f"</{tag}>\n".encode()


def _descriptions(tree: Node) -> tuple[Node, list[Node]]:
    rdf = tree if tree.name == f"{RDF} RDF" else next(tree.all(f"{RDF} RDF"), None)
    if rdf is None:
        raise XmlError("it is no XMP: it has no rdf:RDF")
    return rdf, list(rdf.all(f"{RDF} Description"))


def _list(descriptions: list[Node], name: str) -> Node | None:
    """The list that is the value of a property; None where the property is missing."""
    if any(name in node.attributes for node in descriptions):
        raise XmlError(f"its {name.split()[1]} is no list")
    found = next((child for node in descriptions for child in node.all(name)), None)
    if found is None:
        return None
    for child in found.all(*LISTS):
        return child
    raise XmlError(f"its {name.split()[1]} is no list")


def _probability_edit(data: bytes, nodes: list[Node], value: str) -> tuple[int, int, bytes] | None:
    """Renew a probability that is there; None where there is none."""
    for node in nodes:
        for child in node.all(PROBABILITY):
            if not child.empty and not child.children:
                return child.opened, child.close, value.encode()
        if PROBABILITY in node.attributes:  # as rewritten by another program
            old = re.compile(rb"""(?<=:probability)(\s*=\s*)("[^"]*"|'[^']*')""")
            found = old.search(data, node.start, node.opened)
            if found:
                return found.start(2), found.end(2), f'"{value}"'.encode()
    return None


def mark(data: bytes, marks: Marks) -> bytes:
    """`data` with the keywords, the label and the probability added; every other byte is kept.

    Keywords that are there are not repeated; a colour label or one of darktable's or digiKam's
    own is kept. Ratings and flags are not touched.

    Parameters
    ----------
    data : bytes
        An XMP packet or sidecar in UTF-8.
    marks : Marks
        What to say of the photo.

    Raises
    ------
    XmlError
        It is no XMP, or cannot be edited safely.
    """
    rdf, descriptions = _descriptions(parse(data))
    edits, new = [], b""
    for namespace, prefix, name, values, make in marks.lists():
        found = _list(descriptions, f"{namespace} {name}")
        if found is not None:
            have = {item.text for item in found.all(f"{RDF} li")}
            missing = [value for value in values if value not in have]
            if missing:
                edits.append(insertion(data, found, _items(missing)))
        elif make:
            bag = f'<rdf:Bag xmlns:rdf="{RDF}">'.encode() + _items(list(values)) + b"</rdf:Bag>"
            new += _element(namespace, prefix, name, bag)
    if not any(n.attributes.get(x) or any(n.all(x)) for n in descriptions for x in LABELS):
        new += _element(XMP, "xmp", "Label", b"Red")
    if marks.probability is not None:
        value = f"{marks.probability:.4f}"
        edit = _probability_edit(data, descriptions, value)
        if edit:
            edits.append(edit)
        else:
            new += _element(OURS, "blur", "probability", value.encode())
    if new and descriptions:
        edits.append(insertion(data, descriptions[0], b"\n" + new + b"  "))
    elif new:
        block = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="">\n'.encode()
        edits.append(insertion(data, rdf, block + new + b"</rdf:Description>"))
    marked = splice(data, edits)
    parse(marked)  # what cannot be read back is not written
    return marked


def fresh(marks: Marks, sidecar_for: str | None = None) -> bytes:
    """A new sidecar; `sidecar_for` is the RAW's ending without dot, which Adobe looks for."""
    attribute = ""
    if sidecar_for:
        attribute = (
            f' xmlns:photoshop="{PHOTOSHOP}"'
            f' photoshop:SidecarForExtension="{escape(sidecar_for, {chr(34): "&quot;"})}"'
        )
    return mark((EMPTY % attribute).encode(), marks)
