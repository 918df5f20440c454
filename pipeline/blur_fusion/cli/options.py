"""What commands share: options, errors in one line, the check for the extra."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from blur_fusion.errors import needs_train_line, train_installed

Command = TypeVar("Command", bound=Callable[..., Any])

LAYOUTS = (
    "auto",
    "certh",
    "folders",
    "labels",
)  # as in blur_fusion.data.layouts, which needs numpy


class ErrorLine(click.ClickException):
    """An error shown as one line; exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print `error: ...` to stderr."""
        click.echo(f"error: {self.format_message()}", file=file, err=True)


def needs_train(command: str) -> Callable[[Command], Command]:
    """Refuse to run `command` in one line where the extra `train` is not installed."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if not train_installed():
                raise ErrorLine(needs_train_line(f"'{command}'"))
            return function(*args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


def one_line_errors(function: Command) -> Command:
    """Turn a :class:`BlurError` into an :class:`ErrorLine`."""

    @wraps(function)
    def caught(*args: Any, **kwargs: Any) -> Any:
        from blur_fusion.errors import BlurError

        try:
            return function(*args, **kwargs)
        except BlurError as error:
            raise ErrorLine(str(error)) from None

    return caught  # type: ignore[return-value]


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
layout_option = click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="How the data set is laid out: CERTH's tree, class folders, or labels.csv.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Threads that read images; 0 is one for each core.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(("threads", "dask")),
    default="threads",
    show_default=True,
    help="Judge on this machine, or on a Dask cluster that sees the same files.",
)
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://10.0.0.1:8786."
)
model_dir_option = click.option(
    "--model-dir",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    help="Folder written by 'make repro': holds cnn, fuse and evaluate.",
)
params_option = click.option(
    "--params",
    "params_file",
    type=click.Path(path_type=Path),
    default=Path("params.yaml"),
    show_default=True,
    help="Parameters that the models were trained with.",
)
path_argument = click.argument("path", type=click.Path(path_type=Path))
