"""Stage `fuse`: stack CNN logits and focus measures; calibration and thresholds by validation."""

from pathlib import Path

from blur_fusion.errors import run
from blur_fusion.params import load_params

ARTIFACTS = Path("artifacts")


def main() -> None:
    """Read artifacts/load, cnn and features; write the model folder artifacts/fuse."""
    from blur_fusion.data.store import Store
    from blur_fusion.fusion.train import read_table
    from blur_fusion.model.export import write_fused

    store = Store.open(ARTIFACTS / "load")
    known = store.labels, store.splits, store.kinds
    table = read_table(ARTIFACTS / "cnn", ARTIFACTS / "features", *known)
    print(write_fused(table, ARTIFACTS / "cnn", ARTIFACTS / "fuse", load_params()))


if __name__ == "__main__":
    run(main)
