"""A tiny store with made-up logits and focus measures beside it, as the stages leave them."""

from pathlib import Path

import numpy as np
import yaml

from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.params import load_params
from trees import REPOSITORY, write_photos

NAMES = ("laplacian_variance.0.p50", "reblur.0.p50", "reblur.1.p50")


def write_project(root: Path) -> Path:
    """Write params.yaml and artifacts below `root`; returns `root`."""
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))
    values["split"]["folds"] = 2
    values["compute"]["workers"] = 1
    values["image"]["long_side"] = 96
    values["evaluate"]["resamples"] = 60
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    params = load_params(root / "params.yaml")
    dataset = open_dataset(write_photos(root / "own", 40))
    rows = assign_splits(dataset, params.split, seed=1)
    write_store(dataset, rows, root / "artifacts/load", params.image, params.load, workers=1)
    _write_stages(root / "artifacts", Store.open(root / "artifacts/load"))
    return root


def _write_stages(artifacts: Path, store: Store) -> None:
    rng = np.random.default_rng(0)
    index = np.flatnonzero(store.splits != "test")
    labels, ranked = store.labels[index], np.flatnonzero(store.splits == "train")[:6]
    signal = labels[:, None] + rng.normal(0, 0.4, (len(index), 7))
    series = np.arange(4)[None, :, None] + rng.normal(0, 0.3, (len(ranked), 4, 7))
    train = signal[store.splits[index] == "train"]
    copies = train + rng.normal(0, 0.2, train.shape)
    for path, columns, kind in (
        (artifacts / "cnn/logits.npz", slice(4), "logits"),
        (artifacts / "features/features.npz", slice(4, 7), "values"),
    ):
        path.parent.mkdir()
        arrays = {kind: signal[:, columns], f"ranked_{kind}": series[:, :, columns]}
        arrays = {k: v.astype(np.float32) for k, v in arrays.items()}
        arrays[f"copied_{kind}"] = copies[:, columns].astype(np.float32)
        if kind == "values":
            arrays["names"] = np.array(NAMES)
        np.savez(path, index=index, ranked_index=ranked, **arrays)
