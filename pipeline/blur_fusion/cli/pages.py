"""`blur explain`, `blur app` and `blur review`: why a photo is called blurred, and pages served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import PATH, count_option, flag, folder_option, path_option, warn
from blur_fusion.errors import BlurError, one_line_errors
from blur_fusion.startup import prepare, quiet

if TYPE_CHECKING:
    from blur_fusion.model.prediction import Prediction

_open_option = flag("--open", "browser", help="Open the page in the browser.")


def _port_option(default: int) -> Any:
    about = "Port to listen on; 0 takes a free one."
    return click.option("--port", type=click.IntRange(0, 65535), default=default, help=about)


def _serving(address: str) -> None:
    click.echo(f"serving at {address} (Ctrl-C ends it)")


@click.command()
@click.argument("photo", nargs=-1, required=True, type=click.Path(), metavar="PHOTO...")
@options.model_option
@path_option(
    "--output",
    help="Folder for one file per photo; or one .html file; or one .png for one photo.  "
    "[default: this folder]",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(("png", "html")),
    help="Format of the files in a folder.  [default: png]",
)
@flag("--force", help="Replace existing files.")
@click.option(
    "--grad-cam/--no-grad-cam",
    default=False,
    help="Also show where the network looked; needs TensorFlow, and takes seconds.",
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
    quiet()
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
            warn(f"{name}: {printable(found.error)}")
            return
        word = "not blurred" if found.pile == "sharp" else found.pile
        word += f" ({found.kind_of_blur})" if found.kind_of_blur else ""
        click.echo(f"{name}: {word}, probability {found.probability:.3f}: {path}")

    write_explanations(Explainer(classifier), list(photo), target, grad_cam, said)
    if unread:
        raise click.exceptions.Exit(1)


@click.command()
@options.model_option
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen on; other machines reach the app only if it is not loopback.",
)
@_port_option(7860)
@flag("--share", help="Make a public link through Gradio's servers.")
@_open_option
@click.option(
    "--grad-cam/--no-grad-cam",
    default=None,
    help="Show where the network looked.  [default: if TensorFlow is installed]",
)
@options.threshold_option
@count_option("--max-upload", default=60, metavar="MB", help="Largest file accepted.")
@count_option("--max-pixels", default=120, metavar="MILLIONS", help="Largest photo decoded.")
@one_line_errors()
def app(max_upload: int, max_pixels: int, **asked: Any) -> None:
    """Judge photos in the browser, until Ctrl-C.

    Drop photos, or take one: verdict, confidence and kind, the photo beside its blur map, a
    threshold to move, a table and its CSV. Only this machine can reach it, nothing is sent
    elsewhere, and uploads are deleted once they are judged. Needs the extra 'app'.
    """
    from blur_fusion.app.serve import MEGA, Limits, Settings, serve

    serve(Settings(**asked, limits=Limits(max_upload * MEGA, max_pixels * MEGA)), _serving)


@click.command()
@click.argument("folder", type=PATH)
@options.model_option
@options.threshold_option
@path_option(
    "--cache",
    help="Remember verdicts in this file.  [default: blur-decisions.cache, beside the decisions]",
)
@path_option(
    "--decisions", help="Keep decisions in this file.  [default: blur-decisions.json in FOLDER]"
)
@folder_option("--move", help="Where Apply moves rejected photos.  [default: rejected in FOLDER]")
@click.option(
    "--bursts/--no-bursts",
    default=True,
    help="Find photos of one scene and rank them by sharpness, which reads each at full size.",
)
@_port_option(0)
@_open_option
@one_line_errors()
def review(**asked: Any) -> None:
    """Review the photos in FOLDER in the browser, until Ctrl-C.

    Scans them, then serves the page of 'blur scan --report' to this machine alone: keep or reject
    by keyboard, enlarge where the photo is sharpest, see its blur map. Each decision is on disk at
    once. Photos are not touched until Apply, which first shows what will happen, and can be
    undone. Needs the extra 'review'.
    """
    prepare()
    from blur_fusion.app.review import ReviewSettings, serve_review

    serve_review(ReviewSettings(**asked), _serving, warn)
