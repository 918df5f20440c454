"""Train the stack on out-of-fold logits and focus measures, calibrate it on validation rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import BlurError, Params, require
from pipeline.fusion.calibration import fit_calibration
from pipeline.fusion.model import BLURRED, JUDGES, LOGIT_NAMES, Model, Stack
from pipeline.fusion.scaling import Standardiser
from pipeline.fusion.threshold import choose_threshold


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
    """

    index: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    train: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float32]
    measures: npt.NDArray[np.float32]
    names: tuple[str, ...]

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
    return Table(
        index=index,
        labels=labels[index],
        train=splits[index] == "train",
        logits=network["logits"][np.argsort(network["index"])],
        measures=measured["values"][np.argsort(measured["index"])],
        names=tuple(str(name) for name in measured["names"]),
    )


def fit_stack(table: Table, params: Params) -> tuple[Stack, list[dict[str, object]]]:
    """Train the dense networks `features` and `fused` on the training rows alone."""
    from pipeline.fusion.dense import Inputs, fit_dense  # Keras is only needed here
    from pipeline.networks.fit import make_deterministic

    make_deterministic(params.seed, params.compute.threads)
    rows = np.concatenate([table.logits, table.measures], axis=1)[table.train]
    base = table.logits[table.train, BLURRED].astype(np.float32)
    labels = table.labels[table.train]
    standardiser = Standardiser.fit(rows, params.fuse.clip)
    values = standardiser.apply(rows)
    alone = Inputs(values[:, len(LOGIT_NAMES) :], np.zeros_like(base), labels)
    features, first = fit_dense("features", alone, params.fuse, 100 * params.seed)
    fused, second = fit_dense("fused", Inputs(values, base, labels), params.fuse, 100 * params.seed)
    return Stack(table.names, standardiser, features, fused), [*first, *second]


def calibrate(stack: Stack, table: Table, params: Params) -> tuple[Model, dict[str, Any]]:
    """Temperature, bias and threshold of each judge, from the validation rows alone.

    Returns
    -------
    model : Model
    validation : dict
        Calibrated probabilities of the validation rows for each judge.
    """
    held = ~table.train
    labels = table.labels[held]
    raw = stack.logits(table.logits[held], table.measures[held])
    calibrations = {judge: fit_calibration(labels, raw[judge]) for judge in JUDGES}
    validation = {judge: calibrations[judge].probability(raw[judge]) for judge in JUDGES}
    rate = params.threshold.max_false_alarm_rate
    thresholds = {judge: choose_threshold(labels, validation[judge], rate) for judge in JUDGES}
    return Model(stack, calibrations, thresholds), validation


def write_history(history: list[dict[str, object]], path: Path) -> None:
    """Training loss by model, member and epoch, as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["model", "member", "epoch", "loss"], lineterminator="\n")
        writer.writeheader()
        for line in history:
            writer.writerow({**line, "loss": f"{line['loss']:.6f}"})


def fuse(table: Table, target: Path, params: Params) -> str:
    """Train, calibrate and write everything below `target`.

    Returns
    -------
    str
        One line that sums up.
    """
    from sklearn.metrics import roc_auc_score

    stack, history = fit_stack(table, params)
    model, validation = calibrate(stack, table, params)
    model.save(target)
    write_history(history, target / "history.csv")
    labels = table.labels[~table.train]
    np.savez(target / "validation.npz", index=table.index[~table.train], label=labels, **validation)
    areas = [f"{judge} {roc_auc_score(labels, validation[judge]):.4f}" for judge in JUDGES]
    return f"fused on {int(table.train.sum())} rows; validation AUC: {', '.join(areas)}"
