"""`blur data fetch`: bring a published data set to where the stages look for it."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.acquisition.sources import CERTH_TARGET, CERTH_URL, KWENTAR_LINE
from pipeline.cli import options


@click.group()
def fetch() -> None:
    """Bring a published data set to its folder under data."""


@fetch.command()
@click.option("--url", default=CERTH_URL, show_default=True, help="The official zip.")
@click.option(
    "--target",
    type=click.Path(path_type=Path),
    default=Path(CERTH_TARGET),
    show_default=True,
    help="Folder to make; the zip is kept beside it. It must not exist.",
)
@click.option(
    "--zip",
    "archive",
    type=click.Path(path_type=Path),
    help="Unpack this zip, downloaded by hand, instead.",
)
@options.needs_train("blur data fetch")
@options.one_line_errors
def certh(url: str, target: Path, archive: Path | None) -> None:
    """Download and unpack the CERTH Image Blur Dataset.

    About 3.7 GB, for research. A download that broke off goes on where it was. A zip that lies
    beside the target already (data/certh.zip) is taken as it is. Images are counted: each folder
    that differs from the published numbers is a warning, and the exit code is 1.
    """
    from pipeline.acquisition.certh import fetch_certh

    done = fetch_certh(target, url, archive)
    for line in done.mismatches:
        click.echo(f"warning: {line}", err=True)
    verdict = "not the published numbers" if done.mismatches else "as published"
    click.echo(f"{done.target}: {done.images} images, {verdict}; {done.archive} may be deleted now")
    if done.mismatches:
        raise click.exceptions.Exit(1)


@fetch.command()
def kwentar() -> None:
    """Say where Kaggle keeps kwentar's blur data set, and where to put it.

    Nothing is downloaded: Kaggle wants an account. The exit code is 0.
    """
    click.echo(KWENTAR_LINE)
