"""Helper stage: write the embedded data set as a CERTH tree."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", folder: str = "data/sample") -> None:
    """Render it as `sample` in the params asks, whatever data set they name."""
    from blur_fusion.sample.tree import write_sample

    params, root = load_params(params_file), Path(folder)
    count = write_sample(root, params.sample, params.seed, params.compute.workers)
    print(f"{root}: {count} images")


if __name__ == "__main__":
    run(main)
