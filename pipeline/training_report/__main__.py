"""`python -m pipeline.training_report`: write artifacts/evaluate/report.html after `dvc repro`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pipeline.cli.options import model_dir_option, params_option
from pipeline.config.running import run


@click.command()
@model_dir_option
@params_option
def report_command(model_dir: Path, params_file: Path) -> None:
    """Gather curves, tables and the worst errors of the last run in one page."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from pipeline.config import load_params
    from pipeline.training_report.write import write_report

    click.echo(f"{write_report(model_dir, load_params(params_file))}: written")


if __name__ == "__main__":
    run(report_command)
