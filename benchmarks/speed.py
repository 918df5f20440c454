"""`python -m benchmarks.speed FOLDER...`: speed and accuracy of `blur scan`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.peers import PEERS
from blur_fusion.cli.options import one_line_errors
from blur_fusion.data.dataset import LabelledImage
from blur_fusion.errors import BlurError, require

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Files:
    """Copies of a data set's photos in a folder of their own.

    Attributes
    ----------
    name : str
        Of the data set.
    folder : Path
    count : int
        Number of copies.
    labels : dict
        Label (1 is blurred) by the file name of the first copy of each photo.
    """

    name: str
    folder: Path
    count: int
    labels: dict[str, int]


@dataclass(frozen=True)
class Tool:
    """A program, and what tells from its standard output whether each file, by name, is blurred."""

    name: str
    command: list[str]
    answers: Callable[[bytes], dict[str, bool]]


@dataclass
class Runs:
    """Wall times in seconds and the last answers of a tool on `files`; why it failed, if it did."""

    tool: str
    files: Files
    seconds: list[float] = field(default_factory=list)
    answers: dict[str, bool] = field(default_factory=dict)
    problem: str | None = None

    @property
    def rate(self) -> float:
        """Photos a second in the best run."""
        return self.files.count / min(self.seconds)

    def called_blurred(self, label: int) -> tuple[int, int]:
        """How many distinct photos of a label were called blurred, and how many there are."""
        names = [name for name, given in self.files.labels.items() if given == label]
        return sum(self.answers.get(name, False) for name in names), len(names)

    @property
    def unread(self) -> int:
        """Distinct photos without an answer."""
        return sum(name not in self.answers for name in self.files.labels)


def repeat(images: Iterable[LabelledImage], count: int, name: str, folder: Path) -> Files:
    """Copy photos in turn into `folder` until there are `count` files.

    Raises
    ------
    BlurError
        There are no photos.
    """
    given = list(images)
    require(bool(given), f"{name}: holds no labelled photo")
    folder.mkdir(parents=True)
    labels: dict[str, int] = {}
    for number in range(count):
        image = given[number % len(given)]
        copy = f"{number:05d}{image.path.suffix}"
        shutil.copyfile(image.path, folder / copy)
        if number < len(given):
            labels[copy] = image.label
    return Files(name, folder, count, labels)


def _from_lines(output: bytes) -> dict[str, bool]:
    rows = [json.loads(line) for line in output.splitlines()]
    read = [row for row in rows if row["error"] is None]
    return {os.path.basename(row["path"]): row["blurred"] for row in read}


def blur_scan(folder: Path, workers: int, model: Path | None) -> Tool:
    """`blur scan` as people run it."""
    command = [sys.executable, "-m", "blur_fusion.cli.main", "scan", str(folder)]
    command += ["--format", "jsonl", "--workers", str(workers)]
    command += ["--model", os.path.abspath(model)] if model else []
    return Tool("blur scan", command, _from_lines)


def installed(name: str, python: Path) -> str | None:
    """Version of a package that `python` has; None where it has none.

    Raises
    ------
    BlurError
        `python` is no interpreter.
    """
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    try:
        ran = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError as error:
        line = f"{python}: is no Python that can be run ({error.strerror or error})"
        raise BlurError(line) from None
    return ran.stdout.strip() if ran.returncode == 0 else None


def peer(name: str, version: str, python: Path, folder: Path, workers: int) -> Tool:
    """Another program, run by the interpreter that has it."""
    answers = folder.parent / f"{folder.name}.{name}.json"
    script = _HERE / "peers.py"

    def read(output: bytes) -> dict[str, bool]:
        found: dict[str, bool] = json.loads(answers.read_text("utf-8"))
        return found

    command = [os.path.abspath(python), str(script), name, str(folder), str(answers)]
    command.append(str(workers))
    return Tool(f"{name} {version}", command, read)


def _pinned(workers: int) -> Callable[[], None] | None:
    """What keeps a child on as many cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[:workers]
    return lambda: os.sched_setaffinity(0, cores)


def run_once(tool: Tool, runs: Runs, workers: int) -> None:
    """Time a process from its start to its end, and read its answers."""
    root = str(_HERE.parent)
    path = os.pathsep.join(filter(None, [f"{root}/pipeline", root, os.environ.get("PYTHONPATH")]))
    ours = tool.name == "blur scan"  # another interpreter shall not find our packages
    extra = {"PYTHONPATH": path} if ours else {"SENTRY_OPT_OUT": "1"}  # fastdup's calls home
    environment = {k: v for k, v in os.environ.items() if ours or k != "PYTHONPATH"}
    start = time.perf_counter()
    ran = subprocess.run(
        tool.command,
        env={**environment, **extra},
        cwd=runs.files.folder.parent,
        capture_output=True,
        check=False,
        preexec_fn=_pinned(workers),
    )
    seconds = time.perf_counter() - start
    try:
        answers = tool.answers(ran.stdout)
    except (OSError, ValueError, KeyError):
        answers = {}
    if not answers:
        lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        runs.problem = f"failed with {ran.returncode} ({lines[-1] if lines else 'no message'})"
        return
    runs.seconds.append(seconds)
    runs.answers = answers


def compete(files: Files, tools: Sequence[Tool], rounds: int, workers: int) -> list[Runs]:
    """Run all tools in turn, `rounds` times, each round beginning with another one.

    So a machine that slows down, and files that are not yet in memory, favour none of them.
    """
    found = {tool.name: Runs(tool.name, files) for tool in tools}
    for number in range(rounds):
        first = number % len(tools)
        for tool in [*tools[first:], *tools[:first]]:
            if found[tool.name].problem is None:
                run_once(tool, found[tool.name], workers)
    return list(found.values())


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


def _versions(python: Path) -> dict[str, str]:
    """Versions of the other programs; a line for each that is not there."""
    versions = {name: installed(name, python) for name in PEERS}
    for name in [name for name, version in versions.items() if version is None]:
        line = f"python -m venv peers && peers/bin/pip install {name}"
        again = "then add --peers peers/bin/python"
        click.echo(f"{name}: left out, it is not installed; {line}, {again}", err=True)
    return {name: version for name, version in versions.items() if version is not None}


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
@click.option(
    "--peers",
    "python",
    type=_PATH,
    default=sys.executable,
    help="Interpreter that has cleanvision and fastdup.  [default: this one]",
)
@click.option("--model", type=_PATH, help="Folder written by 'blur export'.  [default: shipped]")
@one_line_errors("this benchmark")
def speed_command(
    folders: tuple[Path, ...],
    count: int,
    workers: int,
    rounds: int,
    python: Path,
    model: Path | None,
) -> None:
    """Measure how fast and how rightly blur scan, cleanvision and fastdup judge photos.

    FOLDERS are data sets with labels: class folders, or images beside a labels.csv; ambiguous
    photos are left out. Programs run as whole processes, in turn, on copies that are deleted
    afterwards. Accuracy counts each photo once.
    """
    from blur_fusion.data.layouts import open_dataset

    versions = _versions(python)
    for folder in folders:
        dataset = open_dataset(folder)
        place = Path(tempfile.mkdtemp(prefix="speed_"))
        try:
            files = repeat(dataset, count, dataset.name, place / "photos")
            others = [peer(*of, python, files.folder, workers) for of in versions.items()]
            tools = [blur_scan(files.folder, workers, model), *others]
            results = compete(files, tools, rounds, workers)
            click.echo(as_text(results, workers, rounds))
        finally:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    speed_command()
