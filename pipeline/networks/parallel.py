"""How many networks are fitted at once."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.config.sections import ComputeParams


def parallel_fits(params: ComputeParams) -> int:
    """As many fits at once as cores; a GPU serves one at a time."""
    cores = params.workers or os.cpu_count() or 1
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    return 1 if gpu else max(1, cores // params.threads)
