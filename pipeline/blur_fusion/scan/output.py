"""Verdicts as lines of text, and where they go."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from blur_fusion.errors import BlurError, require
from blur_fusion.files import publish
from blur_fusion.model.prediction import EXPOSURE, FIELDS, Verdict

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


SORTS = ("given", *(name for name in FIELDS if name != "error"))


def in_order(verdicts: list[Verdict], key: str) -> list[Verdict]:
    """Verdicts by a field: text and numbers ascending, what speaks for blur descending.

    So the most blurred come first by `probability`, `logit` or `blurred`; files that could not be
    read come last.
    """
    if key == "given":
        return verdicts
    if key == "path":
        return sorted(verdicts, key=lambda verdict: os.fsencode(verdict.path))
    known = [verdict for verdict in verdicts if getattr(verdict, key) is not None]
    unknown = [verdict for verdict in verdicts if getattr(verdict, key) is None]
    descending = key in ("probability", "logit", "blurred")
    known.sort(key=lambda verdict: getattr(verdict, key), reverse=descending)
    return known + unknown


class Output:
    """Context manager that writes verdicts as they come.

    A file is written beside `path` under another name and gets its own on leaving the context,
    whole; after an exception there is none.

    Parameters
    ----------
    style : str
        One of `blur_fusion.scan.output.FORMATS`.
    path : Path, optional
        Instead of standard output.
    force : bool
        Replace a file that exists.
    fields : tuple of str
        Of a verdict.

    Raises
    ------
    BlurError
        On entering: `path` exists, or its folder does not. Later: it cannot be written.
    """

    def __init__(
        self,
        style: str,
        path: Path | None = None,
        force: bool = False,
        fields: tuple[str, ...] = FIELDS,
    ) -> None:
        self.path, self.force = path, force
        self._format = Formatter(style, fields)
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part") if path else None
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Output:
        if self.path is None or self._part is None:
            sys.stdout.flush()
            self._file = sys.stdout.buffer
        else:
            folder = self.path.parent
            require(not self.path.is_dir(), f"{self.path}: is a folder; name a file")
            require(
                self.force or not os.path.lexists(self.path),
                f"{self.path}: exists; name another file, or say --force to replace it",
            )
            require(folder.is_dir(), f"{folder}: no such folder; make it first")
            try:
                self._file = self._part.open("wb")
            except OSError as error:
                raise self._failed(error) from None
        self.text(self._format.head())
        return self

    def _failed(self, error: OSError) -> BlurError:
        return BlurError(f"{self.path}: cannot be written ({error.strerror or error})")

    def text(self, text: str) -> None:
        """Write text as it is; bytes of odd file names stay theirs."""
        assert self._file is not None
        try:
            self._file.write(text.encode("utf-8", "surrogateescape"))
            if self.path is None:
                self._file.flush()  # whoever reads a pipe sees each verdict when it is there
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from None

    def add(self, verdict: Verdict) -> None:
        """Write one verdict."""
        self.text(self._format.row(verdict))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.path is None or self._part is None or self._file is None:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self.text(self._format.tail())
            return
        try:
            if kind is None:
                self.text(self._format.tail())
                self._file.close()
                self._publish()
        except OSError as problem:
            raise self._failed(problem) from None
        finally:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def _publish(self) -> None:
        """Give the finished file its name."""
        assert self.path is not None and self._part is not None
        if not publish(self._part, self.path, self.force):
            spare = self.path.with_name(f"{self.path.name}.new-{os.getpid()}")
            os.replace(self._part, spare)
            raise BlurError(f"{self.path}: exists since; the verdicts are in {spare}")
