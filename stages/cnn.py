"""Stage `cnn`: fit the network, once for each fold and once on all training images."""

from pathlib import Path

from pipeline.config import load_params
from pipeline.config.running import run


def main() -> None:
    """Read artifacts/load, write artifacts/cnn."""
    from pipeline.networks.crossfit import cross_fit

    print(cross_fit(Path("artifacts/load"), Path("artifacts/cnn"), load_params()))


if __name__ == "__main__":
    run(main)
