"""Train the stack on out-of-fold logits and focus measures, calibrate it on validation rows."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.fusion.calibration import fit_calibration
from pipeline.fusion.ensemble import Ensemble
from pipeline.fusion.inputs import Inputs
from pipeline.fusion.kinds import kind_inputs, tells_kinds
from pipeline.fusion.model import BLURRED, JUDGES, LOGIT_NAMES, Model, Stack
from pipeline.fusion.polar_net import PolarEnsemble, PolarMember
from pipeline.fusion.polar_rows import PolarRows
from pipeline.fusion.scaling import Standardiser
from pipeline.fusion.table import Table
from pipeline.fusion.threshold import choose_threshold
from pipeline.networks.parallel import parallel_fits

History = list[dict[str, object]]


def _fit(name: str, inputs: Inputs, params: Params) -> tuple[Ensemble, History]:
    """Train in a worker process; Keras is only needed there."""
    from pipeline.fusion.dense import fit_dense
    from pipeline.networks.determinism import make_deterministic

    make_deterministic(params.seed, params.compute.threads)
    members = params.fuse.kind_members if name == "kind" else params.fuse.members
    wanted = dataclasses.replace(params.fuse, members=members)
    return fit_dense(name, inputs, wanted, 100 * params.seed)


def _fit_polar(rows: PolarRows, params: Params, number: int) -> tuple[PolarMember, History]:
    """The same for one of the networks on polar spectra."""
    from pipeline.fusion.polar_fit import fit_polar_member
    from pipeline.networks.determinism import make_deterministic

    make_deterministic(params.seed, params.compute.threads)
    return fit_polar_member(rows, params.fuse, 100 * params.seed, number)


def fit_stack(
    table: Table, params: Params, polar: PolarRows | None = None
) -> tuple[Stack, History]:
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
    if "kind" in wanted and polar is not None:  # short ones last, so that all cores end together
        jobs += [
            delayed(_fit_polar)(polar, params, number)
            for number in range(params.fuse.polar_members)
        ]
    fits = Parallel(n_jobs=min(parallel_fits(params.compute), len(jobs)))(jobs)
    found, histories = zip(*fits, strict=True)
    ensembles, members = dict(zip(wanted, found, strict=False)), found[len(wanted) :]
    told = PolarEnsemble(members) if members else None
    history = [line for lines in histories for line in lines]
    return Stack(table.names, standardiser, **ensembles, polar=told), history


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


def write_history(history: History, path: Path) -> None:
    """Training loss by model, member and epoch, as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["model", "member", "epoch", "loss"], lineterminator="\n")
        writer.writeheader()
        for line in history:
            writer.writerow({**line, "loss": f"{line['loss']:.6f}"})


def fuse(table: Table, target: Path, params: Params, polar: PolarRows | None = None) -> str:
    """Train, calibrate and write everything below `target`.

    Parameters
    ----------
    table : Table
    target : Path
    params : Params
    polar : PolarRows, optional
        Without them kinds are told from CNN logits and focus measures alone.

    Returns
    -------
    str
        One line that sums up.
    """
    from sklearn.metrics import roc_auc_score

    stack, history = fit_stack(table, params, polar)
    model, validation = calibrate(stack, table, params)
    model.save(target)
    write_history(history, target / "history.csv")
    labels = table.labels[~table.train]
    np.savez(target / "validation.npz", index=table.index[~table.train], label=labels, **validation)
    areas = [f"{judge} {roc_auc_score(labels, validation[judge]):.4f}" for judge in JUDGES]
    return f"fused on {int(table.train.sum())} rows; validation AUC: {', '.join(areas)}"
