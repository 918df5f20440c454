"""Fit the folds and the final network, several at once, and collect out-of-fold logits."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from joblib.externals.loky import as_completed, get_reusable_executor

from blur_fusion.cnn.crops import Pixels
from blur_fusion.data.augment import STEPS, perturbed_copies, ranked_rows, ranked_series
from blur_fusion.data.store import Store
from blur_fusion.params import ComputeParams, Params


def parallel_fits(params: ComputeParams) -> int:
    """As many fits at once as cores; a GPU serves one at a time."""
    cores = params.workers or os.cpu_count() or 1
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    return 1 if gpu else max(1, cores // params.threads)


Indices = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]

# What a network judges that never saw it: perturbed copies of images, the images themselves, and
# images blurred further and further. Each is a task of its own, so that no core waits at the end.
PARTS = ("copied", "judged", "ranked")


@dataclass(frozen=True)
class Fit:
    """What one fit is for: its rows, and those that it judges because it never saw them."""

    name: str
    train: Indices
    validation: Indices
    judged: Indices
    ranked: Indices


def _reader(store: Store) -> Callable[[int], Pixels]:
    return lambda row: np.asarray(store.image(row))


def fit_one(folders: tuple[str, str], fit: Fit, params: Params) -> list[dict[str, object]]:
    """Fit in a worker process (TensorFlow starts there), write the weights, give the history."""
    from blur_fusion.cnn.fit import Material, fit_network, make_deterministic

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
    model.save_weights(_weights(folders[1], fit))
    return [dataclasses.asdict(line) for line in history]


def _weights(folder: str, fit: Fit) -> str:
    return f"{folder}/{fit.name}.weights.h5"


def judge(folders: tuple[str, str], fit: Fit, part: str, params: Params) -> Logits:
    """Logits (n, 4) of one of `PARTS` by the network that `fit_one` wrote, in a worker process."""
    from blur_fusion.cnn.fit import make_deterministic, whole_image_logits
    from blur_fusion.cnn.network import build_network

    store = Store.open(folders[0])
    make_deterministic(params.seed, params.compute.threads)
    model = build_network(params.cnn)
    model.load_weights(_weights(folders[1], fit))
    unseen = fit.judged if fit.name != "final" else fit.judged[:0]
    pictures = {
        "copied": lambda: perturbed_copies(store, unseen, params.seed),
        "judged": lambda: map(_reader(store), fit.judged.tolist()),
        "ranked": lambda: ranked_series(store, fit.ranked, params.seed),
    }
    return whole_image_logits(model, pictures[part]())


@dataclass(frozen=True)
class _Result:
    fit: Fit
    history: list[dict[str, object]]
    logits: dict[str, Logits]  # by part, see PARTS


def _plan(store: Store, params: Params) -> list[Fit]:
    """Every fit, the longest first."""
    splits, folds = np.asarray(store.splits), np.asarray(store.folds)
    train = np.flatnonzero(splits == "train")
    validation = np.flatnonzero(splits == "validation")
    # A fixed share of the validation images suffices to watch training.
    stride = max(1, len(validation) // params.cnn.check_images)
    watched = validation[::stride]
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    plan = [Fit("final", train, watched, validation, ranked[:0])]
    for fold in range(params.split.folds):
        inside = np.flatnonzero((splits == "train") & (folds != fold))
        outside = np.flatnonzero((splits == "train") & (folds == fold))
        unseen = ranked[folds[ranked] == fold]
        plan.append(Fit(f"fold_{fold}", inside, watched, outside, unseen))
    return plan


def _in_turn(folders: tuple[str, str], plan: list[Fit], params: Params) -> list[_Result]:
    return [
        _Result(
            fit,
            fit_one(folders, fit, params),
            {part: judge(folders, fit, part, params) for part in PARTS},
        )
        for fit in plan
    ]


def _at_once(
    folders: tuple[str, str], plan: list[Fit], params: Params, workers: int
) -> list[_Result]:
    """The same in `workers` processes: what a network judges waits only for its own fit."""
    pool = get_reusable_executor(max_workers=workers)
    fits = {pool.submit(fit_one, folders, fit, params): fit for fit in plan}
    judged: dict[str, dict[str, Future[Logits]]] = {}
    histories: dict[str, list[dict[str, object]]] = {}
    try:
        for done in as_completed(fits):
            fit = fits[done]
            histories[fit.name] = done.result()
            judged[fit.name] = {
                part: pool.submit(judge, folders, fit, part, params) for part in PARTS
            }
        return [
            _Result(
                fit,
                histories[fit.name],
                {part: found.result() for part, found in judged[fit.name].items()},
            )
            for fit in plan
        ]
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise


def _write_logits(results: list[_Result], path: Path) -> None:
    """Logits of all rows that a network judged without having seen them, by row."""
    index = np.concatenate([result.fit.judged for result in results])
    logits = np.concatenate([result.logits["judged"] for result in results])
    ranked_index = np.concatenate([result.fit.ranked for result in results])
    series = [result.logits["ranked"] for result in results]
    ranked_logits = np.concatenate(series).reshape(-1, STEPS, logits.shape[1])
    copied = [result for result in results if len(result.logits["copied"])]
    copied_logits = np.concatenate([result.logits["copied"] for result in copied])
    copied_index = np.concatenate([result.fit.judged for result in copied])
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
    folders, workers = (str(folder), str(target)), min(parallel_fits(params.compute), len(plan))
    if workers == 1:
        results = _in_turn(folders, plan, params)
    else:
        results = _at_once(folders, plan, params, workers)
    _write_logits(results, target / "logits.npz")
    lines = [line for result in results for line in result.history]
    with (target / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        table.writeheader()
        for line in lines:
            table.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in line.items()})
    last = results[0].history[-1]
    return f"{len(plan)} fits; final validation AUC {last['validation_auc']:.4f}"
