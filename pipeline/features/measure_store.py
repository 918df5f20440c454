"""Describe the training and validation images of a store; test images stay unseen."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.config.progress import progress_bar
from pipeline.data.perturbed import perturbed_copies
from pipeline.data.ranked import STEPS, ranked_rows, ranked_series
from pipeline.data.store import Store
from pipeline.features.summarise import describe, feature_names


def measure_store(store: Store, target: Path, params: Params) -> int:
    """Write `target`/features.npz: index (n,), values (n, F) float32, names (F,).

    Also ranked_index (r,) and ranked_values (r, STEPS, F): see `pipeline.data.ranked`; and
    copied_values (t, F) of the t training rows: see `pipeline.data.perturbed`.

    Returns
    -------
    int
        Number of images described.
    """
    splits = np.asarray(store.splits)
    index, train = np.flatnonzero(splits != "test"), np.flatnonzero(splits == "train")
    # Threads: OpenCV lets go of the interpreter, and a shard stays mapped once.
    run = Parallel(n_jobs=params.compute.workers or -1, prefer="threads", return_as="generator")
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    images = chain(
        (np.asarray(store.image(int(row))) for row in index),
        ranked_series(store, ranked.tolist(), params.seed),
        perturbed_copies(store, train.tolist(), params.seed),
    )
    found = run(delayed(describe)(image, params.features) for image in images)
    names = feature_names(params.features)
    parts = (len(index), STEPS * len(ranked), len(train))
    values = np.zeros((sum(parts), len(names)), np.float32)
    with progress_bar(len(values), "features") as bar:
        for line, row in enumerate(found):
            values[line] = row
            bar.update()
    own, series, copied = np.split(values, np.cumsum(parts)[:-1])
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "features.npz",
        index=index,
        values=own,
        names=np.array(names),
        ranked_index=ranked,
        ranked_values=series.reshape(len(ranked), STEPS, len(names)),
        copied_values=copied,
    )
    return len(index)
