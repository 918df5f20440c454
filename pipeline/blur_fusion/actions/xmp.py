"""Keywords, labels, ratings and flags in an XMP packet; every other byte of it stays as it is.

What was added is listed in the packet, so that exactly that can be renewed or removed later. Which
program reads what from where is in docs/ratings.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.parsers import expat
from xml.sax.saxutils import escape

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC, LR = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/lightroom/1.0/"
XMP, DARKTABLE = "http://ns.adobe.com/xap/1.0/", "http://darktable.sf.net/"
DIGIKAM, MICROSOFT = "http://www.digikam.org/ns/1.0/", "http://ns.microsoft.com/photo/1.0/"
PHOTOSHOP, OURS = "http://ns.adobe.com/photoshop/1.0/", "urn:blur-fusion:xmp:1.0/"
DYNAMIC = "http://ns.adobe.com/xmp/1.0/DynamicMedia/"
LARGEST = 16 << 20  # bytes of a sidecar; darktable's masks take some MB
RED, YELLOW = "Red", "Yellow"
WORDS = ("blurred", "defocus", "motion")

_LISTS = tuple(f"{RDF} {name}" for name in ("Bag", "Seq", "Alt"))
# A colour that the user has given stays: darktable would show `xmp:Label` instead of it.
_LABELS = (f"{XMP} Label", f"{DARKTABLE} colorlabels", f"{DIGIKAM} ColorLabel")
_PROBABILITY, _ADDED = f"{OURS} probability", f"{OURS} added"
_EMPTY = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Blur Fusion">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""%s>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
# Keyword properties and the prefix of ours; the last two only where programs wrote them
_KEYWORDS = (
    (DC, "dc:subject", ""),
    (LR, "lr:hierarchicalSubject", "blur|"),
    (DIGIKAM, "digiKam:TagsList", "blur/"),
    (MICROSOFT, "MicrosoftPhoto:LastKeywordXMP", "blur/"),
)
# Numbers with the worth of each value: below 0 is rejected, 0 says nothing.
_RATING = (XMP, "xmp:Rating", {value: value for value in range(-1, 6)})
_FLAGS = (
    (DIGIKAM, "digiKam:PickLabel", {1: -1, 0: 0, 2: 0, 3: 1}),  # 2 is pending
    (DYNAMIC, "xmpDM:pick", {-1: -1, 0: 0, 1: 1}),
)
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")
_TAG_NAME = re.compile(rb"<([^\s/>]+)")
_START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")  # a `>` within quotes ends nothing
_ATTRIBUTE = re.compile(rb"""\s+(?:[^\s=:]+:)?([^\s=:]+)\s*=\s*("[^"]*"|'[^']*')""")

_Edit = tuple[int, int, bytes]  # from, to, replacement
_Number = tuple[str, str, dict[int, int]]  # namespace, property, worth of each value


class XmlError(ValueError):
    """The file cannot be edited safely; the message says why."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a packet says about a photo, or is to say."""

    words: tuple[str, ...] = ()  # keywords
    label: str | None = None  # colour; one that the user has given stays
    rating: int | None = None  # stars; -1 is rejected, and 0 removes such a -1, no more
    flag: int | None = None  # -1 is rejected, 1 picked
    probability: float | None = None  # of being blurred; None if a person has decided
    force: bool = False  # lower ratings and flags of others


@dataclass(slots=True)
class _Node:
    """An element; offsets are in bytes of the whole file."""

    name: str  # "namespace local"
    attributes: dict[str, str]  # keys as `name`
    start: int  # of "<name"
    opened: int  # just after the start tag
    empty: bool  # written <name/>
    close: int = 0  # of "</name>", where it is not empty
    end: int = 0  # just after all of it
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
    path = [_Node("", {}, 0, 0, False)]  # from the document down to the current element

    def on_declaration(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in _UTF8:
            raise XmlError(f"it is in {encoding}, not in UTF-8")

    def on_doctype(*_: object) -> None:
        raise XmlError("it has a document type")

    def on_start(name: str, attributes: dict[str, str]) -> None:
        start = parser.CurrentByteIndex
        tag = _START_TAG.match(data, start)
        assert tag is not None  # expat has seen it there
        node = _Node(name, attributes, start, tag.end(), tag[0].endswith(b"/>"))
        path[-1].children.append(node)
        path.append(node)

    def on_end(_: str) -> None:
        node = path.pop()
        node.close = parser.CurrentByteIndex
        node.end = node.opened if node.empty else data.index(b">", node.close) + 1

    def on_text(text: str) -> None:
        path[-1].text += text

    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = on_declaration, on_doctype
    parser.StartElementHandler, parser.EndElementHandler = on_start, on_end
    parser.CharacterDataHandler = on_text
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise XmlError("it is not in UTF-8")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"it is not valid XML ({error})") from None
    return path[0].children[0]


def _descriptions(data: bytes) -> tuple[_Node, list[_Node]]:
    """The rdf:RDF of a packet, and its descriptions."""
    tree = _parse(data)
    rdf = tree if tree.name == f"{RDF} RDF" else next(tree.all(f"{RDF} RDF"), None)
    if rdf is None:
        raise XmlError("it is not XMP: it has no rdf:RDF")
    return rdf, list(rdf.all(f"{RDF} Description"))


def _insertion(data: bytes, node: _Node, inner: str) -> _Edit:
    """The edit that appends `inner` to the content of `node`."""
    if not node.empty:
        place = len(data[: node.close].rstrip())
        return place, place, inner.encode()
    name = _TAG_NAME.match(data, node.start)
    assert name is not None
    return node.opened - 2, node.opened, b">" + inner.encode() + b"</" + name[1] + b">"


def _removal(data: bytes, node: _Node) -> _Edit:
    """The edit that removes `node` and the space before it."""
    return len(data[: node.start].rstrip()), node.end, b""


def _items(values: Iterable[str]) -> str:
    return "".join(f'<rdf:li xmlns:rdf="{RDF}">{escape(value)}</rdf:li>' for value in values)


def _element(namespace: str, tag: str, inner: str) -> str:
    return f'\n   <{tag} xmlns:{tag.split(":")[0]}="{namespace}">{inner}</{tag}>'


def _name(namespace: str, tag: str) -> str:
    return f"{namespace} {tag.split(':')[1]}"


def _token(label: str) -> str:
    """How a label of ours is listed; early releases, which knew only red, listed just that."""
    return label if label == RED else f"xmp:Label={quote(label, safe='')}"


def _ours(token: str, tag: str, text: str) -> bool:
    """Whether `token` lists the number `text` of the property `tag`: `tag=BEFORE:NOW`."""
    return token.startswith(f"{tag}=") and token.endswith(f":{text}")


def _worth(text: str, worths: dict[int, int]) -> int | None:
    """The worth of a value such as "3" or "3.0"; None if it has none."""
    try:
        return worths.get(round(float(text)))
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class _Value:
    """A property with a simple value, as an element or an attribute."""

    text: str
    within: tuple[int, int]  # offsets of the text, including an attribute's quotes
    taken_off: _Edit
    quote: str = ""

    def now(self, text: str) -> _Edit:
        """The edit that puts `text` there."""
        text = escape(text, {'"': "&quot;", "'": "&apos;"})
        return *self.within, f"{self.quote}{text}{self.quote}".encode()


@dataclass(slots=True)
class _Change:
    """What is to be done to a packet."""

    data: bytes
    descriptions: list[_Node]
    ours: set[str] = field(default_factory=set)  # what earlier runs have added
    new: str = ""  # properties that are missing
    edits: list[_Edit] = field(default_factory=list)
    added: set[str] = field(default_factory=set)  # what is ours afterwards

    def simple(self, name: str) -> _Value | None:
        """A property with a simple value; None if it is missing or of another form."""
        for node in self.descriptions:
            for child in node.all(name):
                if not child.empty and not child.children:
                    within = (child.opened, child.close)
                    return _Value(child.text, within, _removal(self.data, child))
            if name in node.attributes:  # as rewritten by another program
                for found in _ATTRIBUTE.finditer(self.data, node.start, node.opened):
                    same = found[1].decode() == name.split()[1]
                    if same and found[2][1:-1].decode() == node.attributes[name]:
                        whole, quotes = (*found.span(), b""), found[2][:1].decode()
                        return _Value(node.attributes[name], found.span(2), whole, quotes)
        return None

    def has(self, *names: str) -> bool:
        """Whether any of these properties is there, even if its element is empty."""
        return any(
            node.attributes.get(name) or any(node.all(name))
            for node in self.descriptions
            for name in names
        )

    def listed(self, name: str) -> tuple[_Node, _Node] | None:
        """A property and the list that is its value; None if the property is missing."""
        found = next((child for node in self.descriptions for child in node.all(name)), None)
        value = None if found is None else next(found.all(*_LISTS), None)
        if any(name in node.attributes for node in self.descriptions) or (found and not value):
            raise XmlError(f"its {name.split()[1]} is not a list")
        return (found, value) if found and value else None

    def keywords(self, words: tuple[str, ...]) -> None:
        """Put `words` into all lists, and remove the rest of ours."""
        for namespace, tag, prefix in _KEYWORDS:
            values = [f"{prefix}{word}" for word in words]
            found = self.listed(_name(namespace, tag))
            if found is None:
                if values and namespace in (DC, LR):
                    bag = f'<rdf:Bag xmlns:rdf="{RDF}">{_items(values)}</rdf:Bag>'
                    self.new += _element(namespace, tag, bag)
                    self.added |= set(values)
                continue
            items = list(found[1].all(f"{RDF} li"))
            have = {item.text for item in items}
            missing = [value for value in values if value not in have]
            ours = {value for value in self.ours if value.startswith(prefix)}
            stale = [item for item in items if item.text in ours.difference(values)]
            if missing:
                self.edits.append(_insertion(self.data, found[1], _items(missing)))
            elif stale and len(stale) == len(items):
                stale = [found[0]]  # an empty list says nothing
            self.edits += [_removal(self.data, item) for item in stale]
            self.added |= (self.ours & have & set(values)) | set(missing)

    def label(self, wanted: str | None) -> None:
        """Set a label, unless the user has given one; None removes ours."""
        there = self.simple(_LABELS[0])
        if there and _token(there.text) in self.ours:
            if wanted is None:
                self.edits.append(there.taken_off)
                return
            if wanted != there.text:
                self.edits.append(there.now(wanted))
        elif wanted and not self.has(*_LABELS):
            self.new += _element(XMP, "xmp:Label", escape(wanted))
        else:
            return
        self.added.add(_token(wanted))

    def number(self, kind: _Number, worth: int | None, force: bool) -> None:
        """Set a number of that worth, but none lower than the user's; None removes ours."""
        namespace, tag, worths = kind
        name = _name(namespace, tag)
        there = self.simple(name)
        before = there.text.strip() if there else ""
        was = next((x for x in self.ours if there and _ours(x, tag, before)), None)
        old = before if was is None else was.split("=")[1].split(":")[0]
        if worth is None or (worth == 0 and old == ""):
            if there and was is not None:
                self.edits.append(there.now(old) if old else there.taken_off)
            return
        wanted = str(next(value for value, one in worths.items() if one == worth))
        empty = any(name in node.attributes for node in self.descriptions)
        if before == "" and (empty or self.has(name)):
            return  # an empty one, or one of another form
        if old != "":
            now = _worth(old, worths)
            if now is None or (wanted != old and now != 0 and worth < now and not force):
                wanted = old
        if there is None:
            self.new += _element(namespace, tag, wanted)
        elif wanted != before:
            self.edits.append(there.now(wanted))
        if wanted != old:
            self.added.add(f"{tag}={old}:{wanted}")

    def own(self, name: str, there: _Value | None, text: str | None) -> None:
        """Set a property of ours to `text`; None removes it."""
        if there:
            self.edits.append(there.taken_off if text is None else there.now(text))
        elif text is not None:
            self.new += _element(OURS, f"blur:{name}", text)


def mark(data: bytes, marks: Marks | None) -> bytes:
    """`data` with marks in place of earlier ones of ours, or with none; every other byte is kept.

    Existing keywords are not repeated; an existing colour label, darktable's and digiKam's own
    included, is kept. XmlError: it is not XMP in UTF-8, or cannot be edited safely.
    """
    rdf, descriptions = _descriptions(data)
    change, wanted = _Change(data, descriptions), marks or Marks()
    known, before = change.simple(_PROBABILITY), change.simple(_ADDED)
    if before:
        change.ours = set(before.text.split())
    elif known:  # by a release that listed nothing
        change.ours = {f"{prefix}{word}" for _, _, prefix in _KEYWORDS for word in WORDS}
    change.keywords(wanted.words)
    change.label(wanted.label)
    for kind, worth in ((_RATING, wanted.rating), *((flag, wanted.flag) for flag in _FLAGS)):
        change.number(kind, worth, wanted.force)
    likely = None if wanted.probability is None else f"{wanted.probability:.4f}"
    change.own("probability", known, likely)
    change.own("added", before, (" ".join(sorted(change.added)) or "nothing") if marks else None)
    if change.new and descriptions:
        change.edits.append(_insertion(data, descriptions[0], change.new))
    elif change.new:
        block = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="">{change.new}\n</rdf:Description>'
        change.edits.append(_insertion(data, rdf, block))
    for start, end, instead in sorted(change.edits, reverse=True):  # they do not overlap
        data = data[:start] + instead + data[end:]
    _parse(data)  # what cannot be read back is not written
    return data


def unmark(data: bytes) -> bytes | None:
    """`data` without what :func:`mark` has added; None if only an empty sidecar is left.

    Replaced ratings get their former value. Raises XmlError, see :func:`mark`.
    """
    if OURS.encode() not in data:
        return data
    left = mark(data, None)
    begin, end = (b"".join(part.encode().split()) for part in _EMPTY.split("%s"))
    bare = b"".join(left.split())
    rest = bare.removeprefix(begin).removesuffix(end)
    return None if len(rest) == len(bare) - len(begin + end) and b"<" not in rest else left


def read(data: bytes) -> Marks:
    """Label, rating and flag of a packet, without those that a scan of ours has written."""
    _, descriptions = _descriptions(data)

    def text(name: str) -> str:
        elements = (child.text for one in descriptions for child in one.all(name))
        attributes = (one.attributes.get(name, "") for one in descriptions)
        return next(filter(None, map(str.strip, (*elements, *attributes))), "")

    judged = text(_PROBABILITY) != ""  # a person's decision has none
    ours = set(text(_ADDED).split()) if judged else set()

    def worth(kind: _Number) -> int | None:
        found = text(_name(*kind[:2]))
        written = any(_ours(token, kind[1], found) for token in ours)
        return None if written else _worth(found, kind[2])

    label = text(_LABELS[0])
    flags = [flag for flag in map(worth, _FLAGS) if flag]
    own = label if label and _token(label) not in ours else None
    return Marks((), own, worth(_RATING), flags[0] if flags else None)


def fresh(marks: Marks, sidecar_for: str | None = None) -> bytes:
    """A new sidecar; `sidecar_for` is the RAW's suffix without its dot, which Adobe looks for."""
    attributes = ""
    if sidecar_for:
        suffix = f'"{escape(sidecar_for, {chr(34): "&quot;"})}"'
        attributes = f' xmlns:photoshop="{PHOTOSHOP}" photoshop:SidecarForExtension={suffix}'
    return mark((_EMPTY % attributes).encode(), marks)
