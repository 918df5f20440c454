"""Predictions of earlier scans, by file and model."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from blur_fusion.model.prediction import AMONG_OTHERS, WITH_EXPOSURE, Prediction


class Identity(NamedTuple):
    """A file as it was when it was looked at."""

    path: bytes  # resolved
    size: int
    mtime_ns: int


class Noted(NamedTuple):
    """Where something on one or several files is kept."""

    file: Identity
    name: str


_MARK = 0x426C7572  # "Blur", PRAGMA application_id: other programs' databases are left alone
_KEPT = tuple(name for name in WITH_EXPOSURE if name not in ("path", "error", *AMONG_OTHERS))

_SETUP = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA application_id = {_MARK};
CREATE TABLE IF NOT EXISTS verdicts (
    path BLOB NOT NULL, model TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    verdict TEXT NOT NULL, PRIMARY KEY (path, model)
) WITHOUT ROWID
"""
_STORE = "INSERT OR REPLACE INTO verdicts (path, size, mtime_ns, model, verdict) VALUES (?,?,?,?,?)"
# What is known of several files is kept with the first, under a name for what it is and the others.
_QUERY = "SELECT verdict FROM verdicts WHERE path=? AND size=? AND mtime_ns=? AND model=?"


class Cache:
    """A file of predictions, for one thread; a context manager.

    Failed predictions are not kept: an extra or a disk may be there the next time. A file that is
    damaged, no cache of ours, or cannot be written is left as it is, and nothing is known.

    Parameters
    ----------
    path : Path, optional
        Made where there is none; None knows and keeps nothing.
    model : str
        The classifier's fingerprint; predictions of other models stay beside.
    warn : callable
        Told in one line that the cache cannot be used.
    """

    def __init__(
        self, path: Path | None, model: str, warn: Callable[[str], None] = lambda line: None
    ) -> None:
        self._path, self._model, self._warn = path, model, warn
        self._base: sqlite3.Connection | None = None
        if path is not None:
            with self._guarded():
                self._base = self._opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._base is not None:
            self._base.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Go on without a cache that fails."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            line = f"{self._path}: no cache of blur, or damaged ({error}); left as it is"
            self._warn(f"{line}; going on without it")
            base, self._base = self._base, None
            if base is not None:
                base.close()

    @staticmethod
    def _opened(path: Path) -> sqlite3.Connection:
        if path.exists() and path.stat().st_size:  # read it without touching it
            name = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(name, uri=True, timeout=30)) as base:
                if base.execute("PRAGMA application_id").fetchone()[0] != _MARK:
                    raise sqlite3.DatabaseError("made by another program")
                answer = base.execute("PRAGMA quick_check(1)").fetchone()[0]
                if answer != "ok":
                    raise sqlite3.DatabaseError(" ".join(str(answer).split()))
        base = sqlite3.connect(path, timeout=30, isolation_level=None)  # kept change by change
        base.executescript(_SETUP)
        return base

    @staticmethod
    def _identity(path: str) -> Identity:
        about = os.stat(path)
        time = (about.st_mtime_ns + 2**63) % 2**64 - 2**63  # SQLite's whole numbers end in 2262
        return Identity(os.fsencode(os.path.realpath(path)), about.st_size, time)

    def get(self, path: str) -> tuple[Identity | None, Prediction | None]:
        """A file as it is, and the prediction for it as it is, named `path`; None if unknown."""
        file = prediction = None
        with self._guarded():
            if self._base is None:
                return None, None
            try:
                file = self._identity(path)
            except OSError:  # whoever judges it says what is wrong
                return None, None
            row = self._base.execute(_QUERY, (*file, self._model)).fetchone()
            known = json.loads(row[0]) if row else {}
            # An earlier version knew fewer fields: such a photo is judged again.
            prediction = Prediction(path, **known) if set(known) == set(_KEPT) else None
        return file, prediction

    def put(self, file: Identity, prediction: Prediction) -> None:
        """Remember."""
        if self._base is None or prediction.error is not None:
            return
        text = json.dumps({name: getattr(prediction, name) for name in _KEPT})
        with self._guarded():
            self._base.execute(_STORE, (*file, self._model, text))

    def recall(self, what: str, paths: Sequence[str]) -> tuple[Noted | None, Any]:
        """What was kept of files as they are: where to keep it, and the value; None if unknown.

        Parameters
        ----------
        what : str
            A name for it, with the version of what makes it.
        paths : sequence of str
        """
        with self._guarded():
            if self._base is None:
                return None, None
            try:
                files = [self._identity(path) for path in paths]
            except OSError:
                return None, None
            others = hashlib.sha256(repr(files).encode()).hexdigest()[:32]
            noted = Noted(files[0], f"{what} {others}")
            row = self._base.execute(_QUERY, (*noted.file, noted.name)).fetchone()
            return noted, json.loads(row[0]) if row else None
        return None, None

    def note(self, noted: Noted | None, value: Any) -> None:
        """Keep a value of what JSON can hold."""
        if self._base is not None and noted is not None:
            with self._guarded():
                self._base.execute(_STORE, (*noted.file, noted.name, json.dumps(value)))
