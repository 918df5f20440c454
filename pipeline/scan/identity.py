"""How the cache knows a file again."""

from __future__ import annotations

import os
from dataclasses import dataclass


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
