"""Digests that tell where a model comes from; those of folders are DVC's, computed without it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}
_COMPILED = {".pyc", ".pyo", ".pyd", ".so"}


def file_digest(path: Path, method: str) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Files below `folder` but for what .dvcignore names."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _CACHES]
        taken = (name for name in files if name != ".DS_Store")
        found += [Path(root, name) for name in taken if Path(name).suffix not in _COMPILED]
    return found


def dvc_digest(path: Path) -> str:
    """The MD5 by which dvc.lock knows a file or folder.

    A folder's is that of the JSON list of its files' names and MD5s, marked by `.dir`.
    """
    if path.is_file():
        return file_digest(path, "md5")
    lines = [
        {"md5": file_digest(path / name, "md5"), "relpath": name}
        for name in sorted(file.relative_to(path).as_posix() for file in _files(path))
    ]
    return hashlib.md5(json.dumps(lines, sort_keys=True).encode()).hexdigest() + ".dir"


def dvc_entry(path: Path) -> dict[str, str | int]:
    """What dvc.lock says of a file or folder below its path, in DVC's order."""
    entry: dict[str, str | int] = {"hash": "md5", "md5": dvc_digest(path)}
    files = [path] if path.is_file() else _files(path)
    entry["size"] = sum(file.stat().st_size for file in files)
    return entry if path.is_file() else entry | {"nfiles": len(files)}
