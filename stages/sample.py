"""Helper stage: write the embedded data set to data/sample as a CERTH tree."""

from pathlib import Path

from blur_fusion.errors import run
from blur_fusion.params import load_params


def main() -> None:
    """Render what `sample` in params.yaml asks for."""
    from blur_fusion.sample.tree import write_sample

    params = load_params()
    root = Path("data/sample")
    count = write_sample(root, params.sample, params.seed, params.compute.workers)
    print(f"{root}: {count} images")


if __name__ == "__main__":
    run(main)
