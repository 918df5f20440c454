"""Content hashes: what tells two copies of a photo under two names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.config.errors import BlurError
from pipeline.config.progress import progress_bar

THREADS = 8  # reading waits for the disk, and hashlib frees the interpreter's lock


def _content_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None


def content_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """SHA-256 of each file's bytes, in hex, in the order of `paths`.

    Raises
    ------
    BlurError
        A file cannot be read.
    """
    hashes = []
    with ThreadPoolExecutor(THREADS) as pool, progress_bar(len(paths), "hash") as bar:
        for value in pool.map(_content_hash, paths):
            hashes.append(value)
            bar.update()
    return tuple(hashes)
