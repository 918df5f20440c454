"""`blur explain`: why a photo is called blurred or not, as a picture or a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options

if TYPE_CHECKING:
    from pipeline.serving.verdict import Verdict

_PATH = click.Path(path_type=Path)
_MODEL = "Folder written by 'blur export', or by 'blur preset'.  [default: shipped]"


@click.command()
@click.argument("photo", nargs=-1, required=True, type=click.Path(), metavar="PHOTO...")
@click.option("--model", type=_PATH, help=_MODEL)
@click.option(
    "--output",
    type=_PATH,
    help="Folder for a file of each photo, or one file .html, or .png for one photo.  "
    "[default: this folder]",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(("png", "html")),
    help="Of the files in a folder.  [default: png]",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--grad-cam/--no-grad-cam",
    default=None,
    help="Show where the network looked, which needs TensorFlow and takes seconds.  "
    "[default: where it is installed]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Probability from which a photo is blurred, instead of the model's own.",
)
@options.one_line_errors
def explain(
    photo: tuple[str, ...],
    model: Path | None,
    output: Path | None,
    style: str | None,
    force: bool,
    grad_cam: bool | None,
    threshold: float | None,
) -> None:
    """Show why each PHOTO is called blurred or not.

    The photo stands beside its blur map and, with TensorFlow, Grad-CAM of the network; below them
    kind, direction and extent of the blur, and the measures that spoke most for and against. A
    photo a.jpg is explained in a-explained.png; nothing is overwritten. The exit code is 1 where a
    photo could not be read.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from pipeline.config.errors import BlurError
    from pipeline.explain.explainer import open_explainer
    from pipeline.explain.explanation import grad_cam_missing
    from pipeline.explain.output import Target, write_explanations
    from pipeline.scan.formats import shown

    missing = grad_cam_missing()
    if grad_cam and missing:
        raise BlurError(missing)
    heat = missing is None if grad_cam is None else grad_cam
    target = Target.of(output, style, len(photo), force)
    unread = []

    def said(verdict: Verdict, path: Path | None) -> None:
        name = shown(verdict.path)
        if verdict.error is not None or verdict.probability is None:
            unread.append(name)
            click.echo(f"warning: {name}: {shown(verdict.error or '')}", err=True)
            return
        word = f"blurred ({verdict.kind})" if verdict.blurred else "not blurred"
        click.echo(f"{name}: {word}, probability {verdict.probability:.3f}: {path}")

    explainer = open_explainer(model, threshold=threshold)
    write_explanations(explainer, list(photo), target, heat, said)
    if unread:
        raise click.exceptions.Exit(1)
