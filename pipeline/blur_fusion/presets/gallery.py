"""The drawings of a run: sample pictures, curves, predictions and mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.data.split import LABEL_NAMES, Row
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.evaluation.metrics import Flags, Floats
from blur_fusion.images.photo import working_image
from blur_fusion.presets import drawings
from blur_fusion.presets.examples import Example, read_example
from blur_fusion.presets.params import Preset
from blur_fusion.presets.train import Epoch

_DRAWN = 24  # pictures of a grid


@dataclass(frozen=True)
class JudgedRows:
    """Rows of one split, each with P(blurred) and the verdict."""

    split: str
    rows: tuple[Row, ...]
    probabilities: Floats
    verdicts: Flags


def draw(
    preset: Preset,
    learnt: Sequence[Example],
    history: Sequence[Epoch],
    parts: Mapping[str, JudgedRows],
    folder: Path,
) -> None:
    """Sample pictures, training curves, predictions on validation photos, mistakes on test ones."""
    name = preset.name
    drawn = np.random.default_rng(0).permutation(len(learnt))[:_DRAWN]
    chosen = [learnt[int(place)] for place in np.sort(drawn)]
    seen = [read_example(example, preset) for example in chosen]
    titles = [preset.layout.classes[example.target] for example in chosen]
    drawings.grid(
        seen, titles, folder / "samples.png", f"{name}: training pictures as it sees them"
    )
    drawings.curves(history, folder / "curves.png", name)
    held, test = parts["validation"], parts["test"]
    spread = np.linspace(0, len(held.rows) - 1, min(_DRAWN, len(held.rows))).astype(int)
    _photos(held, spread, folder / "predictions.png", f"{name}: predictions on validation photos")
    truth = np.array([row.label for row in test.rows])
    wrong = np.flatnonzero(test.verdicts != (truth == 1))
    worst = wrong[np.argsort(-np.abs(test.probabilities - truth)[wrong], kind="stable")][:_DRAWN]
    heading = f"{name}: {len(wrong)} of {len(test.rows)} test photos judged wrongly"
    _photos(test, worst, folder / "mistakes.png", heading)


def _photos(judged: JudgedRows, places: npt.NDArray[np.integer], path: Path, heading: str) -> None:
    rows = [judged.rows[int(place)] for place in places]
    pictures = [working_image(row.path, drawings.THUMBNAIL, colour=True) for row in rows]
    titles, wrong = [], []
    for place, row in zip(places, rows, strict=True):
        titles.append(f"{LABEL_NAMES[row.label]}, P(blurred) {judged.probabilities[place]:.2f}")
        wrong.append(bool(judged.verdicts[place]) != bool(row.label))
    drawings.grid(pictures, titles, path, heading, wrong)


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
