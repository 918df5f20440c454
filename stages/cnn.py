"""Stage `cnn`: fit the network once for each fold, and once on all training images."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", artifacts: str = "artifacts") -> None:
    """Read artifacts/load, write artifacts/cnn."""
    from blur_fusion.cnn.crossfit import cross_fit

    folder = Path(artifacts)
    print(cross_fit(folder / "load", folder / "cnn", load_params(params_file)))


if __name__ == "__main__":
    run(main)
