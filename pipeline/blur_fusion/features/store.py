"""Describe the training and validation images of a store; test images stay unseen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from blur_fusion.data.augment import STEPS, perturbed_copies, ranked_rows, ranked_series
from blur_fusion.data.store import Store
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.params import Params
from blur_fusion.progress import progress_bar

_TASK = 48  # rows that a worker process is given at a time
OWN, RANKED, COPIED = "own", "ranked", "copied"

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@lru_cache(maxsize=1)
def opened(folder: Path) -> Store:
    """The store, read once in a worker."""
    return Store.open(folder)


def portions(rows: Indices) -> list[list[int]]:
    """`rows` (n,) as the tasks of workers."""
    return [rows[start : start + _TASK].tolist() for start in range(0, len(rows), _TASK)]


def _pictures(store: Store, part: str, rows: list[int], seed: int) -> Iterable[Pixels]:
    if part == RANKED:
        return ranked_series(store, rows, seed)
    if part == COPIED:
        return perturbed_copies(store, rows, seed)
    return (np.asarray(store.image(row)) for row in rows)


def _describe(folder: Path, part: str, rows: list[int], params: Params) -> Floats:
    """In a worker: measures (n, F) of the pictures that `part` makes of `rows`."""
    cv2.setNumThreads(1)
    pictures = _pictures(opened(folder), part, rows, params.seed)
    return np.asarray([describe(picture, params.features) for picture in pictures], np.float32)


def measure_store(store: Store, target: Path, params: Params) -> int:
    """Write `target`/features.npz: index (n,), values (n, F) float32, names (F,).

    Also ranked_index (r,) and ranked_values (r, STEPS, F): see `blur_fusion.data.augment`; and
    copied_values (t, F) of the t training rows: see `blur_fusion.data.augment`.

    Returns
    -------
    int
        Number of images described.
    """
    splits = np.asarray(store.splits)
    index, train = np.flatnonzero(splits != "test"), np.flatnonzero(splits == "train")
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    tasks = [
        (part, portion)
        for part, rows in ((OWN, index), (RANKED, ranked), (COPIED, train))
        for portion in portions(rows)
    ]
    run = Parallel(n_jobs=params.compute.workers or -1, return_as="generator")
    found = run(delayed(_describe)(store.folder, part, rows, params) for part, rows in tasks)
    names = feature_names(params.features)
    empty = np.zeros((0, len(names)), np.float32)
    values: dict[str, list[Floats]] = {OWN: [empty], RANKED: [empty], COPIED: [empty]}
    with progress_bar(len(index) + STEPS * len(ranked) + len(train), "features") as bar:
        for (part, _), measured in zip(tasks, found, strict=True):
            values[part].append(measured)
            bar.update(len(measured))
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "features.npz",
        index=index,
        values=np.concatenate(values[OWN]),
        names=np.array(names),
        ranked_index=ranked,
        ranked_values=np.concatenate(values[RANKED]).reshape(len(ranked), STEPS, len(names)),
        copied_values=np.concatenate(values[COPIED]),
    )
    return len(index)
