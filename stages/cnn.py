"""Stage `cnn`: fit the network, once for each fold and once on all training images."""

from pathlib import Path

from blur_fusion.errors import run
from blur_fusion.params import load_params


def main() -> None:
    """Read artifacts/load, write artifacts/cnn."""
    from blur_fusion.cnn.crossfit import cross_fit

    print(cross_fit(Path("artifacts/load"), Path("artifacts/cnn"), load_params()))


if __name__ == "__main__":
    run(main)
