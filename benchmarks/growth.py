"""`python -m benchmarks.growth FOLDER`: `blur scan` as photos and workers grow in number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from logging import CRITICAL
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import cv2

from benchmarks.speed import Files, Program, blur_scan, our_environment, run_once
from blur_fusion.cli.options import COUNT, PATH
from blur_fusion.errors import one_line_errors, require
from blur_fusion.images.photo import working_image


def linked(folder: Path, count: int, side: int, target: Path) -> Files:
    """Make the photos below `folder` small and grey; link to them `count` times."""
    target.mkdir(parents=True)
    made: list[Path] = []
    for path in sorted(folder.rglob("*.[jJ][pP]*")):
        made.append(target.with_suffix(f".{len(made)}.jpg"))
        cv2.imwrite(str(made[-1]), working_image(path, side))
    require(bool(made), f"{folder}: holds no JPEG")
    for number, path in enumerate(islice(cycle(made), count)):
        os.link(path, target / f"{number:06d}.jpg")
    return Files(folder.name, target, count, {})


def row(name: str, program: Program) -> str:
    """A line of the table, from the best run."""
    if program.problem is not None:
        return f"{name:24} {program.problem}"
    best = min(program.seconds)
    each = 1000 * best / program.files.count
    return f"{name:24} {best:9.1f} {each:9.2f} {program.work:9.2f} {program.memory:7.0f}"


def grown(folder: Path, counts: tuple[int, ...], side: int, rounds: int) -> Iterator[str]:
    """Lines for growing numbers of photos, and one extrapolated to ten times the last."""
    found: list[Program] = []
    for count in counts:
        with TemporaryDirectory(prefix="growth_", ignore_cleanup_errors=True) as place:
            files = linked(folder, count, side, Path(place) / "photos")
            found.append(blur_scan(files, 2, None))
            for _ in range(rounds):
                run_once(found[-1], 2)
        yield row(f"{count} photos", found[-1])
    before, last = found[-2:]
    if before.seconds and last.seconds:
        more = last.files.count - before.files.count
        slope = (min(last.seconds) - min(before.seconds)) / more
        count = 10 * last.files.count
        seconds = min(last.seconds) + slope * (count - last.files.count)
        yield f"{f'{count} photos':24} {seconds:9.1f} {1000 * seconds / count:9.2f}   extrapolated"


def shared(folder: Path, count: int, side: int, rounds: int) -> Iterator[str]:
    """Lines for 1, 2 and 4 workers, without and with a local Dask cluster."""
    from distributed import LocalCluster

    os.environ["PYTHONPATH"] = our_environment()["PYTHONPATH"]  # for the cluster's workers
    with TemporaryDirectory(prefix="growth_", ignore_cleanup_errors=True) as place:
        files = linked(folder, count, side, Path(place) / "photos")
        for workers in (1, 2, 4):
            alone = blur_scan(files, workers, None)
            with LocalCluster(
                workers, threads_per_worker=1, dashboard_address=None, silence_logs=CRITICAL
            ) as cluster:
                given = [word for word in alone.command if word not in ("--workers", str(workers))]
                given += ["--backend", "dask", "--scheduler", cluster.scheduler_address]
                spread = replace(alone, command=given, seconds=[], processor=[])
                for _ in range(rounds):
                    run_once(alone, os.cpu_count() or 1)
                    run_once(spread, os.cpu_count() or 1)
            yield row(f"--workers {workers}", alone)
            yield row(f"Dask, {workers} processes", spread)


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=PATH)
@click.option("--counts", default="100,1000,10000", help="Numbers of photos.")
@click.option("--side", type=COUNT, default=320, help="Their long side in pixels.")
@click.option("--spread", type=COUNT, default=1000, help="Photos that a Dask cluster judges.")
@click.option("--rounds", type=COUNT, default=2, help="Runs of each; the best counts.")
@one_line_errors("this benchmark")
def growth_command(folder: Path, counts: str, side: int, spread: int, rounds: int) -> None:
    """Measure how time and memory of `blur scan` grow with photos and workers.

    Takes the photos of FOLDER, made small and linked to as often as needed.
    """
    head = f"{'seconds':>9} {'ms each':>9} {'CPU ms':>9} {'MB':>7}"
    click.echo(f"{f'photos of {side} pixels':24} {head}")
    for line in grown(folder, tuple(map(int, counts.split(","))), side, rounds):
        click.echo(line)
    for line in shared(folder, spread, side, rounds):
        click.echo(line)


if __name__ == "__main__":
    growth_command()
