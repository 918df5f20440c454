"""Fit the folds and the final network in parallel, and collect out-of-fold logits."""

from __future__ import annotations

import csv
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib.externals.loky import as_completed, get_reusable_executor

from blur_fusion.data.augment import PARTS, STEPS, pictures, ranked_rows
from blur_fusion.data.store import Store
from blur_fusion.params import ComputeParams, Params

Indices = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]
History = list[dict[str, object]]


def write_history(folder: Path, history: History) -> None:
    """Write history.csv, one line for each epoch of each fit."""
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        table.writeheader()
        for line in history:
            table.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in line.items()})


def parallel_fits(params: ComputeParams) -> int:
    """How many fits run at once: as many as fit the cores, but one on a GPU."""
    cores = params.workers or os.cpu_count() or 1
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    return 1 if gpu else max(1, cores // params.threads)


@dataclass(frozen=True)
class Fit:
    """One fit: rows to train and validate on, and rows to judge that it has not seen.

    Attributes
    ----------
    steps : int
        Per epoch: on fewer images, as many passes as the final fit makes.
    own, copied, ranked : ndarray of int
        Rows to judge, see `blur_fusion.data.augment.pictures`.
    """

    name: str
    seed: int
    steps: int
    train: Indices
    validation: Indices
    own: Indices
    copied: Indices
    ranked: Indices


def _plan(store: Store, params: Params) -> list[Fit]:
    """Every fit, the longest first."""
    cnn, folds = params.cnn, params.split.folds
    train = store.splits == "train"
    validation = np.flatnonzero(store.splits == "validation")
    watched = validation[:: max(1, len(validation) // cnn.check_images)]
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    none, seed = ranked[:0], params.seed * 1000
    everything = np.flatnonzero(train), watched, validation, none, none
    plan = [Fit("final", seed, cnn.steps_per_epoch, *everything)]
    steps = max(1, round(cnn.steps_per_epoch * (1 - 1 / folds)))
    for fold in range(folds):
        inside = np.flatnonzero(train & (store.folds != fold))
        outside = np.flatnonzero(train & (store.folds == fold))
        unseen = outside, outside, ranked[store.folds[ranked] == fold]
        plan.append(Fit(f"fold_{fold}", seed + 1 + fold, steps, inside, watched, *unseen))
    return plan


def fit_one(folder: Path, target: Path, fit: Fit, params: Params) -> History:
    """Fit in a worker process, where TensorFlow starts; write the weights, give the history."""
    from blur_fusion.cnn.fit import Material, fit_network, make_deterministic

    store = Store.open(folder)
    make_deterministic(fit.seed, params.compute.threads)
    kinds = tuple(store.kinds.tolist())
    material = Material(store.image, store.labels, kinds, fit.train, fit.validation)
    cnn = dataclasses.replace(params.cnn, steps_per_epoch=fit.steps)
    model, history = fit_network(fit.name, material, cnn, fit.seed)
    model.save_weights(target / f"{fit.name}.weights.h5")
    return history


def judge(folder: Path, target: Path, fit: Fit, part: str, params: Params) -> Logits:
    """Judge the pictures of `part` in a worker process: logits (n, 4)."""
    from blur_fusion.cnn.fit import Network, make_deterministic

    make_deterministic(params.seed, params.compute.threads)
    network, rows = Network.load(target, params.cnn, fit.name), getattr(fit, part).tolist()
    return network.logits(pictures(Store.open(folder), part, rows, params.seed))


def _run(
    folder: Path, target: Path, plan: list[Fit], params: Params
) -> tuple[dict[str, History], dict[str, dict[str, Logits]]]:
    """Histories by fit, and logits by part and fit."""
    pool = get_reusable_executor(max_workers=min(parallel_fits(params.compute), len(plan)))
    fits = {pool.submit(fit_one, folder, target, fit, params): fit for fit in plan}
    histories, judged = {}, {}
    try:
        for done in as_completed(fits):
            fit = fits[done]
            histories[fit.name] = done.result()
            for part in PARTS:  # separate tasks, so that no core idles at the end
                task = pool.submit(judge, folder, target, fit, part, params)
                judged[part, fit.name] = task
        logits = {
            part: {fit.name: judged[part, fit.name].result() for fit in plan} for part in PARTS
        }
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    return histories, logits


def _by_row(plan: list[Fit], part: str, logits: dict[str, Logits]) -> tuple[Indices, Logits]:
    """Rows (n,), ascending, and their logits (n, 4), or (n, STEPS, 4) if ranked."""
    index = np.concatenate([getattr(fit, part) for fit in plan])
    found = np.concatenate([logits[fit.name] for fit in plan])
    if part == "ranked":
        found = found.reshape(len(index), STEPS, found.shape[1])
    order = np.argsort(index)
    return index[order], found[order]


def cross_fit(folder: Path, target: Path, params: Params) -> str:
    """Run all fits on the store in `folder`; write weights, logits.npz and history.csv to `target`.

    Returns a one-line summary.
    """
    plan = _plan(Store.open(folder), params)
    target.mkdir(parents=True, exist_ok=True)
    histories, logits = _run(folder, target, plan, params)
    arrays: dict[str, Any] = {}
    for part, prefix in (("own", ""), ("ranked", "ranked_"), ("copied", "copied_")):
        arrays[f"{prefix}index"], arrays[f"{prefix}logits"] = _by_row(plan, part, logits[part])
    np.savez(target / "logits.npz", **arrays)
    write_history(target, [line for fit in plan for line in histories[fit.name]])
    last = histories["final"][-1]
    return f"{len(plan)} fits; final validation AUC {last['validation_auc']:.4f}"
