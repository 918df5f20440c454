"""`blur explain` and `blur app`: why a photo is called blurred, and judging in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import COUNT, PATH
from blur_fusion.errors import BlurError, one_line_errors

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Prediction


@click.command()
@click.argument("photo", nargs=-1, required=True, type=click.Path(), metavar="PHOTO...")
@options.model_option
@click.option(
    "--output",
    type=PATH,
    help="Folder for one file per photo; or one .html file; or one .png for one photo.  "
    "[default: this folder]",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(("png", "html")),
    help="Format of the files in a folder.  [default: png]",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--grad-cam/--no-grad-cam",
    default=False,
    help="Show where the network looked too; needs TensorFlow, and takes seconds.",
)
@options.threshold_option
@one_line_errors()
def explain(photo: tuple[str, ...], grad_cam: bool, **asked: Any) -> None:
    """Show why each PHOTO is called blurred or not.

    The picture holds the photo, its blur map and, with --grad-cam, where the network looked; below
    them the kind, direction and extent of the blur, and what spoke most for and against it. A
    photo a.jpg is explained in a-explained.png; nothing is overwritten. The exit code is 1 if a
    photo could not be read.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from blur_fusion.explain.explainer import Explainer, grad_cam_missing
    from blur_fusion.files import printable
    from blur_fusion.model.classifier import load
    from blur_fusion.report.explained import Target, write_explanations

    classifier = load(asked["model"], threshold=asked["threshold"])
    if grad_cam and (missing := grad_cam_missing(classifier)):
        raise BlurError(missing)
    target = Target.of(asked["output"], asked["style"], len(photo), asked["force"])
    unread = []

    def said(found: Prediction, path: Path | None) -> None:
        name = printable(found.path)
        if found.error is not None:
            unread.append(name)
            options.warn(f"{name}: {printable(found.error)}")
            return
        word = {"blurred": f"blurred ({found.kind})", "sharp": "not blurred"}.get(
            found.pile, found.pile
        )
        click.echo(f"{name}: {word}, probability {found.probability:.3f}: {path}")

    write_explanations(Explainer(classifier), list(photo), target, grad_cam, said)
    if unread:
        raise click.exceptions.Exit(1)


@click.command("app")
@options.model_option
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen on; other machines reach the app only if it is not loopback.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--share", is_flag=True, help="Make a public link through Gradio's servers.")
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--grad-cam/--no-grad-cam",
    default=None,
    help="Show where the network looked.  [default: if TensorFlow is installed]",
)
@options.threshold_option
@click.option(
    "--max-upload", type=COUNT, default=60, metavar="MB", help="Largest file that is accepted."
)
@click.option(
    "--max-pixels",
    type=COUNT,
    default=120,
    metavar="MILLIONS",
    help="Largest photo that is decoded.",
)
@one_line_errors()
def app(max_upload: int, max_pixels: int, **asked: Any) -> None:
    """Judge photos in the browser, until Ctrl-C.

    Drop photos, or take one: verdict, confidence and kind, the photo beside its blur map, a
    threshold to move, a table and its CSV. Only this machine can reach it, nothing is sent
    elsewhere, and uploads are deleted once they are judged. Needs the extra 'app'.
    """
    from blur_fusion.app.album import MEGA, Limits
    from blur_fusion.app.serve import Settings, serve

    settings = Settings(**asked, limits=Limits(max_upload * MEGA, max_pixels * MEGA))
    serve(settings, lambda address: click.echo(f"serving at {address} (Ctrl-C ends it)"))
