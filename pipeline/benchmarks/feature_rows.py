"""Laplacian variance and maximum of all of CERTH's images, from a CSV file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError, require
from pipeline.data.files import read_table
from pipeline.evaluation.metrics import Flags, Floats, Ints

MEASURES = ("laplacian_variance", "laplacian_max")
COLUMNS = ("split", "subset", *MEASURES, "blurred")
SPLITS = ("train", "test")
_SMALLEST = 1e-3  # a flat image measures 0, its logarithm would not be finite


@dataclass(frozen=True)
class FeatureRows:
    """One row an image.

    Attributes
    ----------
    measures : ndarray of float, shape (n, 2)
        Laplacian variance and maximum.
    labels : ndarray of int, shape (n,)
        1 blurred, 0 sharp.
    train : ndarray of bool, shape (n,)
        The official training half; the others are the test half.
    """

    measures: Floats
    labels: Ints
    train: Flags

    @property
    def variances(self) -> Floats:
        """Laplacian variance, shape (n,)."""
        return self.measures[:, 0]

    @property
    def logarithms(self) -> npt.NDArray[np.float32]:
        """Natural logarithm of both measures, shape (n, 2)."""
        return np.log(np.maximum(self.measures, _SMALLEST)).astype(np.float32)


def _number(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BlurError(f"{where}: {column} is '{text}', must be a number") from None
    sound = math.isfinite(value) and value >= 0
    require(sound, f"{where}: {column} is '{text}', must be at least 0 and finite")
    return value


def read_feature_rows(path: Path) -> FeatureRows:
    """Read columns split ("train" or "test"), subset, both measures, blurred (1 or 0).

    Raises
    ------
    BlurError
        The file or a column is missing; a value is impossible; a half holds one class only.
    """
    measures, labels, train = [], [], []
    for line, row in read_table(path, COLUMNS):
        where = f"{path}: line {line}"
        split, label = row["split"], row["blurred"]
        require(split in SPLITS, f"{where}: split is '{split}', must be train or test")
        require(label in ("0", "1"), f"{where}: blurred is '{label}', must be 0 or 1")
        measures.append([_number(row[name], where, name) for name in MEASURES])
        labels.append(int(label))
        train.append(split == "train")
    rows = FeatureRows(
        np.array(measures, dtype=np.float64).reshape(-1, len(MEASURES)),
        np.array(labels, dtype=np.int64),
        np.array(train, dtype=np.bool_),
    )
    for split, part in zip(SPLITS, (rows.train, ~rows.train), strict=True):
        both = set(rows.labels[part].tolist()) == {0, 1}
        require(both, f"{path}: the {split} rows need sharp and blurred ones, both")
    return rows
