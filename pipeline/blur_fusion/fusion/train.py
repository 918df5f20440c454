"""Train the stack on out-of-fold logits and focus measures; calibrate on validation rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from blur_fusion.cnn.crossfit import parallel_fits
from blur_fusion.errors import BlurError, require
from blur_fusion.fusion.calibration import RateTable, choose_threshold, fit_calibration
from blur_fusion.fusion.dense import Inputs
from blur_fusion.fusion.stack import (
    BLURRED,
    JUDGES,
    LOGIT_NAMES,
    Model,
    Networks,
    Stack,
    Standardiser,
    motion_logit,
)
from blur_fusion.params import Params


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
        Of training images blurred further and further: see `blur_fusion.data.augment`.
    ranked_measures : ndarray of float32, shape (r, steps, F)
    ranked_kinds : ndarray of str, shape (r,)
        Of the images before they were blurred further.
    copied_logits : ndarray of float32, shape (t, 4)
        Of the t training images, perturbed: see `blur_fusion.data.augment`.
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


FEWEST_KINDS = 20  # training images of each kind: with fewer the model tells no kinds

Floats = npt.NDArray[np.float32]


def tells_kinds(kinds: npt.NDArray[np.str_]) -> bool:
    """Whether training images of `kinds` (n,) are enough of both to learn from."""
    return min(int((kinds == kind).sum()) for kind in ("motion", "defocus")) >= FEWEST_KINDS


def _guess(logits: npt.NDArray[np.floating]) -> Floats:
    return motion_logit(logits).astype(np.float32)


def kind_inputs(rows: Inputs, table: Table) -> Inputs:
    """Blurred training rows and their copies, labelled 1 where the blur is motion.

    The ranked series add defocus of every extent: of images known to be sharp or defocused.

    Parameters
    ----------
    rows : Inputs
        All training rows of `table`, standardised.
    table : Table
    """
    kinds = table.kinds[table.train]
    named = np.flatnonzero((kinds == "motion") | (kinds == "defocus"))
    series = (table.ranked_kinds == "sharp") | (table.ranked_kinds == "defocus")
    further = rows.ranked[series][:, 1:].reshape(-1, rows.values.shape[1])
    guess = _guess(table.ranked_logits[series][:, 1:].reshape(-1, table.logits.shape[1]))
    still = np.zeros(len(guess), np.int64)
    plain = Inputs.plain(
        np.concatenate([rows.values[named], further]),
        np.concatenate([_guess(table.logits[table.train][named]), guess]),
        np.concatenate([(kinds[named] == "motion").astype(np.int64), still]),
    )
    copies = np.concatenate([rows.copies[named], further])
    copies_base = np.concatenate([_guess(table.copied_logits[named]), guess])
    return replace(plain, copies=copies, copies_base=copies_base)


History = list[dict[str, object]]


def _fit(name: str, inputs: Inputs, params: Params) -> tuple[Networks, History]:
    """Train in a worker process; Keras is only needed there."""
    from blur_fusion.cnn.fit import make_deterministic
    from blur_fusion.fusion.dense import fit_dense

    make_deterministic(params.seed, params.compute.threads)
    members = params.fuse.kind_members if name == "kind" else params.fuse.members
    wanted = dataclasses.replace(params.fuse, members=members)
    return fit_dense(name, inputs, wanted, 100 * params.seed)


def fit_stack(table: Table, params: Params) -> tuple[Stack, History]:
    """Train on the training rows alone: on measures, on all columns, and for the kind."""
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
    wanted = {"features": everything.without_logits(len(LOGIT_NAMES)), "both": everything}
    if tells_kinds(table.kinds[table.train]):
        wanted["kind"] = kind_inputs(everything, table)
    jobs = [delayed(_fit)(name, inputs, params) for name, inputs in wanted.items()]
    fits = Parallel(n_jobs=min(parallel_fits(params.compute), len(jobs)))(jobs)
    found, histories = zip(*fits, strict=True)
    ensembles = dict(zip(wanted, found, strict=True))
    history = [line for lines in histories for line in lines]
    return Stack.join(table.names, standardiser, ensembles), history


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
    rates = RateTable.fit(labels, validation["fused"])
    return Model(stack, calibrations, thresholds, rates), validation
