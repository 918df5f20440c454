"""What commands share: options and arguments, warnings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)
PROPORTION = click.FloatRange(0, 1)


class LayoutName(click.Choice[str]):
    """A name of a layout, looked up when it is asked for: readers register themselves."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> list[str]:  # type: ignore[override]
        """All names; reading them imports NumPy."""
        from blur_fusion.data.layouts import layout_names

        return layout_names()


def warn(*lines: str, fail: bool = False) -> None:
    """Print `lines` as warnings to stderr; where there are any and `fail`, end with exit code 1."""
    for line in lines:
        click.echo(f"warning: {line}", err=True)
    if fail and lines:
        raise click.exceptions.Exit(1)


path_argument = click.argument("path", type=PATH)
target_argument = click.argument("target", type=PATH)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
layout_option = click.option(
    "--layout",
    type=LayoutName(),
    default="auto",
    help="How the data set is laid out; 'metadata' must be named, the others are recognised.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    help="Number of threads that read images; 0 means one per core.",
)
model_option = click.option(
    "--model",
    type=PATH,
    help="Folder written by 'blur export' or 'blur preset'.  [default: shipped]",
)
model_dir_option = click.option(
    "--model-dir",
    type=PATH,
    default=Path("artifacts"),
    help="Folder written by 'make repro': holds cnn, fuse and evaluate.",
)
threshold_option = click.option(
    "--threshold",
    type=PROPORTION,
    help="Probability at which a photo counts as blurred, instead of the model's own two.",
)
_params_option = partial(click.option, "--params", "params_file", type=PATH)
own_params_option = _params_option(
    help="Parameter file.  [default: params.yaml if there is one, else built-in values]"
)
params_option = _params_option(
    default=Path("params.yaml"), help="Parameters that the models were trained with."
)
