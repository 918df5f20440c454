"""Fit the folds and the final network, several at once, and collect out-of-fold logits."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.data.perturbed import perturbed_copies
from pipeline.data.ranked import STEPS, ranked_rows, ranked_series
from pipeline.data.store import Store
from pipeline.networks.crops import Pixels
from pipeline.networks.parallel import parallel_fits

Indices = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Fit:
    """What one fit is for: its rows, and those that it judges because it never saw them."""

    name: str
    train: Indices
    validation: Indices
    judged: Indices
    ranked: Indices


@dataclass(frozen=True)
class _Result:
    fit: _Fit
    logits: Logits
    ranked_logits: Logits
    copied_logits: Logits
    history: list[dict[str, object]]


def _reader(store: Store) -> Callable[[int], Pixels]:
    return lambda row: np.asarray(store.image(row))


def _fit_one(folders: tuple[str, str], fit: _Fit, params: Params) -> _Result:
    """Fit in a worker process (TensorFlow starts there) and judge."""
    from pipeline.networks.determinism import make_deterministic
    from pipeline.networks.fit import Material, fit_network
    from pipeline.networks.predict import whole_image_logits

    store, name = Store.open(folders[0]), fit.name
    position = -1 if name == "final" else int(name.removeprefix("fold_"))
    seed = params.seed * 1000 + 1 + position
    make_deterministic(seed, params.compute.threads)
    labels = np.asarray(store.labels, np.int64)
    material = Material(_reader(store), labels, tuple(store.kinds), fit.train, fit.validation)
    cnn = params.cnn
    if name != "final":
        # As many passes over the images as the final fit makes, over fewer images.
        share = 1 - 1 / params.split.folds
        steps = max(1, round(cnn.steps_per_epoch * share))
        cnn = dataclasses.replace(cnn, steps_per_epoch=steps)
    model, history = fit_network(name, material, cnn, seed)
    model.save_weights(f"{folders[1]}/{name}.weights.h5")
    logits = whole_image_logits(model, (material.image(int(row)) for row in fit.judged))
    ranked = whole_image_logits(model, ranked_series(store, fit.ranked, params.seed))
    unseen = fit.judged if name != "final" else fit.judged[:0]
    return _Result(
        fit,
        logits,
        ranked.reshape(-1, STEPS, logits.shape[1]),
        whole_image_logits(model, perturbed_copies(store, unseen, params.seed)),
        [dataclasses.asdict(line) for line in history],
    )


def _plan(store: Store, params: Params) -> list[_Fit]:
    """Every fit, the longest first."""
    splits, folds = np.asarray(store.splits), np.asarray(store.folds)
    train = np.flatnonzero(splits == "train")
    validation = np.flatnonzero(splits == "validation")
    # A fixed share of the validation images suffices to watch training.
    stride = max(1, len(validation) // params.cnn.check_images)
    watched = validation[::stride]
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    plan = [_Fit("final", train, watched, validation, ranked[:0])]
    for fold in range(params.split.folds):
        inside = np.flatnonzero((splits == "train") & (folds != fold))
        outside = np.flatnonzero((splits == "train") & (folds == fold))
        unseen = ranked[folds[ranked] == fold]
        plan.append(_Fit(f"fold_{fold}", inside, watched, outside, unseen))
    return plan


def _write_logits(results: list[_Result], path: Path) -> None:
    """Logits of all rows that a network judged without having seen them, by row."""
    index = np.concatenate([result.fit.judged for result in results])
    logits = np.concatenate([result.logits for result in results])
    ranked_index = np.concatenate([result.fit.ranked for result in results])
    ranked_logits = np.concatenate([result.ranked_logits for result in results])
    copied_logits = np.concatenate([result.copied_logits for result in results])
    copied_index = np.concatenate(
        [result.fit.judged for result in results if len(result.copied_logits)]
    )
    order, ranked_order = np.argsort(index), np.argsort(ranked_index)
    np.savez(
        path,
        index=index[order],
        logits=logits[order],
        ranked_index=ranked_index[ranked_order],
        ranked_logits=ranked_logits[ranked_order],
        copied_logits=copied_logits[np.argsort(copied_index)],
    )


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
    run = Parallel(n_jobs=min(parallel_fits(params.compute), len(plan)))
    results = run(delayed(_fit_one)((str(folder), str(target)), fit, params) for fit in plan)
    _write_logits(results, target / "logits.npz")
    lines = [line for result in results for line in result.history]
    with (target / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        table.writeheader()
        for line in lines:
            table.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in line.items()})
    last = results[0].history[-1]
    return f"{len(plan)} fits; final validation AUC {last['validation_auc']:.4f}"
