"""Where verdicts go: standard output, or a file that is whole or not there."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from pipeline.actions.files import publish
from pipeline.config.errors import BlurError, require
from pipeline.scan.formats import Formatter
from pipeline.serving.verdict import FIELDS, Verdict

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
        One of `pipeline.scan.formats.FORMATS`.
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
