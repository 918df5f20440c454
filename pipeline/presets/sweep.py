"""Every threshold's price: false alarms against misses, and photos with a blurred background."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from pipeline.data.split import Row
from pipeline.evaluation.curves import write_csv
from pipeline.evaluation.metrics import Floats, Ints
from pipeline.evaluation.stream import ordered_map, shown
from pipeline.presets.drawings import save
from pipeline.presets.examples import Pixels, blurred, small, whole
from pipeline.presets.trained import Trained

NATURAL = "natural"  # the subset of photos blurred by a lens or a hand, where there is one
SUBJECT, BACKGROUND = (
    0.3,
    0.02,
)  # radius of what stays sharp and blur of the rest, of the short side
HEADER = ("threshold", "false_alarm_rate", "miss_rate", "background_false_alarm_rate")


def blurred_background(picture: Pixels) -> Pixels:
    """`picture` with all but its most detailed part out of focus, as a fast lens would.

    A disk around the place of most detail stays as it is; the rest is blurred by a Gaussian of 2 %
    of the short side, the edge between them soft. A photographer calls the result sharp.
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    energy = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    reach = max(3, int(SUBJECT * short))
    where = cv2.boxFilter(energy, -1, (reach, reach), borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(where.argmax()), where.shape)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - row, columns - column)
    mask = np.clip((1.15 * reach - distance) / (0.3 * reach), 0, 1).astype(np.float32)
    mask = mask if picture.ndim == 2 else mask[..., None]
    far = blurred(picture, BACKGROUND * short).astype(np.float32)
    return np.rint(mask * picture + (1 - mask) * far).astype(np.uint8)


def background_probabilities(trained: Trained, rows: Sequence[Row], workers: int) -> Floats:
    """P(blurred) of the sharp photos `rows` with their backgrounds blurred: shape (n,)."""
    given = trained.preset.input

    def read(row: Row) -> npt.NDArray[np.uint8]:
        return small(blurred_background(whole(row.path, given)), given)

    answers = shown(ordered_map(read, rows, workers), len(rows), "backgrounds")
    pixels = np.stack(list(answers))
    classes = trained.classes_of_pixels(pixels, np.zeros(len(pixels)))
    return trained.blurred(classes)[0]


def swept(labels: Ints, probabilities: Floats, backgrounds: Floats) -> list[tuple[float, ...]]:
    """Rows of `HEADER` for thresholds from 0 to 1 in hundredths.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
        Photos blurred by nature, and sharp ones; both classes.
    backgrounds : ndarray of float, shape (m,)
        P(blurred) of sharp photos with blurred backgrounds; m may be 0.
    """
    sharp, missed = probabilities[labels == 0], probabilities[labels == 1]

    def share(hits: npt.NDArray[np.bool_]) -> float:
        return float(hits.mean()) if hits.size else float("nan")

    return [
        (float(t), share(sharp >= t), share(missed < t), share(backgrounds >= t))
        for t in np.linspace(0, 1, 101)
    ]


def sweep(
    trained: Trained, rows: Sequence[Row], probabilities: Floats, folder: Path, workers: int
) -> dict[str, Any]:
    """Sweep the threshold on natural blur; write sweep.csv and sweep.png into `folder`.

    Parameters
    ----------
    trained : Trained
    rows : sequence of Row
        Test rows; those of the subset "natural" where there are any, else all.
    probabilities : ndarray of float, shape (n,)
        P(blurred) of `rows`.
    folder : Path
    workers : int

    Returns
    -------
    dict
        `photos`, `backgrounds`, and `lines`: every tenth row of sweep.csv.
    """
    natural = np.array([row.subset == NATURAL for row in rows])
    chosen = np.flatnonzero(natural if natural.any() else ~natural).tolist()
    labels = np.array([rows[place].label for place in chosen], dtype=np.int64)
    sharp = [rows[place] for place in chosen if not rows[place].label]
    backgrounds = background_probabilities(trained, sharp, workers)
    table = swept(labels, probabilities[chosen], backgrounds)
    write_csv(folder / "sweep.csv", HEADER, table)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    columns = np.array(table).T
    names = ("sharp called blurred", "blurred called sharp", "blurred background called blurred")
    for values, name, colour in zip(
        columns[1:], names, ("#c00000", "#0060c0", "#808080"), strict=True
    ):
        axes.plot(columns[0], values, color=colour, label=name)
    axes.set_xlabel("threshold of P(blurred)")
    axes.set_ylabel("share of photos")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    save(figure, folder / "sweep.png")
    lines = [list(row) for row in table[10:100:10]]
    return {"photos": len(chosen), "backgrounds": len(sharp), "lines": lines}


def sweep_lines(found: dict[str, Any]) -> list[str]:
    """The sweep as lines of text."""
    lines = [
        f"threshold swept on {found['photos']} photos; backgrounds blurred in "
        f"{found['backgrounds']} sharp ones, which stay sharp",
        f"{'threshold':>10}{'false alarms':>14}{'misses':>10}{'backgrounds flagged':>21}",
    ]
    for threshold, alarms, misses, backgrounds in found["lines"]:
        lines.append(f"{threshold:>10.1f}{alarms:>14.3f}{misses:>10.3f}{backgrounds:>21.3f}")
    return lines
