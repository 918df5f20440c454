"""Stage `features`: focus measures of the training and validation images."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load_params
from pipeline.config.running import run

ARTIFACTS = Path("artifacts")


def main() -> None:
    """Read artifacts/load, write artifacts/features."""
    from pipeline.data.store import Store
    from pipeline.features import feature_names
    from pipeline.features.measure_store import measure_store

    params = load_params()
    count = measure_store(Store.open(ARTIFACTS / "load"), ARTIFACTS / "features", params)
    print(f"{count} images, {len(feature_names(params.features))} values each")


if __name__ == "__main__":
    run(main)
