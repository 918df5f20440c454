"""Stage `fuse`: stack CNN logits and focus measures; calibration and thresholds by validation."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load_params
from pipeline.config.running import run

ARTIFACTS = Path("artifacts")


def main() -> None:
    """Read artifacts/load, cnn and features; write artifacts/fuse."""
    from pipeline.data.store import Store
    from pipeline.fusion.polar_rows import read_polar
    from pipeline.fusion.table import read_table
    from pipeline.fusion.train import fuse

    params = load_params()
    store = Store.open(ARTIFACTS / "load")
    known = store.labels, store.splits, store.kinds
    table = read_table(ARTIFACTS / "cnn", ARTIFACTS / "features", *known)
    polar = read_polar(ARTIFACTS / "features" / "polar.npz", store.kinds)
    print(fuse(table, ARTIFACTS / "fuse", params, polar))


if __name__ == "__main__":
    run(main)
