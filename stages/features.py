"""Stage `features`: focus measures of the training and validation images."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", artifacts: str = "artifacts") -> None:
    """Read artifacts/load, write artifacts/features."""
    from blur_fusion.data.store import Store
    from blur_fusion.features.store import measure_store

    folder = Path(artifacts)
    store = Store.open(folder / "load")
    print(measure_store(store, folder / "features", load_params(params_file)))


if __name__ == "__main__":
    run(main)
