"""`blur review`: the page of `blur scan --report`, served from this machine."""

from __future__ import annotations

from typing import Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import PATH, warn
from blur_fusion.errors import one_line_errors
from blur_fusion.startup import prepare


@click.command()
@click.argument("folder", type=PATH)
@options.model_option
@options.threshold_option
@click.option(
    "--cache",
    type=PATH,
    help="Remember verdicts in this file.  [default: blur-decisions.cache, beside the decisions]",
)
@click.option(
    "--decisions",
    type=PATH,
    help="Keep decisions in this file.  [default: blur-decisions.json in FOLDER]",
)
@click.option(
    "--move",
    type=PATH,
    metavar="DIR",
    help="Where rejected photos go when you have them moved.  [default: rejected in FOLDER]",
)
@click.option(
    "--bursts/--no-bursts",
    default=True,
    help="Find photos of one scene and rank them by sharpness, which reads each at full size.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@one_line_errors()
def review(**asked: Any) -> None:
    """Review the photos below FOLDER in the browser, until Ctrl-C.

    Scans them, then serves the page of 'blur scan --report' to this machine alone: keep or reject
    by keyboard, enlarge where the photo is sharpest, see its blur map. Each decision is on disk at
    once. Photos are not touched until Apply, which first shows what will happen, and can be
    undone. Needs the extra 'review'.
    """
    prepare()
    from blur_fusion.app.review import ReviewSettings, serve_review

    settings = ReviewSettings(**asked)
    serve_review(settings, lambda at: click.echo(f"serving at {at} (Ctrl-C ends it)"), warn)
