"""Stage `fuse`: stack CNN logits and focus measures, calibrate, choose thresholds."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", artifacts: str = "artifacts") -> None:
    """Read artifacts/load, cnn and features; write the model folder artifacts/fuse."""
    from blur_fusion.data.store import Store
    from blur_fusion.fusion.train import read_table
    from blur_fusion.model.export import write_fused

    folder = Path(artifacts)
    store = Store.open(folder / "load")
    known = store.labels, store.splits, store.kinds, store.folds
    table = read_table(folder / "cnn", folder / "features", *known)
    print(write_fused(table, folder / "cnn", folder / "fuse", load_params(params_file)))


if __name__ == "__main__":
    run(main)
