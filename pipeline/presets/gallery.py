"""The drawings of a run: sample pictures, curves, predictions and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.split import LABEL_NAMES, Row
from pipeline.evaluation.metrics import Flags, Floats
from pipeline.images import working_image
from pipeline.presets import drawings
from pipeline.presets.examples import Example, read_example
from pipeline.presets.params import Preset
from pipeline.presets.train import Epoch

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
