"""`python -m pipeline.benchmarks.certh_features FILE.csv`: two Laplacian measures, whole CERTH."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import params_option, path_argument
from pipeline.config.running import run


@click.command()
@path_argument
@params_option
def features_command(path: Path, params_file: Path) -> None:
    """Judge CERTH's official test half by Laplacian measures alone, read from the CSV file PATH.

    Its columns are split, subset, laplacian_variance, laplacian_max, blurred. Prints a constant
    answer, the published threshold, the best threshold of the training rows, and a stacked dense
    network on both measures, each with 95 % intervals.
    """
    from pipeline.benchmarks.feature_models import report
    from pipeline.benchmarks.feature_rows import read_feature_rows
    from pipeline.config import load_params

    params = load_params(params_file)
    click.echo(report(read_feature_rows(path), params))


if __name__ == "__main__":
    run(features_command)
