"""Print the table: `python -m pipeline.evaluation.show [metrics.json]`."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.config.running import run
from pipeline.evaluation.report import read_report
from pipeline.evaluation.table import render


def main() -> None:
    """Print the table of the file named, or of the last run."""
    path = sys.argv[1] if len(sys.argv) > 1 else "artifacts/evaluate/metrics.json"
    print(render(read_report(Path(path))))


if __name__ == "__main__":
    run(main)
