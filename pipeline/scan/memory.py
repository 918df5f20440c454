"""The cache as a scan uses it: where it breaks, the scan goes on without."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.errors import BlurError
from pipeline.scan.identity import Identity, identity
from pipeline.serving.verdict import Verdict

if TYPE_CHECKING:
    from pipeline.scan.cache import Cache


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
            from pipeline.scan.cache import Cache  # with SQLite, which most scans do without

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
