"""Where the elements of an XML file lie in its bytes, so that the others can stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

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
