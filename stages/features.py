"""Stage `features`: focus measures of the training and validation images."""

from __future__ import annotations

from pathlib import Path

from blur_fusion.errors import run
from blur_fusion.params import load_params

ARTIFACTS = Path("artifacts")


def main() -> None:
    """Read artifacts/load, write artifacts/features."""
    from blur_fusion.data.store import Store
    from blur_fusion.features.store import measure_store
    from blur_fusion.features.summary import feature_names

    params = load_params()
    store = Store.open(ARTIFACTS / "load")
    count = measure_store(store, ARTIFACTS / "features", params)
    values = len(feature_names(params.features))
    print(f"{count} images, {values} values each")


if __name__ == "__main__":
    run(main)
