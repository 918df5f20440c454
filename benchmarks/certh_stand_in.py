"""`python -m benchmarks.certh_stand_in PATH`: CERTH's tree at full size, synthetic."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import click
from joblib import Parallel, delayed

from benchmarks.pictures import LENS_BLUR, SHARP, write_pictures
from blur_fusion.cli.options import path_argument
from blur_fusion.data.certh import ORIGINAL_OF_FILTER
from blur_fusion.errors import require, run
from blur_fusion.progress import progress_bar
from blur_fusion.sample.digital import FILTERS
from blur_fusion.sample.tree import (
    ARTIFICIAL,
    DIGITAL,
    NATURAL,
    NATURALLY,
    UNDISTORTED,
    write_sheet,
)

UNDISTORTED_IMAGES, NATURALLY_BLURRED_IMAGES = 630, 220
ARTIFICIAL_SCENES = 10  # of 15 filters each: 150 images
NATURAL_IMAGES, NATURAL_BLURRED = 1000, 411
BASES = len(ORIGINAL_OF_FILTER)  # so that each of the 30 digital scenes is a picture of its own
BLANK_ROW = cast("tuple[str, int]", (None, None))  # the official digital sheet holds one

Item = TypeVar("Item")


@dataclass(frozen=True)
class PlannedImage:
    """A file of the tree: its path in it, what it shows, and how that is blurred.

    `blur` is `SHARP`, `LENS_BLUR` or the name of one of CERTH's filters.
    """

    path: str
    base: int
    blur: str

    @property
    def label(self) -> int:
        """1 blurred, 0 sharp."""
        return int(self.blur != SHARP)


def _part(items: Sequence[Item], share: float) -> Sequence[Item]:
    return items[: max(1, round(len(items) * share))]


def _camera_files(folder: str, count: int, blur: str) -> list[PlannedImage]:
    """Names as cameras give them, a quarter with the ending in small letters."""
    endings = (".JPG", ".JPG", ".JPG", ".jpg")
    return [
        PlannedImage(f"{folder}/DSC{number:05d}{endings[number % 4]}", number % BASES, blur)
        for number in range(1, count + 1)
    ]


def _filtered(folder: str, number: int) -> list[PlannedImage]:
    return [PlannedImage(f"{folder}/{name}_{number}.jpg", number - 1, name) for name in FILTERS]


def _natural(number: int) -> PlannedImage:
    """Image `number` from 1; blurred ones are spread evenly."""
    share = (NATURAL_BLURRED, NATURAL_IMAGES)
    blurred = number * share[0] // share[1] > (number - 1) * share[0] // share[1]
    blur = LENS_BLUR if blurred else SHARP
    return PlannedImage(f"{NATURAL}/Original_{number}.jpg", number % BASES, blur)


def plan_tree(share: float = 1.0) -> list[PlannedImage]:
    """Every image of the tree, or about `share` (0..1) of each folder, in whole digital scenes."""
    planned = [*_part(_camera_files(UNDISTORTED, UNDISTORTED_IMAGES, SHARP), share)]
    artificial = [_filtered(ARTIFICIAL, number + 1) for number in range(ARTIFICIAL_SCENES)]
    planned += [file for scene in _part(artificial, share) for file in scene]
    planned += _part(_camera_files(NATURALLY, NATURALLY_BLURRED_IMAGES, LENS_BLUR), share)
    originals = list(enumerate(ORIGINAL_OF_FILTER, start=1))
    for number, original in _part(originals, share):
        planned.append(PlannedImage(f"{DIGITAL}/Original_{original}.jpg", number - 1, SHARP))
        planned += _filtered(DIGITAL, number)
    planned += _part([_natural(number + 1) for number in range(NATURAL_IMAGES)], share)
    return planned


def _write_sheets(root: Path, planned: Sequence[PlannedImage]) -> None:
    """Both label sheets with the official headers, stray spaces and blank row."""
    signed = {0: -1, 1: 1}
    rows = {
        folder: [(Path(f.path), signed[f.label]) for f in planned if f.path.startswith(folder)]
        for folder in (DIGITAL, NATURAL)
    }
    digital = sorted((f"{path.name} ", code) for path, code in rows[DIGITAL])
    digital.insert(len(digital) // 2, BLANK_ROW)
    write_sheet(root / f"{DIGITAL}.xlsx", ("MyDigital Blur", None), digital)
    natural = [(path.stem, code) for path, code in rows[NATURAL]]
    write_sheet(root / f"{NATURAL}.xlsx", ("Image Name", "Blur Label"), natural)


def write_stand_in(
    root: Path, images_side: int, share: float = 1.0, seed: int = 0, workers: int = 0
) -> int:
    """Write the stand-in below `root`, in parallel; the result knows no worker count.

    The pictures are `BASES` synthetic scenes and their blurred versions; each file carries its own
    path as a JPEG comment, so that no two files are equal. Both halves show the same scenes: a
    figure of accuracy measured on it means nothing.

    Parameters
    ----------
    root : Path
        Missing or empty.
    images_side : int
        Long side of the images in pixels.
    share : float
        Above 0, at most 1.
    seed : int
    workers : int
        Processes; 0 for all cores.

    Returns
    -------
    int
        Number of images written.

    Raises
    ------
    BlurError
        `root` holds something already, or is no folder.
    """
    free = not root.exists() or (root.is_dir() and not any(root.iterdir()))
    require(free, f"{root}: exists and is no empty folder; name a new one")
    for folder in (UNDISTORTED, ARTIFICIAL, NATURALLY, DIGITAL, NATURAL):
        (root / folder).mkdir(parents=True)
        (root / folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    planned = plan_tree(share)
    _write_sheets(root, planned)
    groups = [[(f.path, f.blur) for f in planned if f.base == base] for base in range(BASES)]
    run = Parallel(n_jobs=workers or os.cpu_count(), return_as="generator_unordered")
    tasks = [
        delayed(write_pictures)(root, group, images_side, (seed, base))
        for base, group in enumerate(groups)
        if group
    ]
    with progress_bar(len(planned), "stand-in") as bar:
        for written in run(tasks):
            bar.update(written)
    return len(planned)


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
    count = write_stand_in(path, images_side, share, seed, workers)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    click.echo(f"{path}: {count} images, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    run(stand_in_command)
