"""Keywords, labels, ratings and flags, put into an XMP packet without touching anything else in it.

What was added is listed in the packet, so that just that can be renewed or taken off again.
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
LISTS = tuple(f"{RDF} {name}" for name in ("Bag", "Seq", "Alt"))
# A colour that the user has given stays: darktable would show `xmp:Label` instead of it.
LABELS = (f"{XMP} Label", f"{DARKTABLE} colorlabels", f"{DIGIKAM} ColorLabel")
PROBABILITY, ADDED = f"{OURS} probability", f"{OURS} added"
RED, YELLOW = "Red", "Yellow"
EMPTY = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Blur Fusion">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""%s>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
WORDS = ("blurred", "defocus", "motion")
# What holds keywords, and what ours begin with there; the last two only where programs wrote them
PROPERTIES = (
    (DC, "dc:subject", ""),
    (LR, "lr:hierarchicalSubject", "blur|"),
    (DIGIKAM, "digiKam:TagsList", "blur/"),
    (MICROSOFT, "MicrosoftPhoto:LastKeywordXMP", "blur/"),
)
# Numbers, each with what its values are worth: below 0 is rejected, 0 says nothing.
RATING = (XMP, "xmp:Rating", {value: value for value in range(-1, 6)})
FLAGS = (
    (DIGIKAM, "digiKam:PickLabel", {1: -1, 0: 0, 2: 0, 3: 1}),  # 2 is pending
    (DYNAMIC, "xmpDM:pick", {-1: -1, 0: 0, 1: 1}),
)
UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")
TAG_NAME = re.compile(rb"<([^\s/>]+)")
START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")  # a `>` within quotes ends nothing
ATTRIBUTE = re.compile(rb"""\s+(?:[^\s=:]+:)?([^\s=:]+)\s*=\s*("[^"]*"|'[^']*')""")

Edit = tuple[int, int, bytes]  # from, to, bytes instead
Number = tuple[str, str, dict[int, int]]  # namespace, property, worth of each value


class XmlError(ValueError):
    """The file cannot be edited safely; the message says why."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a packet says of a photo, or is to say.

    Attributes
    ----------
    words : tuple of str
        Keywords.
    label : str
        Colour label. One that the user has given stays.
    rating : int
        Stars; -1 is rejected, and 0 takes such a -1 off, no more.
    flag : int
        -1 is rejected, 1 picked.
    probability : float
        Of being blurred; None where a person has decided.
    force : bool
        Replace a rating or flag of others by a lower one.
    """

    words: tuple[str, ...] = ()
    label: str | None = None
    rating: int | None = None
    flag: int | None = None
    probability: float | None = None
    force: bool = False


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
        node = path.pop()
        node.close = parser.CurrentByteIndex
        node.end = node.opened if node.empty else data.index(b">", node.close) + 1

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
    """The edit that puts `inner` behind what is in `node`."""
    if not node.empty:
        place = len(data[: node.close].rstrip())
        return place, place, inner.encode()
    name = TAG_NAME.match(data, node.start)
    assert name is not None
    return node.opened - 2, node.opened, b">" + inner.encode() + b"</" + name[1] + b">"


def _removal(data: bytes, node: _Node) -> Edit:
    """The edit that takes `node` out, with the space before it."""
    return len(data[: node.start].rstrip()), node.end, b""


def _items(values: Iterable[str]) -> str:
    return "".join(f'<rdf:li xmlns:rdf="{RDF}">{escape(value)}</rdf:li>' for value in values)


def _element(namespace: str, tag: str, inner: str) -> str:
    return f'\n   <{tag} xmlns:{tag.split(":")[0]}="{namespace}">{inner}</{tag}>'


def _list(descriptions: list[_Node], name: str) -> tuple[_Node, _Node] | None:
    """A property and the list that is its value; None where the property is missing."""
    found = next((child for node in descriptions for child in node.all(name)), None)
    value = None if found is None else next(found.all(*LISTS), None)
    if any(name in node.attributes for node in descriptions) or (found and not value):
        raise XmlError(f"its {name.split()[1]} is no list")
    return (found, value) if found and value else None


@dataclass(frozen=True, slots=True)
class _Value:
    """A property that is a word or two, as an element or an attribute."""

    text: str
    within: tuple[int, int]  # offsets of the text, with an attribute's quotes
    taken_off: Edit
    quote: str = ""

    def now(self, text: str) -> Edit:
        """The edit that puts `text` there."""
        text = escape(text, {'"': "&quot;", "'": "&apos;"})
        return *self.within, f"{self.quote}{text}{self.quote}".encode()


def _value(data: bytes, descriptions: list[_Node], name: str) -> _Value | None:
    for node in descriptions:
        for child in node.all(name):
            if not child.empty and not child.children:
                return _Value(child.text, (child.opened, child.close), _removal(data, child))
        if name in node.attributes:  # as rewritten by another program
            for found in ATTRIBUTE.finditer(data, node.start, node.opened):
                same = found[1].decode() == name.split()[1]
                if same and found[2][1:-1].decode() == node.attributes[name]:
                    whole = (*found.span(), b"")
                    quotes = found[2][:1].decode()
                    return _Value(node.attributes[name], found.span(2), whole, quotes)
    return None


def _has(description: _Node, name: str) -> bool:
    return bool(description.attributes.get(name)) or any(description.all(name))


def _token(label: str) -> str:
    """How a label of ours is listed; releases before others than red said just that."""
    return label if label == RED else f"xmp:Label={quote(label, safe='')}"


def _ours(token: str, tag: str, text: str) -> bool:
    """Whether `token` lists the number `text` of the property `tag`: `tag=BEFORE:NOW`."""
    return token.startswith(f"{tag}=") and token.endswith(f":{text}")


def _worth(text: str, worths: dict[int, int]) -> int | None:
    """What a value such as "3" or "3.0" is worth; None if it is none."""
    try:
        return worths.get(round(float(text)))
    except (ValueError, OverflowError):
        return None


@dataclass(slots=True)
class _Change:
    """What is to be done to a packet."""

    new: str = ""  # properties that are missing
    edits: list[Edit] = field(default_factory=list)
    added: set[str] = field(default_factory=set)  # what is ours of it afterwards

    def keywords(
        self, data: bytes, descriptions: list[_Node], words: tuple[str, ...], ours: set[str]
    ) -> None:
        """Have `words` in all lists, and nothing else of `ours`."""
        for namespace, tag, way in PROPERTIES:
            values = [f"{way}{word}" for word in words]
            found = _list(descriptions, f"{namespace} {tag.split(':')[1]}")
            if found is None:
                if values and namespace in (DC, LR):
                    bag = f'<rdf:Bag xmlns:rdf="{RDF}">{_items(values)}</rdf:Bag>'
                    self.new += _element(namespace, tag, bag)
                    self.added |= set(values)
                continue
            items = list(found[1].all(f"{RDF} li"))
            have = {item.text for item in items}
            missing = [value for value in values if value not in have]
            stale = [item for item in items if item.text in ours.difference(values)]
            if missing:
                self.edits.append(_insertion(data, found[1], _items(missing)))
            elif stale and len(stale) == len(items):
                stale = [found[0]]  # an empty list says nothing
            self.edits += [_removal(data, item) for item in stale]
            self.added |= (ours & have & set(values)) | set(missing)

    def label(
        self, data: bytes, descriptions: list[_Node], wanted: str | None, ours: set[str]
    ) -> None:
        """Have a label, if one is wanted and the user has given none; else none of ours."""
        there = _value(data, descriptions, LABELS[0])
        if there and _token(there.text) in ours:
            if wanted is None:
                self.edits.append(there.taken_off)
            else:
                if wanted != there.text:
                    self.edits.append(there.now(wanted))
                self.added.add(_token(wanted))
        elif wanted and not any(_has(one, name) for one in descriptions for name in LABELS):
            self.new += _element(XMP, "xmp:Label", escape(wanted))
            self.added.add(_token(wanted))

    def number(
        self,
        data: bytes,
        descriptions: list[_Node],
        kind: Number,
        worth: int | None,
        ours: set[str],
        force: bool,
    ) -> None:
        """Have a number of that worth, but none lower than the user's; None: none of ours."""
        namespace, tag, worths = kind
        name = f"{namespace} {tag.split(':')[1]}"
        there = _value(data, descriptions, name)
        before = there.text.strip() if there else ""
        was = next((x for x in ours if there and _ours(x, tag, before)), None)
        old = before if was is None else was.split("=")[1].split(":")[0]
        if worth is None or (worth == 0 and old == ""):
            if there and was is not None:
                self.edits.append(there.now(old) if old else there.taken_off)
            return
        wanted = str(next(value for value, one in worths.items() if one == worth))
        if before == "" and any(name in one.attributes or _has(one, name) for one in descriptions):
            return  # an empty one, or of another form
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

    def value(self, name: str, there: _Value | None, text: str | None) -> None:
        """Have `text` as a property of ours; None: no such property."""
        if there:
            self.edits.append(there.taken_off if text is None else there.now(text))
        elif text is not None:
            self.new += _element(OURS, f"blur:{name}", text)


def _descriptions(data: bytes) -> tuple[_Node, list[_Node]]:
    """The rdf:RDF of a packet, and its descriptions."""
    tree = _parse(data)
    rdf = tree if tree.name == f"{RDF} RDF" else next(tree.all(f"{RDF} RDF"), None)
    if rdf is None:
        raise XmlError("it is no XMP: it has no rdf:RDF")
    return rdf, list(rdf.all(f"{RDF} Description"))


def _edited(data: bytes, marks: Marks | None) -> bytes:
    """`data` with `marks`, or with none of ours.

    Raises
    ------
    XmlError
        It is no XMP, or cannot be edited safely.
    """
    rdf, descriptions = _descriptions(data)
    known, before = (_value(data, descriptions, name) for name in (PROBABILITY, ADDED))
    ours = set(before.text.split()) if before else set()
    if known and not before:  # of a release that listed nothing
        ours = {f"{way}{word}" for _, _, way in PROPERTIES for word in WORDS}
    wanted, change = marks or Marks(), _Change()
    change.keywords(data, descriptions, wanted.words, ours)
    change.label(data, descriptions, wanted.label, ours)
    for kind, worth in ((RATING, wanted.rating), *((flag, wanted.flag) for flag in FLAGS)):
        change.number(data, descriptions, kind, worth, ours, wanted.force)
    likely = None if wanted.probability is None else f"{wanted.probability:.4f}"
    change.value("probability", known, likely)
    change.value("added", before, (" ".join(sorted(change.added)) or "nothing") if marks else None)
    if change.new and descriptions:
        change.edits.append(_insertion(data, descriptions[0], change.new))
    elif change.new:
        block = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="">{change.new}\n</rdf:Description>'
        change.edits.append(_insertion(data, rdf, block))
    for start, end, instead in sorted(change.edits, reverse=True):  # they do not overlap
        data = data[:start] + instead + data[end:]
    _parse(data)  # what cannot be read back is not written
    return data


def mark(data: bytes, marks: Marks) -> bytes:
    """`data` with marks added; every other byte is kept.

    Keywords that are there are not repeated; a colour label or one of darktable's or digiKam's
    own is kept. Of earlier marks of ours those stay that would be written now.

    Parameters
    ----------
    data : bytes
        An XMP packet or sidecar in UTF-8.
    marks : Marks

    Raises
    ------
    XmlError
        It is no XMP, or cannot be edited safely.
    """
    return _edited(data, marks)


def unmark(data: bytes) -> bytes | None:
    """`data` without what :func:`mark` has added; None where nothing but an empty sidecar is left.

    Ratings that were replaced are what they were.

    Raises
    ------
    XmlError
        See :func:`mark`.
    """
    if OURS.encode() not in data:
        return data
    left = _edited(data, None)
    begin, end = (b"".join(part.encode().split()) for part in EMPTY.split("%s"))
    bare = b"".join(left.split())
    rest = bare.removeprefix(begin).removesuffix(end)
    return None if len(rest) == len(bare) - len(begin + end) and b"<" not in rest else left


def read(data: bytes) -> Marks:
    """Label, rating and flag of a packet, but for those that a scan of ours has written.

    Raises
    ------
    XmlError
        It is no XMP in UTF-8.
    """
    _, descriptions = _descriptions(data)

    def text(name: str) -> str:
        elements = (child.text for one in descriptions for child in one.all(name))
        attributes = (one.attributes.get(name, "") for one in descriptions)
        return next(filter(None, map(str.strip, (*elements, *attributes))), "")

    judged = text(PROBABILITY) != ""  # a person's decision has none
    ours = set(text(ADDED).split()) if judged else set()

    def worth(kind: Number) -> int | None:
        found = text(f"{kind[0]} {kind[1].split(':')[1]}")
        written = any(_ours(token, kind[1], found) for token in ours)
        return None if written else _worth(found, kind[2])

    label = text(LABELS[0])
    flags = [flag for flag in map(worth, FLAGS) if flag]
    own = label if label and _token(label) not in ours else None
    return Marks((), own, worth(RATING), flags[0] if flags else None)


def fresh(marks: Marks, sidecar_for: str | None = None) -> bytes:
    """A new sidecar; `sidecar_for` is the RAW's suffix without its dot, which Adobe looks for."""
    attributes = ""
    if sidecar_for:
        suffix = f'"{escape(sidecar_for, {chr(34): "&quot;"})}"'
        attributes = f' xmlns:photoshop="{PHOTOSHOP}" photoshop:SidecarForExtension={suffix}'
    return mark((EMPTY % attributes).encode(), marks)
