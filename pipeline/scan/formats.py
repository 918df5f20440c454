"""Verdicts as lines of text: a table, CSV, JSON and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field

from pipeline.serving.verdict import EXPOSURE, FIELDS, Verdict

FORMATS = ("table", "csv", "json", "jsonl")


def shown(path: str) -> str:
    """`path` on one line, for people: what cannot be printed is escaped."""
    if path.isprintable():
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def as_object(verdict: Verdict, fields: tuple[str, ...] = FIELDS) -> str:
    """One JSON object; a path that is no UTF-8 keeps its bytes as `os.fsdecode` gives them."""
    values = {name: getattr(verdict, name) for name in fields}
    text = json.dumps(values, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(values)
    return text


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv_line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _table_line(verdict: Verdict, exposed: bool) -> str:
    path = shown(verdict.path)
    flag = verdict.exposure if verdict.exposure not in (None, "normal") else ""
    exposure = f"{flag:12} " if exposed else ""
    if verdict.error is not None or verdict.probability is None:
        return f"{'unread':8} {'':>11}  {'':8} {exposure}{path}: {shown(verdict.error or '')}\n"
    word = "blurred" if verdict.blurred else "sharp"
    kind = verdict.kind if verdict.blurred else ""
    return f"{word:8} {verdict.probability:11.3f}  {kind or '':8} {exposure}{path}\n"


@dataclass
class Formatter:
    """Turns verdicts into text one by one.

    Attributes
    ----------
    name : str
        One of `FORMATS`.
    fields : tuple of str
        Of a verdict, in order; the table holds a column of exposures if they do.
    """

    name: str
    fields: tuple[str, ...] = FIELDS
    _count: int = field(default=0, init=False)

    def head(self) -> str:
        """What comes first."""
        exposure = f"{EXPOSURE:12} " if EXPOSURE in self.fields else ""
        return {
            "table": f"{'verdict':8} {'probability':>11}  {'kind':8} {exposure}path\n",
            "csv": _csv_line(list(self.fields)),
            "json": "[",
        }.get(self.name, "")

    def row(self, verdict: Verdict) -> str:
        """One verdict."""
        self._count += 1
        if self.name == "table":
            return _table_line(verdict, EXPOSURE in self.fields)
        if self.name == "csv":
            return _csv_line([_cell(getattr(verdict, name)) for name in self.fields])
        if self.name == "json":
            return ("\n" if self._count == 1 else ",\n") + as_object(verdict, self.fields)
        return as_object(verdict, self.fields) + "\n"

    def tail(self) -> str:
        """What comes last."""
        return ("\n" if self._count else "") + "]\n" if self.name == "json" else ""


@dataclass
class Tally:
    """Counts of verdicts; `exposed` counts exposures too, where it is set."""

    sharp: int = 0
    unread: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    exposed: dict[str, int] | None = None

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        if self.exposed is not None and verdict.exposure not in (None, "normal"):
            self.exposed[verdict.exposure] = self.exposed.get(verdict.exposure, 0) + 1
        if verdict.error is not None:
            self.unread += 1
        elif verdict.blurred:
            kind = verdict.kind or "unknown"
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
        else:
            self.sharp += 1

    @property
    def blurred(self) -> int:
        """Number of blurred photos."""
        return sum(self.kinds.values())

    def line(self) -> str:
        """The summary."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kinds.items()))
        number = self.blurred + self.sharp + self.unread
        noun = "photo" if number == 1 else "photos"
        line = f"{number} {noun}: {self.blurred} blurred{f' ({kinds})' if kinds else ''}, "
        line += f"{self.sharp} sharp" + (f", {self.unread} unread" if self.unread else "")
        if self.exposed is None:
            return line
        found = ", ".join(f"{count} {name}" for name, count in sorted(self.exposed.items()))
        return f"{line}; exposure: {found or 'all normal'}"
