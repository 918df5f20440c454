"""Verdicts of earlier scans, by file and model."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import WITH_EXPOSURE, Verdict


@dataclass(frozen=True, slots=True)
class Identity:
    """A file as it was when it was looked at."""

    path: bytes
    size: int
    mtime_ns: int


def identity(path: str) -> Identity | None:
    """Resolved path, size in bytes and time of change; None where there is no such file."""
    try:
        about = os.stat(path)
        return Identity(os.fsencode(os.path.realpath(path)), about.st_size, about.st_mtime_ns)
    except OSError:
        return None


_MARK = 0x426C7572  # "Blur", PRAGMA application_id: other programs' databases are left alone
_KEPT = tuple(name for name in WITH_EXPOSURE if name not in ("path", "error"))
_BATCH, _SECONDS = 64, 2.0  # verdicts and time between commits

_TABLE = """
CREATE TABLE IF NOT EXISTS verdicts (
    path BLOB NOT NULL, model TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    verdict TEXT NOT NULL, PRIMARY KEY (path, model)
) WITHOUT ROWID
"""


class Cache:
    """A file of verdicts; close it at the end, use it in one thread.

    Failed verdicts are not kept: an extra or a disk may be there the next time.

    Parameters
    ----------
    path : Path
        Made where there is none.
    model : str
        The detector's fingerprint; verdicts of other models stay beside.

    Raises
    ------
    BlurError
        `path` is damaged, no cache of ours, or cannot be written. It is not changed.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path, self.model = path, model
        self._unsaved, self._saved = 0, time.monotonic()
        try:
            if path.exists() and path.stat().st_size:
                self._check()
            self._base = sqlite3.connect(path, timeout=30, isolation_level="IMMEDIATE")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.execute(f"PRAGMA application_id = {_MARK}")
            self._base.execute(_TABLE)
            self._base.commit()
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> BlurError:
        return BlurError(f"{self.path}: no cache of blur, or damaged ({error}); left as it is")

    def _check(self) -> None:
        """Read it without touching it."""
        base = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            if base.execute("PRAGMA application_id").fetchone()[0] != _MARK:
                raise sqlite3.DatabaseError("made by another program")
            answer = base.execute("PRAGMA quick_check(1)").fetchone()[0]
            if answer != "ok":
                raise sqlite3.DatabaseError(str(answer).replace("\n", " "))
        finally:
            base.close()

    def get(self, file: Identity, path: str) -> Verdict | None:
        """The verdict on a file that has not changed since, named `path`."""
        query = "SELECT verdict FROM verdicts WHERE path=? AND model=? AND size=? AND mtime_ns=?"
        try:
            row = self._base.execute(query, (file.path, self.model, file.size, file.mtime_ns))
            kept = row.fetchone()
            known = json.loads(kept[0]) if kept else {}
            # An earlier version knew fewer fields: such a photo is judged again.
            return Verdict(path, **known) if set(known) == set(_KEPT) else None
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise self._broken(error) from None

    def put(self, file: Identity, verdict: Verdict) -> None:
        """Remember; on disk after a moment, or when the cache is closed."""
        if verdict.error is not None:
            return
        text = json.dumps({name: getattr(verdict, name) for name in _KEPT})
        values = file.path, self.model, file.size, file.mtime_ns, text
        try:
            self._base.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)", values)
            self._unsaved += 1
            if self._unsaved >= _BATCH or time.monotonic() - self._saved > _SECONDS:
                self.save()
        except sqlite3.Error as error:
            raise self._broken(error) from None

    def save(self) -> None:
        """Write what is pending to disk."""
        self._base.commit()
        self._unsaved, self._saved = 0, time.monotonic()

    def close(self) -> None:
        """Write what is pending to disk and let go of the file."""
        try:
            self.save()
        except sqlite3.Error as error:
            raise self._broken(error) from None
        finally:
            self._base.close()


class Memory:
    """What is known of files.

    Parameters
    ----------
    path : Path, optional
        Of the cache; without one nothing is known and nothing kept.
    model : str
        Fingerprint of the detector.
    warn : callable
        Told in one line that the cache cannot be used.
    stack : ExitStack
        Closes the cache.
    """

    def __init__(
        self, path: Path | None, model: str, warn: Callable[[str], None], stack: ExitStack
    ) -> None:
        self._warn = warn
        self._cache: Cache | None = None
        if path is not None:
            pass

            try:
                self._cache = Cache(path, model)
                stack.callback(self._close, self._cache)
            except BlurError as error:
                self._give_up(error)

    def _give_up(self, error: BlurError) -> None:
        self._warn(f"{error}; going on without it")
        self._cache = None

    def _close(self, cache: Cache) -> None:
        try:
            cache.close()
        except BlurError as error:
            self._give_up(error)

    def get(self, path: str) -> tuple[Identity | None, Verdict | None]:
        """Identity of a file, and the verdict on it if there is one."""
        file = identity(path) if self._cache else None
        if self._cache is None or file is None:
            return None, None
        try:
            return file, self._cache.get(file, path)
        except BlurError as error:
            self._give_up(error)
            return None, None

    def put(self, file: Identity | None, verdict: Verdict | None) -> None:
        """Keep a new verdict."""
        if self._cache is None or file is None or verdict is None:
            return
        try:
            self._cache.put(file, verdict)
        except BlurError as error:
            self._give_up(error)
