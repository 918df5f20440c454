"""Options that commands share, and warnings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)
PROPORTION = click.FloatRange(0, 1)

flag = partial(click.option, is_flag=True)
path_option = partial(click.option, type=PATH)
folder_option = partial(click.option, type=PATH, metavar="DIR")
count_option = partial(click.option, type=COUNT)


def warn(*lines: str, fail: bool = False) -> None:
    """Print `lines` as warnings to stderr; if there are any and `fail`, end with exit code 1."""
    for line in lines:
        click.echo(f"warning: {line}", err=True)
    if fail and lines:
        raise click.exceptions.Exit(1)


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    help="Number of threads that read images; 0 means one per core.",
)
model_option = path_option(
    "--model", help="Folder written by 'blur export' or 'blur preset'.  [default: shipped]"
)
threshold_option = click.option(
    "--threshold",
    type=PROPORTION,
    help="Probability from which a photo counts as blurred, instead of the model's own two.",
)
_params = partial(path_option, "--params", "params_file")
params_option = _params(
    default=Path("params.yaml"), help="Parameters that the models were trained with."
)
own_params_option = _params(
    help="Parameter file.  [default: params.yaml if there is one, else built-in values]"
)
