"""Stage `features`: focus measures of the training and validation images."""

from pathlib import Path

from blur_fusion.errors import run
from blur_fusion.params import load_params


def main() -> None:
    """Read artifacts/load, write artifacts/features."""
    from blur_fusion.data.store import Store
    from blur_fusion.features.store import measure_store

    print(measure_store(Store.open(), Path("artifacts/features"), load_params()))


if __name__ == "__main__":
    run(main)
