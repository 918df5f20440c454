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
    """A file as it was when it was looked at; keys in caches hold a digest of its `repr`."""

    path: bytes  # resolved
    size: int
    mtime_ns: int


class Key(NamedTuple):
    """Where a value is kept: with a file as it was, under a name for what the value is."""

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
_QUERY = "SELECT verdict FROM verdicts WHERE path=? AND size=? AND mtime_ns=? AND model=?"


def _opened(path: Path) -> sqlite3.Connection:
    if path.exists() and path.stat().st_size:  # check it without changing it
        name = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(name, uri=True, timeout=30)) as base:
            if base.execute("PRAGMA application_id").fetchone()[0] != _MARK:
                raise sqlite3.DatabaseError("made by another program")
            answer = base.execute("PRAGMA quick_check(1)").fetchone()[0]
            if answer != "ok":
                raise sqlite3.DatabaseError(" ".join(str(answer).split()))
    base = sqlite3.connect(path, timeout=30, isolation_level=None)  # autocommit
    base.executescript(_SETUP)
    return base


def _identity(path: str) -> Identity:
    about = os.stat(path)
    time = (about.st_mtime_ns + 2**63) % 2**64 - 2**63  # SQLite's integers end in the year 2262
    return Identity(os.fsencode(os.path.realpath(path)), about.st_size, time)


class Cache:
    """A file of predictions, for one thread; a context manager.

    Failed predictions are not kept: an extra or a disk may be there next time. A file that is
    damaged, not a cache of ours, or cannot be written is left unchanged; then nothing is known.

    Parameters
    ----------
    path : Path, optional
        Created if missing; None knows and keeps nothing.
    model : str
        The classifier's fingerprint; predictions of other models stay beside.
    warn : callable
        Takes one line that says why the cache cannot be used.
    """

    def __init__(
        self, path: Path | None, model: str, warn: Callable[[str], None] = lambda line: None
    ) -> None:
        self._path, self._model, self._warn = path, model, warn
        self._base: sqlite3.Connection | None = None
        if path is not None:
            with self._guarded():
                self._base = _opened(path)

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
            line = f"{self._path}: not a cache of blur, or damaged ({error})"
            self._warn(f"{line}; left unchanged, going on without it")
            base, self._base = self._base, None
            if base is not None:
                base.close()

    def get(self, path: str) -> tuple[Key | None, Prediction | None]:
        """Where the prediction of a file is kept, and that prediction; None if unknown."""
        key, known = self.recall(None, [path])
        # An earlier version kept fewer fields: such a photo is judged again.
        whole = isinstance(known, dict) and set(known) == set(_KEPT)
        return key, Prediction(path, **known) if whole else None

    def put(self, key: Key, prediction: Prediction) -> None:
        """Keep a prediction, unless it is a failed one."""
        if prediction.error is None:
            self.note(key, {name: getattr(prediction, name) for name in _KEPT})

    def recall(self, what: str | None, paths: Sequence[str]) -> tuple[Key | None, Any]:
        """Where a value of unchanged files is kept, and the value; None if unknown.

        Parameters
        ----------
        what : str, optional
            Name of the value, with the version of the code that makes it; None is the model's
            prediction of one file.
        paths : sequence of str
        """
        with self._guarded():
            if self._base is None:
                return None, None
            try:
                files = [_identity(path) for path in paths]
            except OSError:  # reported when the file is read
                return None, None
            # A value of several files is kept with the first; the digest names them all.
            digest = hashlib.sha256(repr(files).encode()).hexdigest()[:32]
            key = Key(files[0], self._model if what is None else f"{what} {digest}")
            row = self._base.execute(_QUERY, (*key.file, key.name)).fetchone()
            return key, json.loads(row[0]) if row else None
        return None, None

    def note(self, key: Key | None, value: Any) -> None:
        """Keep a value that JSON can hold."""
        if self._base is not None and key is not None:
            with self._guarded():
                self._base.execute(_STORE, (*key.file, key.name, json.dumps(value)))
