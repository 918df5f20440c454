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
from pipeline.fusion.inputs import Inputs
from pipeline.fusion.model import BLURRED, JUDGES, LOGIT_NAMES, Model, Stack, motion_logit
from pipeline.fusion.scaling import Standardiser
from pipeline.fusion.threshold import choose_threshold

FEWEST_KINDS = 20  # training images of each kind: with fewer the model tells no kinds


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
        copied_logits=network["copied_logits"],
        copied_measures=measured["copied_values"],
    )


def fit_stack(table: Table, params: Params) -> tuple[Stack, list[dict[str, object]]]:
    """Train on the training rows alone: on measures, on all columns, and for the kind."""
    from pipeline.fusion.dense import fit_dense  # Keras is only needed here
    from pipeline.networks.determinism import make_deterministic

    make_deterministic(params.seed, params.compute.threads)
    rows = np.concatenate([table.logits, table.measures], axis=1)[table.train]
    base = table.logits[table.train, BLURRED].astype(np.float32)
    labels = table.labels[table.train]
    standardiser = Standardiser.fit(rows, params.fuse.clip)
    values = standardiser.apply(rows)
    series = np.concatenate([table.ranked_logits, table.ranked_measures], axis=2)
    ranked = standardiser.apply(series.reshape(-1, rows.shape[1])).reshape(series.shape)
    ranked_base = table.ranked_logits[:, :, BLURRED].astype(np.float32)
    copies = standardiser.apply(
        np.concatenate([table.copied_logits, table.copied_measures], axis=1)
    )
    copies_base = table.copied_logits[:, BLURRED].astype(np.float32)
    everything = Inputs(values, base, labels, ranked, ranked_base, copies, copies_base)
    features, first = fit_dense(
        "features", everything.without_logits(len(LOGIT_NAMES)), params.fuse, 100 * params.seed
    )
    both, second = fit_dense("both", everything, params.fuse, 100 * params.seed)
    kinds = table.kinds[table.train]
    moved, still = kinds == "motion", kinds == "defocus"
    if min(moved.sum(), still.sum()) < FEWEST_KINDS:
        return Stack(table.names, standardiser, features, both), [*first, *second]
    named = moved | still
    guess = motion_logit(table.logits[table.train][named]).astype(np.float32)
    told = Inputs.plain(values[named], guess, moved[named].astype(np.int64))
    kind, third = fit_dense("kind", told, params.fuse, 100 * params.seed)
    stack = Stack(table.names, standardiser, features, both, kind)
    return stack, [*first, *second, *third]


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
