"""Pictures of a preset's run: what it sees, how it learns, what it says, where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from blur_fusion.presets.train import Epoch

Pixels = npt.NDArray[np.uint8]
COLUMNS = 6
THUMBNAIL = 240  # pixels, long side of a photo in a grid
_RIGHT, _WRONG = "#000000", "#c00000"


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as PNG without the time of day, so that equal pictures are equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def grid(
    pictures: Sequence[Pixels],
    titles: Sequence[str],
    path: Path,
    heading: str,
    wrong: Sequence[bool] = (),
) -> None:
    """Pictures (h, w), (h, w, 1) or (h, w, 3) in rows of six, each under its title.

    Titles of those that are `wrong` are red. Without pictures the heading says so alone.
    """
    rows = max(1, -(-len(pictures) // COLUMNS))
    figure = Figure(figsize=(2 * COLUMNS, 2.3 * rows + 0.6), layout="constrained")
    figure.suptitle(heading if pictures else f"{heading}: none", fontsize=12)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        axes = figure.add_subplot(rows, COLUMNS, place + 1)
        axes.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        mistake = place < len(wrong) and wrong[place]
        axes.set_title(title, fontsize=8, color=_WRONG if mistake else _RIGHT)
        axes.axis("off")
    save(figure, path)


def curves(history: Sequence[Epoch], path: Path, heading: str) -> None:
    """Loss and accuracy by epoch, on training and validation pictures; a column for each phase."""
    phases = list(dict.fromkeys(epoch.phase for epoch in history))
    figure = Figure(figsize=(4.5 * len(phases), 5.5), layout="constrained")
    figure.suptitle(heading, fontsize=12)
    for column, phase in enumerate(phases):
        rows = [epoch for epoch in history if epoch.phase == phase]
        numbers = [epoch.epoch for epoch in rows]
        for line, what in enumerate(("loss", "accuracy")):
            axes = figure.add_subplot(2, len(phases), line * len(phases) + column + 1)
            mark = "o" if len(rows) == 1 else ""
            train = [getattr(epoch, what) for epoch in rows]
            held = [getattr(epoch, f"validation_{what}") for epoch in rows]
            axes.plot(numbers, train, color="#000000", marker=mark, label="training")
            axes.plot(numbers, held, color="#0060c0", marker=mark, label="validation")
            axes.set_ylabel(what)
            axes.spines[["top", "right"]].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if line == 0:
                axes.set_title(phase, fontsize=10)
                axes.legend(frameon=False, fontsize=8)
            else:
                axes.set_xlabel("epoch")
    save(figure, path)
