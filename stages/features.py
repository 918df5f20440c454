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
    from pipeline.features.polar_store import polar_store

    params = load_params()
    store = Store.open(ARTIFACTS / "load")
    count = measure_store(store, ARTIFACTS / "features", params)
    spectra = polar_store(store, ARTIFACTS / "features", params)
    values = len(feature_names(params.features))
    print(f"{count} images, {values} values each; {spectra} spectra for the kind")


if __name__ == "__main__":
    run(main)
