"""`blur`: parses and prints; the library works. Heavy imports stay inside the commands."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import __version__
from pipeline.cli import options
from pipeline.cli.app import app
from pipeline.cli.explain import explain
from pipeline.cli.export import export
from pipeline.cli.fetch import fetch
from pipeline.cli.preset import make, preset
from pipeline.cli.scan import scan
from pipeline.cli.undo import undo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blur")
def blur() -> None:
    """Tell blurred photos from sharp ones."""


@blur.command("test")
@options.path_argument
@options.json_option
@options.model_dir_option
@options.params_option
@options.layout_option
@options.workers_option
@options.needs_train("blur test")
@options.one_line_errors
def held_out_command(
    path: Path, as_json: bool, model_dir: Path, params_file: Path, layout: str, workers: int
) -> None:
    """Test the models on the held-out data set at PATH.

    Prints metrics with 95 % intervals, overall and by subset, beside a constant answer and the
    Laplacian baseline, and the images judged wrongly. The exit code is 1 where an image cannot be
    read.
    """
    from pipeline.config import load_params
    from pipeline.data.open import open_dataset
    from pipeline.evaluation import heldout, report

    params = load_params(params_file)
    names = params.dataset.sharp_folder, params.dataset.blurred_folder
    result = heldout.judge_held_out(open_dataset(path, layout, *names), params, model_dir, workers)
    for message in result["unreadable"]:
        click.echo(f"warning: {message}", err=True)
    click.echo(report.as_json(result) if as_json else heldout.as_text(result), nl=not as_json)
    if result["unreadable"]:
        raise click.exceptions.Exit(1)


@blur.group()
def data() -> None:
    """Look into data sets, and fetch them."""


data.add_command(fetch)
data.add_command(make)
blur.add_command(export)


@data.command()
@options.path_argument
@options.json_option
@options.params_option
@options.layout_option
@options.needs_train("blur data")
@options.one_line_errors
def check(path: Path, as_json: bool, params_file: Path, layout: str) -> None:
    """Say what the data set at PATH holds.

    Images by subset and label, scenes, and notes on what is left out. Nothing is changed.
    """
    from pipeline.config import load_params
    from pipeline.data.open import open_dataset
    from pipeline.evaluation import contents, report

    params = load_params(params_file).dataset
    dataset = open_dataset(path, layout, params.sharp_folder, params.blurred_folder)
    found = contents.describe(dataset, layout)
    click.echo(report.as_json(found) if as_json else contents.as_text(found), nl=not as_json)


blur.add_command(undo)
blur.add_command(scan)
blur.add_command(preset)
blur.add_command(explain)
blur.add_command(app)


def main() -> None:
    """Entry point of the console script `blur`."""
    blur()


if __name__ == "__main__":
    main()
