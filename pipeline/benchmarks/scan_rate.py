"""`python -m pipeline.benchmarks.scan_rate FOLDER...`: speed and accuracy of `blur scan`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import needs_train, one_line_errors

if TYPE_CHECKING:
    from pipeline.benchmarks.scan_contest import Files, Runs, Tool

_PATH = click.Path(path_type=Path)


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {counts[1]}"


def as_text(results: list[Runs], workers: int, rounds: int) -> str:
    """A table of speed beside accuracy; the first result is ours."""
    files = results[0].files
    blurred = sum(files.labels.values())
    lines = [
        f"{files.name}: {files.count} files, copies of {len(files.labels)} photos "
        f"({blurred} blurred); {workers} cores, whole processes, best of {rounds}; "
        "ratio: rate of blur scan over this one's",
        f"{'':20} {'photos/s':>8}  {'blurred found':>13}  {'sharp flagged':>13}   ratio  seconds",
    ]
    for runs in results:
        if runs.problem is not None or not runs.seconds:
            lines.append(f"{runs.tool:20} {runs.problem}")
            continue
        ratio = results[0].rate / runs.rate if results[0].seconds else float("nan")
        unread = f"; {runs.unread} photos unread" if runs.unread else ""
        lines.append(
            f"{runs.tool:20} {runs.rate:8.1f}  {_share(runs.called_blurred(1)):>13}  "
            f"{_share(runs.called_blurred(0)):>13}  {ratio:6.2f}  "
            f"{' '.join(f'{seconds:.2f}' for seconds in runs.seconds)}{unread}"
        )
    return "\n".join(lines)


def _rivals(python: Path | None) -> dict[str, str]:
    """Versions of the other programs; a line for each that is not there."""
    from pipeline.benchmarks.scan_contest import RIVALS, installed

    versions: dict[str, str] = {}
    for name in RIVALS:
        version = installed(name, python or Path(sys.executable))
        if version is None:
            line = f"python -m venv rivals && rivals/bin/pip install {name}"
            again = "then add --python rivals/bin/python"
            click.echo(f"{name}: left out, it is not installed; {line}, {again}", err=True)
        else:
            versions[name] = version
    return versions


def _tools(
    files: Files, versions: dict[str, str], python: Path | None, workers: int, model: Path | None
) -> list[Tool]:
    from pipeline.benchmarks.scan_contest import blur_scan, rival

    interpreter = python or Path(sys.executable)
    others = [
        rival(name, version, interpreter, files.folder, workers)
        for name, version in versions.items()
    ]
    return [blur_scan(files.folder, workers, model), *others]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=_PATH, metavar="FOLDERS...")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Files that the photos of each folder are copied to.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Cores: threads of blur scan and fastdup, processes of cleanvision.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Times that each program runs; the best counts.",
)
@click.option("--python", type=_PATH, help="Interpreter that has cleanvision and fastdup.")
@click.option("--model", type=_PATH, help="Folder written by 'blur export'.  [default: shipped]")
@needs_train("this benchmark")
@one_line_errors
def scan_rate_command(
    folders: tuple[Path, ...],
    count: int,
    workers: int,
    rounds: int,
    python: Path | None,
    model: Path | None,
) -> None:
    """Measure how fast and how rightly blur scan, cleanvision and fastdup judge photos.

    FOLDERS are data sets with labels: class folders, or images beside a labels.csv; ambiguous
    photos are left out. Programs run as whole processes, in turn, on copies that are deleted
    afterwards. Accuracy counts each photo once.
    """
    from pipeline.benchmarks.scan_contest import compete, repeat
    from pipeline.data.open import open_dataset

    versions = _rivals(python)
    for folder in folders:
        dataset = open_dataset(folder)
        place = Path(tempfile.mkdtemp(prefix="scan_rate_"))
        try:
            files = repeat(dataset, count, dataset.name, place / "photos")
            tools = _tools(files, versions, python, workers, model)
            results = compete(files, tools, rounds, workers)
            click.echo(as_text(results, workers, rounds))
        finally:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    scan_rate_command()
