"""`blur app`: judge photos in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli import options


@click.command("app")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Folder written by 'blur export', or by 'blur preset'.  [default: shipped]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; other machines reach the app only where this is not loopback.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--share", is_flag=True, help="Make a public link through Gradio's servers.")
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--grad-cam/--no-grad-cam",
    default=None,
    help="Show where the network looked, which needs TensorFlow.  [default: where installed]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Where the slider stands at first, instead of the model's own threshold.",
)
@click.option(
    "--max-upload",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    metavar="MB",
    help="Largest file that is taken.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=120,
    show_default=True,
    metavar="MILLIONS",
    help="Largest photo that is decoded.",
)
@options.one_line_errors
def app(
    model: Path | None,
    host: str,
    port: int,
    share: bool,
    browser: bool,
    grad_cam: bool | None,
    threshold: float | None,
    max_upload: int,
    max_pixels: int,
) -> None:
    """Judge photos in the browser, until Ctrl-C.

    Drop photos or take one: verdict, confidence and kind, the photo beside Grad-CAM or its blur
    map, a threshold to move, a table and its CSV. Served to this machine alone, nothing is sent
    elsewhere, and uploads are deleted once they are judged. Needs the extra 'app'.
    """
    from pipeline.app.limits import MEGA, Limits
    from pipeline.app.serve import Settings, serve

    limits = Limits(max_upload * MEGA, max_pixels * MEGA)
    settings = Settings(model, host, port, share, grad_cam, threshold, browser, limits)
    serve(settings, lambda address: click.echo(f"serving at {address} (Ctrl-C ends it)"))
