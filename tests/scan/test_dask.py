"""`blur scan --backend dask`: every photo answered once, whatever becomes of the workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.engine import scan
from blur_fusion.scan.pool import connected
from blur_fusion.scan.tasks import JobSpec, Task
from fake_classifier import album, files_in, scan_here
from scan_command import blur, emptied, invoked, linked, rows, started
from trees import SOURCES

distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
SIZE = (400, 600)  # large enough that a worker is at work when it is killed
TOOL = "import sys; from distributed.cli.dask_{0} import main; sys.exit(main())"
# A result whose worker died just then is waited for no longer than this.
QUICK = {"PYTHONPATH": SOURCES, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}


@dataclass(frozen=True)
class Processes:
    """Running ones; `workers` have one thread each."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def _started(stack: ExitStack, tool: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", TOOL.format(tool), *arguments, "--no-dashboard"],
        cwd=os.path.abspath(os.sep),  # as other machines: relative paths mean nothing there
        env={**os.environ, **QUICK, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()  # one that has ended already is left alone
        process.wait()

    stack.callback(stop)
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def processes(workers: int, worker: str = "--no-nanny", **more: str) -> Iterator[Processes]:
    """A scheduler with `workers`; `more` is added to their environment."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        scheduler = _started(stack, "scheduler", "--host", address, **more)
        single = ("--nthreads", "1", "--host", "127.0.0.1", *worker.split())
        started = [_started(stack, "worker", address, *single, **more) for _ in range(workers)]
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield Processes(address, scheduler, started)


POISON = """
import os
from blur_fusion.images import photo
decode = photo.decode
def decode_or_die(source, *more, **named):
    if "poison" in str(source):
        os._exit(1)  # as a decoder that crashes
    return decode(source, *more, **named)
def dask_setup(worker):
    photo.decode = decode_or_die
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Two workers that live on, or are started again where a photo has killed them."""
    preload = tmp_path_factory.mktemp("preload") / "poison.py"
    preload.write_text(POISON)
    limit = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with processes(2, f"--nanny --preload {preload}", **limit) as running:
        yield running


def refused(address: str, job: JobSpec, match: str) -> None:
    with pytest.raises(BlurError, match=match), connected(address, job):
        pytest.fail("connected")


def test_workers_and_then_the_scheduler_die(
    tmp_path: Path, classifier: Classifier, job: JobSpec, monkeypatch: MonkeyPatch
) -> None:
    photos = album(tmp_path / "photos", 50, SIZE)
    files, cache = files_in(tmp_path / "photos"), tmp_path / "cache"

    warned: list[str] = []

    def warn(line: str) -> None:
        warned.append(line)
        if len(warned) == 1:
            raise RuntimeError(line)

    with processes(2) as running, connected(running.address, job, warn) as pool:
        assert pool.cores() == 2
        found: list[Prediction] = []
        for (answer,) in scan(files, pool, cache):
            found.append(answer.prediction)
            if len(found) == 3:
                running.workers[0].send_signal(signal.SIGKILL)
        assert running.workers[0].wait(5) == -signal.SIGKILL
        monkeypatch.setattr("blur_fusion.scan.pool._COUNT", 0.0)
        assert pool.cores() == 1

        answers = scan(files, pool)
        next(answers)
        running.workers[1].kill()
        with pytest.raises(RuntimeError, match="no worker is left; waiting for one"):
            list(answers)
        monkeypatch.setattr("blur_fusion.scan.pool._WORKER", 0.5)
        refused(running.address, job, "^tcp.*no worker took a task")

        running.scheduler.kill()
        time.sleep(1)  # until the client knows it
        with pytest.raises(BlurError, match="scheduler is gone"):
            pool.wait(pool.submit([Task(str(photos[0]), "a")]))
    assert [prediction.path for prediction in found] == list(map(str, photos))
    here = scan_here(tmp_path / "photos", classifier)
    assert found == [answer.prediction for answer in here]  # nothing is lost or doubled
    emptied(photos)
    assert scan_here(tmp_path / "photos", classifier, cache=cache) == here


def test_command_writes_what_it_writes_without_a_cluster(
    cluster: Processes, tmp_path: Path, model: Path, clip: Path
) -> None:
    folder = tmp_path / "photos"
    album(folder, 20)
    (folder / "03.jpg").write_bytes(b"")
    dask = ("--backend", "dask", "--scheduler", cluster.address, "--cache", tmp_path / "cache")
    given = (
        *(os.path.relpath(folder), "gone.jpg", os.path.relpath(clip), "--exposure"),
        *("--model", os.path.relpath(model), "--format", "jsonl"),
    )
    ours = blur(*given, *dask, "--report", tmp_path / "a.html")
    assert ours.returncode == 1, ours.stderr
    theirs = invoked("scan", *given, "--report", tmp_path / "b.html")
    assert (ours.stdout, ours.stderr) == (theirs.stdout_bytes, theirs.stderr_bytes)
    pages = [(tmp_path / name).read_bytes() for name in ("a.html", "b.html")]
    assert pages[0].count(b'"thumbnail":"') == pages[1].count(b'"thumbnail":"')
    assert [row["error"] is None for row in rows(ours)].count(False) == 2
    assert sum("clip.avi#t=" in row["path"] for row in rows(ours)) == 2
    known = blur(*given, *dask, "--copy", tmp_path / "copies")
    assert known.stdout == ours.stdout
    blurred = {row["path"] for row in rows(ours) if row["blurred"]}
    copied = [path.name for path in (tmp_path / "copies").rglob("*.jpg")]
    frames = [path.name for path in (tmp_path / "copies" / "clip.avi.frames").iterdir()]
    photos = [os.path.basename(path) for path in blurred if "#t=" not in path]
    assert len(frames) == 2 and sorted(copied) == sorted(photos + frames)


def test_another_model_is_refused(cluster: Processes, tmp_path: Path, model: Path) -> None:
    refused(cluster.address, JobSpec(str(model), "x"), "^worker tcp.*another model or version")
    refused(cluster.address, JobSpec(str(tmp_path / "gone"), "x"), "^worker tcp.*no such")


def test_whoever_stops_listening_leaves_the_cluster_usable(
    cluster: Processes, tmp_path: Path, job: JobSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    album(tmp_path / "photos", 30, SIZE)
    for number in (2, 30):
        with connected(cluster.address, job) as pool:
            answers = scan(files_in(tmp_path / "photos"), pool)
            found = [next(answers) for _ in range(number)]
            answers.close()
    assert len({answer.prediction.path for (answer,) in found}) == 30
    assert capsys.readouterr() == ("", "")


def test_a_photo_that_kills_workers_is_one_failed_line(
    cluster: Processes, tmp_path: Path, job: JobSpec
) -> None:
    photos = album(tmp_path / "photos", 12)
    os.rename(photos[4], photos[4].with_name("04 poison.jpg"))
    with connected(cluster.address, job) as pool:
        found = [answer.prediction for (answer,) in scan(files_in(tmp_path / "photos"), pool)]
    assert [k for k, prediction in enumerate(found) if prediction.error] == [4]
    assert len(found) == 12 and found[4].path.endswith("04 poison.jpg")
    assert "died" in (found[4].error or "")


def test_command_says_in_one_line_that_the_scheduler_is_gone(tmp_path: Path, model: Path) -> None:
    (photo,) = album(tmp_path / "photos", 1, SIZE)
    with processes(1) as running:
        dask = ("--backend", "dask", "--scheduler", running.address)
        with started(linked(photo, 400), "--model", model, *dask) as scan_of_many:
            assert scan_of_many.stdout is not None
            assert json.loads(scan_of_many.stdout.readline())["error"] is None
            running.scheduler.kill()
            rest, said = scan_of_many.communicate(timeout=60)
    assert scan_of_many.returncode == 1 and rest.count(b"\n") < 399
    (line,) = said.decode().splitlines()
    assert line == f"error: {running.address}: the scheduler is gone; --cache keeps what was judged"


@pytest.mark.parametrize("address", ["nonsense://x", "127.0.0.1:x", "127.0.0.1", "127.0.0.1:{}"])
def test_an_address_where_no_scheduler_answers_is_refused_soon(address: str, job: JobSpec) -> None:
    address = address.format(free_port())
    began = time.monotonic()
    refused(address, job, f"^{address}: no Dask scheduler answers there \\(")
    assert time.monotonic() - began < 10


def test_without_the_extra_one_line_names_it(job: JobSpec, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused("tcp://127.0.0.1:1", job, r"pip install 'blur-fusion\[dask\]'")
