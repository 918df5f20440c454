"""`python -m pipeline.comparison.run [FOLDER...]`: the table of `make compare`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import model_dir_option, params_option
from pipeline.config.running import run


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@model_dir_option
@params_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("artifacts/comparison"),
    show_default=True,
    help="Where comparison.csv, .md and .png are written.",
)
def comparison_command(
    folders: tuple[Path, ...], model_dir: Path, params_file: Path, out: Path
) -> None:
    """Compare all trained presets, the baselines and our model on our test photos.

    The photos of FOLDERS are judged as well; nothing is trained on them.
    """
    from pipeline.comparison.compare import compare
    from pipeline.comparison.table import markdown, write
    from pipeline.config import load_params

    found = compare(model_dir, folders, load_params(params_file))
    write(found, out)
    click.echo(markdown(found), nl=False)
    click.echo(f"written to {out}", err=True)


if __name__ == "__main__":
    run(comparison_command)
