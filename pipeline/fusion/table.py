"""What the stack learns from: the outputs of the stages `cnn` and `features`, joined by image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import BlurError, require


@dataclass(frozen=True)
class Table:
    """Train and validation rows.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Row in the store.
    labels : ndarray of int, shape (n,)
    train : ndarray of bool, shape (n,)
        Training rows; the others are validation.
    logits : ndarray of float32, shape (n, 4)
        Out of fold for training rows, of the final network for validation rows.
    measures : ndarray of float32, shape (n, F)
    names : tuple of str
        Of the measures.
    kinds : ndarray of str, shape (n,)
        sharp, defocus, motion, or empty where unknown.
    ranked_logits : ndarray of float32, shape (r, steps, 4)
        Of training images blurred further and further: see `pipeline.data.ranked`.
    ranked_measures : ndarray of float32, shape (r, steps, F)
    ranked_kinds : ndarray of str, shape (r,)
        Of the images before they were blurred further.
    copied_logits : ndarray of float32, shape (t, 4)
        Of the t training images, perturbed: see `pipeline.data.perturbed`.
    copied_measures : ndarray of float32, shape (t, F)
    """

    index: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    train: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float32]
    measures: npt.NDArray[np.float32]
    names: tuple[str, ...]
    kinds: npt.NDArray[np.str_]
    ranked_logits: npt.NDArray[np.float32]
    ranked_measures: npt.NDArray[np.float32]
    ranked_kinds: npt.NDArray[np.str_]
    copied_logits: npt.NDArray[np.float32]
    copied_measures: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, part in (("train", self.train), ("validation", ~self.train)):
            both = set(self.labels[part].tolist()) == {0, 1}
            require(both, f"fuse: the {name} rows hold one class only; needs sharp and blurred")


def _arrays(path: Path, stage: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run the stage {stage}") from None


def read_table(
    cnn: Path,
    features: Path,
    labels: npt.NDArray[np.int64],
    splits: npt.NDArray[np.str_],
    kinds: npt.NDArray[np.str_],
) -> Table:
    """Join the outputs of the stages `cnn` and `features` by row of the store.

    Raises
    ------
    BlurError
        A file is missing, lacks a row, or holds a test row.
    """
    network = _arrays(cnn / "logits.npz", "cnn")
    measured = _arrays(features / "features.npz", "features")
    index = np.flatnonzero(splits != "test")
    for path, found in ((cnn / "logits.npz", network), (features / "features.npz", measured)):
        same = np.array_equal(np.sort(found["index"]), index)
        require(same, f"{path}: other rows than train and validation; run 'dvc repro'")
    same = np.array_equal(network["ranked_index"], measured["ranked_index"])
    require(same, f"{features}: ranks other images than {cnn}; run 'dvc repro'")
    return Table(
        index=index,
        labels=labels[index],
        train=splits[index] == "train",
        logits=network["logits"][np.argsort(network["index"])],
        measures=measured["values"][np.argsort(measured["index"])],
        names=tuple(str(name) for name in measured["names"]),
        kinds=kinds[index],
        ranked_logits=network["ranked_logits"],
        ranked_measures=measured["ranked_values"],
        ranked_kinds=kinds[network["ranked_index"]],
        copied_logits=network["copied_logits"],
        copied_measures=measured["copied_values"],
    )
