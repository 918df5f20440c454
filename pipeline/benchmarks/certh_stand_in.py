"""`python -m pipeline.benchmarks.certh_stand_in PATH`: CERTH's tree at full size, synthetic."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import path_argument
from pipeline.config.running import run


@click.command()
@path_argument
@click.option(
    "--images-side",
    type=click.IntRange(min=64),
    default=3296,
    show_default=True,
    help="Long side of the images in pixels.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Write only this share of each folder.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes; 0 is one for each core.",
)
def stand_in_command(path: Path, images_side: int, share: float, seed: int, workers: int) -> None:
    """Write a stand-in of the CERTH data set into the new folder PATH, for tests of scale.

    At full size it holds 2,480 JPEGs of 8 megapixels in the official folders, with official
    names and label sheets: some 3 GB. Its pictures are synthetic; an accuracy measured on it means
    nothing.
    """
    from pipeline.benchmarks.official_tree import write_stand_in

    count = write_stand_in(path, images_side, share, seed, workers)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    click.echo(f"{path}: {count} images, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    run(stand_in_command)
