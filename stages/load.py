"""Stage `load`: check the data set, split it by scene, store its working images."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", artifacts: str = "artifacts") -> None:
    """Read the data set that the params name; write artifacts/load."""
    from blur_fusion.data.layouts import open_dataset
    from blur_fusion.data.split import assign_splits
    from blur_fusion.data.store import write_store

    params, folder = load_params(params_file), Path(artifacts, "load")
    root = Path(params.dataset.root) / params.dataset.name
    dataset = open_dataset(root, params.dataset.layout, params.dataset)
    for note in dataset.notes:
        print(f"note: {note}")
    rows = assign_splits(dataset, params.split, params.seed)
    write_store(dataset, rows, folder, params.image, params.load, params.compute.workers)
    splits = [row.split for row in rows]
    parts = ", ".join(f"{splits.count(name)} {name}" for name in ("train", "validation", "test"))
    scenes = len({row.key for row in rows})
    print(f"{dataset.name} {dataset.digest[:12]}: {len(rows)} images of {scenes} scenes: {parts}")


if __name__ == "__main__":
    run(main)
