"""CSV files that `dvc plots` draws: a file for each model and curve."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

from blur_fusion.data.split import LABEL_NAMES
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.metrics import Answers, Floats, Ints, calibration_bins

PLOTTED = ("laplacian", "cnn", "features", "fused")  # these rank images
_POINTS = 400  # of a curve at most: the page holds them all


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with one header line; floats with 6 decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in row])


def _thinned(*columns: Floats) -> list[list[float]]:
    """At most `_POINTS` rows of the columns, first and last among them."""
    count = len(columns[0])
    chosen = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    rows: list[list[float]] = np.stack(columns, axis=1)[chosen].tolist()
    return rows


def _calibration(labels: Ints, probabilities: Floats, bins: int) -> Iterator[tuple[object, ...]]:
    """Rows (mean probability, proportion blurred, images) of the bins that hold images."""
    number = calibration_bins(probabilities, bins)
    for bin_number in np.unique(number):
        held = number == bin_number
        yield float(probabilities[held].mean()), float(labels[held].mean()), int(held.sum())


def write_curves(folder: Path, labels: Ints, answers: Mapping[str, Answers], bins: int) -> None:
    """Write roc_, precision_recall_, calibration_ and confusion_<model>.csv into `folder`.

    Parameters
    ----------
    folder : Path
    labels : ndarray of int, shape (n,)
        Both classes.
    answers : mapping of Answers
    bins : int
        Calibration bins.

    Raises
    ------
    BlurError
        The labels are of one class.
    """
    line = "the test images are all sharp or all blurred: no curve to draw; give others too"
    require(len(np.unique(labels)) == 2, line)
    for model in PLOTTED:
        rates = _thinned(*sk.roc_curve(labels, answers[model].probabilities)[:2])
        write_csv(folder / f"roc_{model}.csv", ("false_alarm_rate", "recall"), rates)
        precision, recall, _ = sk.precision_recall_curve(labels, answers[model].probabilities)
        pairs = _thinned(recall, precision)
        write_csv(folder / f"precision_recall_{model}.csv", ("recall", "precision"), pairs)
    for model in PLOTTED[1:]:  # whose probabilities are calibrated
        rows = _calibration(labels, answers[model].probabilities, bins)
        header = ("probability", "share_blurred", "images")
        write_csv(folder / f"calibration_{model}.csv", header, rows)
        verdicts = answers[model].verdicts.astype(int)
        named = ((LABEL_NAMES[y], LABEL_NAMES[v]) for y, v in zip(labels, verdicts, strict=True))
        write_csv(folder / f"confusion_{model}.csv", ("actual", "predicted"), named)


def write_training(history: Path, path: Path, fit: str = "final") -> None:
    """Take the curves of one fit out of the CNN's history.csv, for `dvc plots`.

    Parameters
    ----------
    history : Path
        Columns fit, epoch, loss, validation_loss, validation_auc.
    path : Path
        Written: the same columns without `fit`.
    fit : str

    Raises
    ------
    BlurError
        The history is missing or lacks that fit.
    """
    columns = ("epoch", "loss", "validation_loss", "validation_auc")
    try:
        with history.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("fit") == fit]
    except FileNotFoundError:
        raise BlurError(f"{history}: no such file; run `make repro`") from None
    require(bool(rows), f"{history}: holds no fit named '{fit}'; run `make repro` again")
    write_csv(path, columns, ([row[column] for column in columns] for row in rows))
