"""Processes that help a scan: same answers, each once, forked only where safe, none left behind."""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from blur_fusion.errors import TOO_LARGE
from blur_fusion.images import decode as decode_module
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan import pool as pool_module
from blur_fusion.scan.engine import scan
from blur_fusion.scan.pool import MANY, WorkerPool
from blur_fusion.scan.tasks import JobSpec
from fake_classifier import album, files_in
from odd_tasks import run_and_tell
from scan_command import linked, python, started

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells if forking is safe")


@pytest.fixture(autouse=True)
def children() -> Iterator[Callable[[], int]]:
    """How many processes there are now that were not there before; none is left at the end."""
    before = set(multiprocessing.active_children())
    ours = lambda: len(set(multiprocessing.active_children()) - before)  # noqa: E731
    yield ours
    assert ours() == 0


def predictions(folder: Path, pool: WorkerPool) -> list[Prediction]:
    return [answer.prediction for (answer,) in scan(files_in(folder), pool)]


@pytest.fixture
def ready(job: JobSpec, classifier: Classifier, monkeypatch: MonkeyPatch) -> Iterator[WorkerPool]:
    """A pool whose two processes are there, and so do all the work."""
    monkeypatch.setattr(pool_module, "run_tasks", run_and_tell)
    with WorkerPool(job, classifier, 2, 2) as pool:
        pool._start()
        free = pool._helpers[1] if pool._helpers else None
        assert free and free.acquire(timeout=60) and free.acquire(timeout=60)
        free.release(2)
        yield pool


def test_processes_answer_as_threads_do(
    tmp_path: Path, classifier: Classifier, ready: WorkerPool
) -> None:
    photos = album(tmp_path, 40)
    photos[7].write_bytes(b"no photo")
    here = classifier.predict(photos)
    assert predictions(tmp_path, ready) == here
    lines = [line.split(maxsplit=1) for line in (tmp_path / "told").read_text().splitlines()]
    assert str(os.getpid()) not in {process for process, _ in lines}
    assert sorted(photo for _, photo in lines) == sorted(map(str, photos))


def test_only_what_dies_alone_is_blamed(
    tmp_path: Path, classifier: Classifier, ready: WorkerPool
) -> None:
    photos = album(tmp_path, 40)
    here = classifier.predict(photos)
    for k in (4, 30):
        photos[k].rename(photos[k].with_name(f"{k:02d} poison.jpg"))
    first = ready._helpers
    found = predictions(tmp_path, ready)
    for k, (one, alone) in enumerate(zip(found, here, strict=True)):
        assert "died" in str(one.error) if k in (4, 30) else one == alone
    assert ready._helpers is not first  # new ones took their place


@pytest.mark.usefixtures("children")
def test_a_photo_refused_memory_beside_others_is_judged_alone(
    tmp_path: Path, job: JobSpec, classifier: Classifier, monkeypatch: MonkeyPatch
) -> None:
    photos, crowded = album(tmp_path, 7), os.getpid()
    here = classifier.predict(photos)
    monkeypatch.setattr(decode_module, "_MUCH", 0)
    monkeypatch.setattr(decode_module, "free_memory", lambda: (os.getpid() != crowded) << 60)
    assert classifier.predict(photos[0])[0].error == TOO_LARGE
    with WorkerPool(job, classifier, 2) as pool:
        assert predictions(tmp_path, pool) == here


def test_few_photos_start_no_process(
    tmp_path: Path, job: JobSpec, classifier: Classifier, children: Callable[[], int]
) -> None:
    album(tmp_path, MANY - 1)
    with WorkerPool(job, classifier, 2, 1) as pool:
        assert len(predictions(tmp_path, pool)) == MANY - 1 and children() == 0


def test_a_process_with_another_model_is_not_used(
    tmp_path: Path, model: Path, classifier: Classifier, children: Callable[[], int]
) -> None:
    album(tmp_path, MANY)
    with WorkerPool(JobSpec(str(model), "another"), classifier, 2, 1) as pool:
        found = predictions(tmp_path, pool)
        pool._threads.shutdown()
        assert all(prediction.error is None for prediction in found) and children() == 1
        assert pool._helpers and not pool._helpers[1].acquire(timeout=5)


def test_a_scan_that_is_closed_leaves_no_process(
    tmp_path: Path, job: JobSpec, classifier: Classifier
) -> None:
    album(tmp_path, MANY + 2)
    with WorkerPool(job, classifier, 3, 2) as pool:
        answers = scan(files_in(tmp_path), pool)
        for _ in range(MANY):
            next(answers)
        answers.close()


FORKED = """
import json, multiprocessing, sys, threading
from blur_fusion.startup import prepare
prepare()
sys.path[:0] = ["tests/helpers"]
from fake_classifier import *
from blur_fusion.model.classifier import load
from blur_fusion.scan.pool import can_fork
folder, model = sys.argv[1:]
classifier = load(model, threshold=0.0)
alone = can_fork()
def run(workers):
    job = JobSpec(model, classifier.fingerprint)
    with WorkerPool(job, classifier, workers, workers - 1, 48) as pool:
        kinds = [type(child).__name__ for child in multiprocessing.active_children()]
        answers = scan(files_in(folder), pool)
        return kinds, [answer.prediction.probability for (answer,) in answers]
(kinds, seen), (none, same) = run(3), run(1)
event = threading.Event()
threading.Thread(target=event.wait, daemon=True).start()
print(json.dumps([alone, can_fork(), kinds, none, len(seen), seen == same]))
"""


@on_linux
def test_forks_where_no_other_thread_runs(tmp_path: Path, model: Path) -> None:
    album(tmp_path, MANY)
    forked = ["ForkProcess", "ForkProcess"]
    assert json.loads(python(FORKED, tmp_path, model)) == [True, False, forked, [], MANY, True]


@on_linux
def test_a_killed_scan_leaves_no_process(tmp_path: Path, model: Path) -> None:
    (photo,) = album(tmp_path / "photos", 1)
    with started(linked(photo, 3000), "--model", model, "--workers", 3) as running:
        assert running.stdout is not None and running.stdout.readline()
        forked = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        running.kill()
        rest, _ = running.communicate(timeout=20)  # until the last of them closes its copy
    assert len(forked) == 2 and rest.count(b"\n") < 2999


@on_linux
def test_the_progress_bar_starts_no_thread() -> None:
    code = """
from blur_fusion.startup import prepare; prepare()
from blur_fusion.parallel import progress_bar
from blur_fusion.scan.pool import can_fork
progress_bar(100, 'scan', 'photo').update()
print(can_fork())"""
    assert python(code) == "True\n"
