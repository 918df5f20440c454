"""How to scan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ScanOptions:
    """How to scan.

    Attributes
    ----------
    workers : int
        Threads or processes; 0 is one for each core.
    cache : Path, optional
        File of verdicts that are kept between scans.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    frames : Path, optional
        Folder that the kept frames of videos are written to.
    warn : callable
        Told in one line what goes wrong beside the files, such as a damaged cache.
    """

    workers: int = 0
    cache: Path | None = None
    thumbnails: bool = False
    every: int = 5
    frames: Path | None = None
    warn: Callable[[str], None] = _silent

    def threads(self) -> int:
        """Number of threads; as `taskset` and containers limit it where the system says."""
        if self.workers:
            return self.workers
        allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
        return len(allowed(0)) if allowed else os.cpu_count() or 1
