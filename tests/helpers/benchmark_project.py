"""A tiny store with made-up logits and focus measures beside it, as the stages leave them."""

from pathlib import Path

import numpy as np
import yaml

from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.params import load_params
from trees import write_photos

NAMES = ("laplacian_variance.0.p50", "reblur.0.p50", "reblur.1.p50")


PARAMS = {
    **{"split": {"folds": 2}, "compute": {"workers": 1}},
    **{"image": {"long_side": 96}, "evaluate": {"resamples": 60}},
}


def write_project(root: Path) -> Path:
    """Write params.yaml and artifacts below `root`; returns `root`."""
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    params, artifacts = load_params(root / "params.yaml"), root / "artifacts"
    dataset = open_dataset(write_photos(root / "own", 40))
    rows = assign_splits(dataset, params.split, seed=1)
    write_store(dataset, rows, artifacts / "load", params.image, params.load, workers=1)
    store, rng = Store.open(artifacts / "load"), np.random.default_rng(0)
    index = np.flatnonzero(store.splits != "test")
    ranked = np.flatnonzero(store.splits == "train")[:6]
    signal = store.labels[index][:, None] + rng.normal(0, 0.4, (len(index), 7))
    series = np.arange(4)[None, :, None] + rng.normal(0, 0.3, (len(ranked), 4, 7))
    copies = signal[store.splits[index] == "train"]
    copies = copies + rng.normal(0, 0.2, copies.shape)
    for path, columns, kind, names in (
        ("cnn/logits.npz", slice(4), "logits", {}),
        ("features/features.npz", slice(4, 7), "values", {"names": np.array(NAMES)}),
    ):
        parts = {kind: signal, f"ranked_{kind}": series, f"copied_{kind}": copies}
        arrays = {name: part[..., columns].astype(np.float32) for name, part in parts.items()}
        (artifacts / path).parent.mkdir()
        np.savez(artifacts / path, index=index, ranked_index=ranked, **arrays, **names)
    return root
