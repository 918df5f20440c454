"""Plots of a preset's run: its training pictures, learning curves, predictions and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from blur_fusion.data.split import LABEL_NAMES, Row
from blur_fusion.evaluation.metrics import Answers, Flags, Ints, labels_of
from blur_fusion.images.photo import working_image
from blur_fusion.presets.examples import Example, Pixels, read_example
from blur_fusion.presets.networks import Epoch
from blur_fusion.presets.params import Preset

COLUMNS, DRAWN = 6, 24  # pictures in a row, and in a grid
THUMBNAIL = 240  # pixels, long side of a photo in a grid


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as PNG; equal pictures give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def grid(
    pictures: Sequence[Pixels],
    titles: Sequence[str],
    path: Path,
    heading: str,
    wrong: Flags | Sequence[bool] = (),
) -> None:
    """Draw pictures (h, w), (h, w, 1) or (h, w, 3) in rows of six; titles of `wrong` are red."""
    rows = max(1, -(-len(pictures) // COLUMNS))
    figure = Figure(figsize=(2 * COLUMNS, 2.3 * rows + 0.6), layout="constrained")
    figure.suptitle(heading if pictures else f"{heading}: none", fontsize=12)
    shown = zip_longest(pictures, titles, wrong)
    for place, (picture, title, mistake) in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        axes.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title, fontsize=8, color="#c00000" if mistake else "#000000")
        axes.axis("off")
    save(figure, path)


def curves(history: Sequence[Epoch], path: Path, heading: str) -> None:
    """Plot loss and accuracy by epoch, one column for each phase."""
    phases = list(dict.fromkeys(epoch.phase for epoch in history))
    figure = Figure(figsize=(4.5 * len(phases), 5.5), layout="constrained")
    figure.suptitle(heading, fontsize=12)
    every = figure.subplots(2, len(phases), squeeze=False)
    for phase, column in zip(phases, every.T, strict=True):
        rows = [epoch for epoch in history if epoch.phase == phase]
        numbers, mark = [epoch.epoch for epoch in rows], "o" if len(rows) == 1 else ""
        for axes, what in zip(column, ("loss", "accuracy"), strict=True):
            train = [getattr(epoch, what) for epoch in rows]
            held = [getattr(epoch, f"validation_{what}") for epoch in rows]
            axes.plot(numbers, train, color="#000000", marker=mark, label="training")
            axes.plot(numbers, held, color="#0060c0", marker=mark, label="validation")
            axes.set_ylabel(what)
            axes.spines[["top", "right"]].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        column[0].set_title(phase, fontsize=10)
        column[0].legend(frameon=False, fontsize=8)
        column[1].set_xlabel("epoch")
    save(figure, path)


def samples(learnt: Sequence[Example], preset: Preset, path: Path) -> None:
    """Draw some training pictures as the network sees them."""
    drawn = np.random.default_rng(0).permutation(len(learnt))[:DRAWN]
    chosen = [learnt[int(place)] for place in np.sort(drawn)]
    seen = [read_example(example, preset) for example in chosen]
    titles = [preset.layout.classes[example.target] for example in chosen]
    grid(seen, titles, path, f"{preset.name}: training pictures as it sees them")


def predictions(rows: Sequence[Row], answers: Answers, path: Path, name: str) -> None:
    """Draw some validation photos with their probabilities."""
    places = np.linspace(0, len(rows) - 1, min(DRAWN, len(rows))).astype(int)
    _photos(rows, answers, places, path, f"{name}: predictions on validation photos")


def mistakes(rows: Sequence[Row], answers: Answers, path: Path, name: str) -> None:
    """Draw test photos that are judged wrongly, the most confident mistakes first."""
    labels = labels_of(rows)
    wrong = np.flatnonzero(answers.verdicts != labels)
    surest = np.argsort(-np.abs(answers.probabilities - labels)[wrong], kind="stable")
    heading = f"{name}: {len(wrong)} of {len(rows)} test photos judged wrongly"
    _photos(rows, answers, wrong[surest[:DRAWN]], path, heading)


def _photos(rows: Sequence[Row], answers: Answers, places: Ints, path: Path, heading: str) -> None:
    chosen = [rows[place] for place in places]
    pictures = [working_image(row.path, THUMBNAIL, colour=True) for row in chosen]
    values = zip(chosen, answers.probabilities[places], strict=True)
    titles = [f"{LABEL_NAMES[row.label]}, P(blurred) {value:.2f}" for row, value in values]
    grid(pictures, titles, path, heading, answers.verdicts[places] != labels_of(chosen))


def sweep(table: Sequence[tuple[float, ...]], path: Path) -> None:
    """Plot errors of each kind against the threshold."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    thresholds, *columns = np.array(table).T
    names = ("sharp called blurred", "blurred called sharp", "blurred background called blurred")
    for values, name, colour in zip(columns, names, ("#c00000", "#0060c0", "#808080"), strict=True):
        axes.plot(thresholds, values, color=colour, label=name)
    axes.set_xlabel("threshold of P(blurred)")
    axes.set_ylabel("share of photos")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    save(figure, path)
