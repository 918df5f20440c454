"""`python -m benchmarks.load_rate PATH`: storing working images against decoding."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blur_fusion.cli.options import layout_option, params_option, path_argument, workers_option
from blur_fusion.errors import run

if TYPE_CHECKING:
    from blur_fusion.params import Params


@dataclass(frozen=True)
class LoadRate:
    """Wall times in seconds and resident memory in bytes for `images` files.

    Attributes
    ----------
    opened : float
        Listing, hashing and splitting the data set.
    stored : float
        Writing the store: decoding, shrinking, writing.
    decoded : tuple of float
        Decoding the same files in grey at full size, before and after storing.
    memory_before, memory_peak : int
        Highest resident memory before the first image was decoded, and when all were stored.
    """

    name: str
    images: int
    megabytes: float
    threads: int
    opened: float
    stored: float
    decoded: tuple[float, float]
    memory_before: int
    memory_peak: int

    @property
    def decode_rate(self) -> float:
        """Images a second, from both passes."""
        return 2 * self.images / sum(self.decoded)

    @property
    def ratio(self) -> float:
        """Rate of storing over that of decoding."""
        return self.images / self.stored / self.decode_rate

    @property
    def whole_ratio(self) -> float:
        """The same with opening the data set counted as part of storing."""
        return self.images / (self.opened + self.stored) / self.decode_rate


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decode_all(paths: Sequence[Path], threads: int) -> None:
    """Decode every file in grey as `load` does, at full size, and drop the pixels."""
    import cv2

    from blur_fusion.images.working import working_image
    from blur_fusion.parallel import ordered_map, shown

    def decode(path: Path) -> None:
        working_image(path, sys.maxsize)  # large enough: nothing is shrunk

    cv2.setNumThreads(1)  # as when the store is written
    for _ in shown(ordered_map(decode, paths, threads), len(paths), "decode"):
        pass


def measure_load(root: Path, layout: str, params: Params, workers: int = 0) -> LoadRate:
    """Time `write_store` on the data set at `root` into a temporary folder, and bare decoding.

    Decoding is timed before and after, so that a machine that slows down favours neither. The
    files have been read once (hashed) by then: where memory allows, no disk is measured.

    Raises
    ------
    BlurError
        The data set cannot be opened or split, or an image is unreadable.
    """
    from blur_fusion.data.layouts import open_dataset
    from blur_fusion.data.split import assign_splits
    from blur_fusion.data.store import write_store

    threads = workers or os.cpu_count() or 1
    start = time.perf_counter()
    chosen = params.dataset
    dataset = open_dataset(root, layout, chosen.sharp_folder, chosen.blurred_folder)
    rows = assign_splits(dataset, params.split, params.seed)
    opened = time.perf_counter() - start
    paths = [row.path for row in rows]
    before = peak_memory()
    first = _seconds(lambda: decode_all(paths, threads))
    with tempfile.TemporaryDirectory(prefix="load_rate_") as folder:
        stored = _seconds(
            lambda: write_store(dataset, rows, folder, params.image, params.load, threads)
        )
    peak = peak_memory()
    second = _seconds(lambda: decode_all(paths, threads))
    return LoadRate(
        name=dataset.name,
        images=len(rows),
        megabytes=sum(path.stat().st_size for path in paths) / 1e6,
        threads=threads,
        opened=opened,
        stored=stored,
        decoded=(first, second),
        memory_before=before,
        memory_peak=peak,
    )


def as_text(found: LoadRate) -> str:
    """The figures as lines of text."""
    store_rate = found.images / found.stored
    first, second = found.decoded
    return "\n".join(
        [
            f"data set {found.name}: {found.images} images, {found.megabytes:.0f} MB, "
            f"{found.threads} threads",
            f"decode in grey   {found.decode_rate:8.2f} images/s  "
            f"(two passes: {first:.1f} s, {second:.1f} s)",
            f"write the store  {store_rate:8.2f} images/s  ({found.stored:.1f} s)",
            f"ratio            {found.ratio:8.3f}",
            f"open and hash    {found.opened:8.1f} s; ratio with it {found.whole_ratio:.3f}",
            f"peak memory      {found.memory_peak / 1e9:8.3f} GB resident "
            f"({found.memory_before / 1e9:.3f} GB before the first image)",
        ]
    )


@click.command()
@path_argument
@params_option
@layout_option
@workers_option
def load_rate_command(path: Path, params_file: Path, layout: str, workers: int) -> None:
    """Measure how fast `load` stores the data set at PATH, against merely decoding its files.

    Both run in this process with the same number of threads. Prints images per second of both,
    their ratio and the peak resident memory. Nothing is kept.
    """
    from blur_fusion.params import load_params

    click.echo(as_text(measure_load(path, layout, load_params(params_file), workers)))


if __name__ == "__main__":
    run(load_rate_command)
