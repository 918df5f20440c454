"""Writes the report row by row, so that memory stays flat however many photos there are."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from blur_fusion.errors import BlurError, require
from blur_fusion.files import publish
from blur_fusion.model.prediction import Verdict


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def link_to(path: str, folder: Path) -> str | None:
    """Address of the photo at `path` relative to the page's `folder`; None if it is no file."""
    try:
        if not os.path.isfile(path):
            return None
        relative = os.path.relpath(os.path.abspath(path), folder)
    except ValueError:  # a null byte; or, on Windows, another drive
        return None
    return quote(os.fsencode(relative.replace(os.sep, "/")))  # ":" too, so it stays a path


def row(verdict: Verdict, thumbnail: bytes | None, folder: Path) -> dict[str, Any]:
    """One photo, as the page's script reads it; `folder` is that of the page."""
    return {
        "path": verdict.path,
        "probability": _finite(verdict.probability),
        "kind": verdict.kind,
        "width": verdict.width,
        "height": verdict.height,
        "error": verdict.error,
        "link": link_to(verdict.path, folder),
        "thumbnail": base64.b64encode(thumbnail).decode("ascii") if thumbnail else None,
    }


SCRIPTS = (
    "rows.js",
    "review.js",
    "grid.js",
    "page.js",
    "controls.js",
)  # in order; one script in the page
_ROWS = "<!--rows-->"


def _part(name: str) -> str:
    return (files("blur_fusion.report") / "page" / name).read_text(encoding="utf-8")


def as_script(value: Any) -> str:
    """JSON that may stand inside a script element.

    ASCII only, and without `<`, `>` and `&`, so that no name of a file can end the element or
    begin a comment; lone surrogates (names that are no UTF-8) stay what they are.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def data_block(name: str, text: str) -> str:
    """A script element that only holds JSON; browsers do not run it."""
    return f'<script type="application/json" class="{name}">{text}</script>\n'


def head_and_tail(title: str) -> tuple[str, str]:
    """What stands before the rows and what stands behind them.

    The Content-Security-Policy allows no connection, only this one script by its SHA-256, and
    images from the page itself or the disk (an original, when one photo is enlarged).
    """
    script = "".join(_part(name) for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    before, _, after = _part("page.html").partition(_ROWS)
    before = _filled(
        before, {"title": _escaped(title), "digest": digest, "style": _part("page.css")}
    )
    return before, _filled(after, {"script": script})


def _escaped(text: str) -> str:
    """As HTML in ASCII; a folder's name need not be UTF-8."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `{{name}}` replaced, left to right: what is put in is not looked at."""
    parts = text.split("{{")
    done = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}}")
        done += [values[name], rest]
    return "".join(done)


TITLE = "Blurred photos"
BLOCK = 256  # rows in one script element; V8 holds no string above 512 MB


class ReportWriter:
    """Context manager that writes one self-contained page; see :func:`write_report`.

    The page is written beside `path` under another name and gets its own on leaving the context,
    whole or, after an exception, not at all.

    Parameters
    ----------
    path : Path or str
        The page to write.
    threshold : float
        Where the slider stands at first: photos of at least this probability are flagged.
    title : str
        Heading of the page.
    force : bool
        Replace a file that exists.

    Raises
    ------
    BlurError
        On entering: `path` exists, or its folder does not. Later: it cannot be written.
    """

    def __init__(
        self, path: Path | str, threshold: float, title: str = TITLE, *, force: bool = False
    ) -> None:
        self.path = Path(path)
        self.threshold = threshold
        self.title = title
        self.force = force
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._file: IO[str] | None = None
        self._digest = hashlib.sha256()
        self._rows = 0
        self._tail = ""
        self._kept = False

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise BlurError(f"{self.path}: cannot write the report ({reason})") from None

    def __enter__(self) -> ReportWriter:
        require(not self.path.is_dir(), f"{self.path}: is a folder; name a file for the report")
        exists = f"{self.path}: exists; name another file, or remove it first"
        require(self.force or not self.path.exists(), exists)
        require(self.path.parent.is_dir(), f"{self.path.parent}: no such folder; make it first")
        head, self._tail = head_and_tail(self.title)
        with self._named_errors():
            self._file = self._part.open("w", encoding="utf-8", newline="\n")
        self._write(head)
        return self

    def _write(self, text: str) -> None:
        require(self._file is not None, "ReportWriter: use it in a 'with' statement")
        assert self._file is not None
        with self._named_errors():
            self._file.write(text)

    def add(self, verdict: Verdict, thumbnail: bytes | None) -> None:
        """Append one photo.

        Parameters
        ----------
        verdict : Verdict
        thumbnail : bytes, optional
            A JPEG file; None where there is none, as for a file that cannot be read.
        """
        photo = row(verdict, thumbnail, self.path.absolute().parent)
        self._digest.update(as_script([photo["path"], photo["thumbnail"]]).encode())
        starts = self._rows % BLOCK == 0
        before = ("]</script>\n" if starts and self._rows else "") + (
            '<script type="application/json" class="rows">[\n' if starts else ",\n"
        )
        self._write(before + as_script(photo))
        self._rows += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._file is not None
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # a full disk: said already
                self._file.close()
            if not self._kept:
                self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        """Write the end of the page and give the file its name."""
        assert self._file is not None
        about = {
            "report": self._digest.hexdigest()[:32],  # of photos, not time: decisions find it again
            "name": self.path.stem,
            "threshold": self.threshold,
        }
        ending = "]</script>\n" if self._rows else ""
        self._write(ending + data_block("about", as_script(about)) + self._tail)
        with self._named_errors():
            self._file.close()
            # Somebody may write `path` meanwhile: neither that file nor this page is lost.
            self._kept = not publish(self._part, self.path, self.force)
        if self._kept:
            raise BlurError(f"{self.path}: exists since; the new report is {self._part}, rename it")


def write_report(
    items: Iterable[tuple[Verdict, bytes | None]],
    path: Path | str,
    threshold: float,
    *,
    title: str = TITLE,
    force: bool = False,
) -> None:
    """Write one self-contained HTML page on which verdicts are reviewed.

    Parameters
    ----------
    items : iterable of (Verdict, bytes or None)
        Photos, each with its thumbnail as a JPEG file; taken one at a time.
    path : Path or str
        The page to write.
    threshold : float
        Where the slider stands at first.
    title : str
        Heading of the page.
    force : bool
        Replace a file that exists.

    Raises
    ------
    BlurError
        `path` exists and `force` is not set, its folder does not, or it cannot be written.
    """
    with ReportWriter(path, threshold, title, force=force) as report:
        for verdict, picture in items:
            report.add(verdict, picture)
