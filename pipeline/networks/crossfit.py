"""Fit the folds and the final network, several at once, and collect out-of-fold logits."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.data.store import Store
from pipeline.networks.crops import Pixels

Indices = npt.NDArray[np.int64]
Result = tuple[str, Indices, npt.NDArray[np.float32], list[dict[str, object]]]


def _reader(store: Store) -> Callable[[int], Pixels]:
    return lambda row: np.asarray(store.image(row))


def _fit_one(
    folders: tuple[str, str],
    name: str,
    train: Indices,
    validation: Indices,
    judged: Indices,
    params: Params,
) -> Result:
    """Fit in a worker process (TensorFlow starts there) and judge the rows `judged`."""
    from pipeline.networks.fit import Material, fit_network, make_deterministic
    from pipeline.networks.predict import whole_image_logits

    store = Store.open(folders[0])
    position = -1 if name == "final" else int(name.removeprefix("fold_"))
    seed = params.seed * 1000 + 1 + position
    make_deterministic(seed, params.compute.threads)
    labels = np.asarray(store.labels, np.int64)
    material = Material(_reader(store), labels, tuple(store.kinds), train, validation)
    cnn = params.cnn
    if name != "final":
        # As many passes over the images as the final fit makes, over fewer images.
        share = 1 - 1 / params.split.folds
        steps = max(1, round(cnn.steps_per_epoch * share))
        cnn = dataclasses.replace(cnn, steps_per_epoch=steps)
    model, history = fit_network(name, material, cnn, seed)
    model.save_weights(f"{folders[1]}/{name}.weights.h5")
    logits = whole_image_logits(model, (material.image(int(row)) for row in judged))
    return name, judged, logits, [dataclasses.asdict(line) for line in history]


def _plan(store: Store, params: Params) -> list[tuple[str, Indices, Indices, Indices]]:
    """(name, train, check, judged) of every fit, the longest first."""
    splits, folds = np.asarray(store.splits), np.asarray(store.folds)
    train = np.flatnonzero(splits == "train")
    validation = np.flatnonzero(splits == "validation")
    # A fixed share of the validation images suffices to watch training.
    stride = max(1, len(validation) // params.cnn.check_images)
    watched = validation[::stride]
    plan = [("final", train, watched, validation)]
    for fold in range(params.split.folds):
        inside = np.flatnonzero((splits == "train") & (folds != fold))
        outside = np.flatnonzero((splits == "train") & (folds == fold))
        plan.append((f"fold_{fold}", inside, watched, outside))
    return plan


def _parallel_fits(params: Params) -> int:
    """As many fits at once as cores; a GPU serves one at a time."""
    cores = params.compute.workers or os.cpu_count() or 1
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    return 1 if gpu else max(1, cores // params.compute.threads)


def cross_fit(folder: Path, target: Path, params: Params) -> str:
    """Run all fits on the store in `folder`; write weights, logits.npz and history.csv to `target`.

    Returns
    -------
    str
        One line that sums up.
    """
    store = Store.open(folder)
    plan = _plan(store, params)
    target.mkdir(parents=True, exist_ok=True)
    run = Parallel(n_jobs=min(_parallel_fits(params), len(plan)))
    results = run(delayed(_fit_one)((str(folder), str(target)), *fit, params) for fit in plan)
    index = np.concatenate([judged for _, judged, _, _ in results])
    logits = np.concatenate([values for _, _, values, _ in results])
    order = np.argsort(index)
    np.savez(target / "logits.npz", index=index[order], logits=logits[order])
    lines = [line for _, _, _, history in results for line in history]
    with (target / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        table.writeheader()
        for line in lines:
            table.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in line.items()})
    last = results[0][3][-1]
    return f"{len(plan)} fits; final validation AUC {last['validation_auc']:.4f}"
