"""Describe the training and validation images of a store; test images stay unseen."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.config.progress import progress_bar
from pipeline.data.ranked import STEPS, ranked_rows, ranked_series
from pipeline.data.store import Store
from pipeline.features.summarise import describe, feature_names


def measure_store(store: Store, target: Path, params: Params) -> int:
    """Write `target`/features.npz: index (n,), values (n, F) float32, names (F,).

    Also ranked_index (r,) and ranked_values (r, STEPS, F): see `pipeline.data.ranked`.

    Returns
    -------
    int
        Number of images described.
    """
    index = np.flatnonzero(np.asarray(store.splits) != "test")
    # Threads: OpenCV lets go of the interpreter, and a shard stays mapped once.
    run = Parallel(n_jobs=params.compute.workers or -1, prefer="threads", return_as="generator")
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    images = chain(
        (np.asarray(store.image(int(row))) for row in index),
        ranked_series(store, ranked.tolist(), params.seed),
    )
    found = run(delayed(describe)(image, params.features) for image in images)
    names = feature_names(params.features)
    values = np.zeros((len(index) + STEPS * len(ranked), len(names)), np.float32)
    with progress_bar(len(values), "features") as bar:
        for line, row in enumerate(found):
            values[line] = row
            bar.update()
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "features.npz",
        index=index,
        values=values[: len(index)],
        names=np.array(names),
        ranked_index=ranked,
        ranked_values=values[len(index) :].reshape(len(ranked), STEPS, len(names)),
    )
    return len(index)
