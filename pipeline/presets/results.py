"""A run's folder: what may be replaced, its report, its predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config.errors import BlurError, require
from pipeline.evaluation.curves import write_csv
from pipeline.presets.gallery import JudgedRows

REPORT, PREDICTIONS, ABOUT = "report.json", "predictions.csv", "preset.json"
PREDICTED = ("split", "name", "label", "subset", "scene", "probability", "verdict")


def check_target(out: Path) -> None:
    """Refuse a folder that holds something else than an earlier run."""
    holds = out.is_dir() and any(out.iterdir()) and not (out / ABOUT).is_file()
    ours = not out.exists() or (out.is_dir() and not holds)
    require(ours, f"{out}: holds something else than a trained preset; name another with --out")


def read_run(folder: Path) -> dict[str, Any]:
    """report.json of a run.

    Raises
    ------
    BlurError
        It is missing or no JSON.
    """
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); train the preset first") from None
    return report


def write_predictions(parts: Iterable[JudgedRows], path: Path) -> None:
    """Write P(blurred) and verdict of each row."""
    lines = []
    for part in parts:
        for row, value, verdict in zip(part.rows, part.probabilities, part.verdicts, strict=True):
            known = [part.split, row.name, row.label, row.subset, row.scene]
            lines.append([*known, f"{value:.9g}", int(verdict)])  # ties stay ties
    write_csv(path, PREDICTED, lines)
