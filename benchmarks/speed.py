"""`python -m benchmarks.speed FOLDER...`: speed and accuracy of `blur scan`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil

from benchmarks.peers import DECODING, PEERS
from blur_fusion.cli.options import COUNT, PATH, model_option
from blur_fusion.data.dataset import LabelledImage
from blur_fusion.errors import one_line_errors, require
from blur_fusion.files import os_errors

ROOT = Path(__file__).resolve().parents[1]
OURS = "blur scan"
_LOOK = 0.25  # seconds between looks at memory: each takes the kernel some milliseconds


@dataclass(frozen=True)
class Files:
    """`count` copies of a data set's photos in one folder.

    `labels` has the label (1 is blurred) of the first copy of each photo, by file name.
    """

    name: str
    folder: Path
    count: int
    labels: dict[str, int]


@dataclass
class Program:
    """A program and its results on `files`.

    Attributes
    ----------
    name : str
    files : Files
    command : list of str
    answers_of : callable
        From standard output to whether each file, by name, is blurred.
    seconds : list of float
        Wall time of each run.
    answers : dict of bool
        From the last run.
    problem : str, optional
        Why it failed.
    memory : float
        Peak of the process and its children, in MB (10^6 bytes), shared pages counted once.
    processor : list of float
        Seconds of processor time of each run, with children.
    """

    name: str
    files: Files
    command: list[str]
    answers_of: Callable[[bytes], dict[str, bool]]
    seconds: list[float] = field(default_factory=list)
    answers: dict[str, bool] = field(default_factory=dict)
    problem: str | None = None
    memory: float = 0.0
    processor: list[float] = field(default_factory=list)

    @property
    def work(self) -> float:
        """Milliseconds of processor time for a photo, little affected by other programs."""
        return 1000 * min(self.processor, default=0) / self.files.count

    @property
    def rate(self) -> float:
        """Photos a second in the best run."""
        return self.files.count / min(self.seconds)

    def called_blurred(self, label: int) -> str:
        """How many photos with this label were called blurred, of how many."""
        names = [name for name, given in self.files.labels.items() if given == label]
        return f"{sum(self.answers.get(name, False) for name in names)} of {len(names)}"

    @property
    def unread(self) -> int:
        """Number of photos without an answer."""
        return len(self.files.labels.keys() - self.answers.keys())


def repeat(images: Iterable[LabelledImage], count: int, name: str, folder: Path) -> Files:
    """Copy photos in turn into `folder` until there are `count` files."""
    given = list(images)
    require(bool(given), f"{name}: holds no labelled photo")
    folder.mkdir(parents=True)
    copies = [f"{n:05d}{given[n % len(given)].path.suffix}" for n in range(count)]
    for copy, image in zip(copies, cycle(given), strict=False):
        shutil.copyfile(image.path, folder / copy)
    labels = {copy: image.label for copy, image in zip(copies, given, strict=False)}
    return Files(name, folder, count, labels)


def _from_lines(output: bytes) -> dict[str, bool]:
    rows = [json.loads(line) for line in output.splitlines()]
    read = [row for row in rows if row["error"] is None]
    return {os.path.basename(row["path"]): row["blurred"] for row in read}


def blur_scan(files: Files, workers: int, model: Path | None) -> Program:
    """The command `blur scan` on these files."""
    command = [sys.executable, "-m", "blur_fusion.cli.main", "scan", str(files.folder)]
    command += ["--format", "jsonl", "--workers", str(workers)]
    command += ["--model", os.path.abspath(model)] if model else []
    return Program(OURS, files, command, _from_lines)


def versions(python: Path) -> dict[str, str]:
    """Versions of all packages that `python` has."""
    found = "{one.name: one.version for one in importlib.metadata.distributions()}"
    command = [str(python), "-c", f"import json, importlib.metadata; print(json.dumps({found}))"]
    with os_errors(python, "not a Python interpreter that runs"):
        ran = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return dict(json.loads(ran.stdout or "{}"))


def peer(name: str, version: str, python: Path, files: Files, workers: int) -> Program:
    """Another program, run by the interpreter `python`."""
    answers = files.folder.with_suffix(f".{name}.json")
    words = (ROOT / "benchmarks" / "peers.py", name, files.folder, answers, workers)
    command = [os.path.abspath(python), *map(str, words)]
    return Program(
        f"{name} {version}".strip(), files, command, lambda _: json.loads(answers.read_bytes())
    )


def _pinned(workers: int) -> Callable[[], None] | None:
    """Pin a child process to as many cores, if the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[:workers]
    return lambda: os.sched_setaffinity(0, cores)


def our_environment() -> dict[str, str]:
    """Our environment variables, with our packages on PYTHONPATH."""
    paths = [f"{ROOT}/pipeline", str(ROOT), os.environ.get("PYTHONPATH")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run_once(program: Program, workers: int) -> None:
    """Time a whole process and read its answers."""
    environment = our_environment()
    if program.name != OURS:
        del environment["PYTHONPATH"]  # hides our packages from another interpreter
        environment["SENTRY_OPT_OUT"] = "1"  # fastdup's calls home
    start, before = time.perf_counter(), _spent()
    ran = subprocess.Popen(
        program.command,
        env=environment,
        cwd=program.files.folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_pinned(workers),
    )
    with ThreadPoolExecutor(1) as pool:
        memory = pool.submit(_most_memory, ran.pid)
        output, errors = ran.communicate()
        seconds = time.perf_counter() - start
    program.memory = max(program.memory, memory.result() / 1e6)
    program.answers = {}
    with suppress(OSError, ValueError, KeyError):
        program.answers = program.answers_of(output)
    if program.answers:
        program.seconds.append(seconds)
        program.processor.append(_spent() - before)
        return
    lines = errors.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    program.problem = f"failed with {ran.returncode} ({lines[-1]})"


def _spent() -> float:
    """Seconds of processor time of all ended children; 0 on Windows."""
    times = psutil.Process().cpu_times()
    return float(getattr(times, "children_user", 0) + getattr(times, "children_system", 0))


def _most_memory(number: int) -> int:
    """Peak of the bytes of a process and its children, sampled until it ends."""
    most = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        while process.status() != psutil.STATUS_ZOMBIE:
            now = 0
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    now += getattr(one.memory_full_info(), "pss", 0)
            most = max(most, now)
            time.sleep(_LOOK)
    return most


def compete(programs: Sequence[Program], rounds: int, workers: int) -> None:
    """Run all programs in turn, `rounds` times, each round starting with another one.

    A machine that slows down, or a cold file cache, then favours none of them.
    """
    for number in range(rounds):
        first = number % len(programs)
        for program in [*programs[first:], *programs[:first]]:
            if program.problem is None:
                run_once(program, workers)


def as_text(programs: Sequence[Program], workers: int, rounds: int) -> Iterator[str]:
    """A table of speed beside accuracy; the first program is ours."""
    ours, files = programs[0], programs[0].files
    yield (
        f"{files.name}: {files.count} files, copies of {len(files.labels)} photos "
        f"({sum(files.labels.values())} blurred); {workers} cores, whole processes, best of "
        f"{rounds}; ratio: rate of blur scan over this one's; CPU: of a photo"
    )
    heads = f"{'photos/s':>8}  {'blurred found':>13}  {'sharp flagged':>13}   ratio"
    heads += "  CPU ms     MB  seconds"
    yield f"{'':20} {heads}"
    for one in programs:
        if one.problem is not None:
            yield f"{one.name:20} {one.problem}"
            continue
        ratio = ours.rate / one.rate if ours.seconds else float("nan")
        unread = f"; {one.unread} photos unread" if one.unread else ""
        yield (
            f"{one.name:20} {one.rate:8.1f}  {one.called_blurred(1):>13}  "
            f"{one.called_blurred(0):>13}  {ratio:6.2f} {one.work:7.1f} {one.memory:6.0f}  "
            f"{' '.join(f'{seconds:.2f}' for seconds in one.seconds)}{unread}"
        )


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="FOLDERS...")
@click.option("--count", type=COUNT, default=500, help="Files made of each folder's photos.")
@click.option("--workers", type=COUNT, default=2, help="Cores that each program uses.")
@click.option("--rounds", type=COUNT, default=3, help="Runs of each program; the best counts.")
@click.option(
    "--peers",
    "python",
    type=PATH,
    default=sys.executable,
    show_default="this one",
    help="Interpreter with cleanvision and fastdup.",
)
@model_option
@one_line_errors("this benchmark")
def speed_command(
    folders: tuple[Path, ...],
    count: int,
    workers: int,
    rounds: int,
    python: Path,
    model: Path | None,
) -> None:
    """Compare the speed and accuracy of blur scan, cleanvision, fastdup and bare decoding.

    FOLDERS are labelled data sets: class folders, or images beside a labels.csv; ambiguous photos
    are left out. Programs run as whole processes, in turn, on temporary copies. Accuracy counts
    each photo once.
    """
    from blur_fusion.data.layouts import open_dataset

    known = versions(python)
    for name in PEERS:
        if name not in known:
            mend = f"python -m venv peers && peers/bin/pip install {name}, then add --peers"
            said = f"{name}: left out, it is not installed; {mend} peers/bin/python"
            click.echo(said, err=True)
    rivals = [name for name in PEERS if name in known]
    for folder in folders:
        dataset = open_dataset(folder)
        with TemporaryDirectory(prefix="speed_", ignore_cleanup_errors=True) as place:
            files = repeat(dataset, count, dataset.name, Path(place) / "photos")
            others = [peer(name, known[name], python, files, workers) for name in rivals]
            ours = Path(sys.executable)
            others += [peer(name, "", ours, files, workers) for name in DECODING]
            programs = [blur_scan(files, workers, model), *others]
            compete(programs, rounds, workers)
            click.echo("\n".join(as_text(programs, workers, rounds)))


if __name__ == "__main__":
    speed_command()
