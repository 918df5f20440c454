"""What the page holds of one photo."""

from __future__ import annotations

import base64
import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.serving.verdict import Verdict


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
