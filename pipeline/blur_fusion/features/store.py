"""Describe the training and validation images of a store; test images stay unseen."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from blur_fusion.data.augment import STEPS, pictures, ranked_rows
from blur_fusion.data.store import Store
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.parallel import progress_bar
from blur_fusion.params import Params

_TASK = 48  # rows per task of a worker process


_opened = lru_cache(maxsize=1)(Store.open)  # read once in a worker


def _describe(folder: Path, part: str, rows: list[int], params: Params) -> npt.NDArray[np.float32]:
    """In a worker: measures (n, F) of the pictures that `part` makes of `rows`."""
    cv2.setNumThreads(1)
    made = pictures(_opened(folder), part, rows, params.seed)
    return np.asarray([describe(picture, params.features) for picture in made], np.float32)


def measure_store(store: Store, target: Path, params: Params) -> str:
    """Write `target`/features.npz: index (n,), values (n, F) float32, names (F,).

    Also ranked_index (r,) and ranked_values (r, STEPS, F), and copied_values (t, F) of the t
    training rows: see `blur_fusion.data.augment.pictures`. Returns a one-line summary.
    """
    names = feature_names(params.features)
    rows = {
        "own": np.flatnonzero(store.splits != "test"),
        "ranked": ranked_rows(store, params.fuse.ranked, params.seed),
        "copied": np.flatnonzero(store.splits == "train"),
    }
    tasks = [
        (part, index[start : start + _TASK].tolist())
        for part, index in rows.items()
        for start in range(0, len(index), _TASK)
    ]
    run = Parallel(n_jobs=params.compute.workers or -1, return_as="generator")
    found = run(delayed(_describe)(store.folder, part, portion, params) for part, portion in tasks)
    values = {part: [np.zeros((0, len(names)), np.float32)] for part in rows}
    with progress_bar(sum(len(portion) for _, portion in tasks), "features") as bar:
        for (part, portion), measured in zip(tasks, found, strict=True):
            values[part].append(measured)
            bar.update(len(portion))
    own, ranked, copied = (np.concatenate(values[part]) for part in rows)
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "features.npz",
        index=rows["own"],
        values=own,
        names=np.array(names),
        ranked_index=rows["ranked"],
        ranked_values=ranked.reshape(len(rows["ranked"]), STEPS, len(names)),
        copied_values=copied,
    )
    return f"{len(own)} images, {len(names)} values each"
