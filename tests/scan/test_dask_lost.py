"""`blur scan --backend dask` whose scheduler goes away: one line, soon, whatever was under way."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from scan_command import ENVIRONMENT, command
from tiny_model import write_tiny_model

if importlib.util.find_spec("distributed") is None:
    pytest.skip("the extra 'dask' is not installed", allow_module_level=True)

from blur_fusion.errors import BlurError
from blur_fusion.model.detector import BlurDetector
from blur_fusion.scan.dask import ConnectionLostError, Pending, connected, scan_on
from blur_fusion.scan.engine import Lost, Request, Work
from blur_fusion.scan.inputs import find, named
from blur_fusion.scan.judging import ScanOptions
from dask_cluster import photos_in, processes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def test_scheduler_that_goes_away_is_one_line(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blur_fusion.scan.dask._CONNECT", 1)
    photos_in(tmp_path / "photos", 50)
    judge = BlurDetector(model, threshold=0.0)
    files = find(named([str(tmp_path / "photos")]))
    with processes(1) as running, connected(running.address, model, judge.fingerprint) as cluster:
        answers = scan_on(cluster, files, judge, ScanOptions())
        assert next(answers)[0].verdict.error is None
        running.scheduler.kill()
        with pytest.raises(BlurError, match="scheduler is gone"):
            for batch in answers:
                assert batch[0].verdict.error is None


def test_command_says_in_one_line_that_the_scheduler_is_gone(tmp_path: Path, model: Path) -> None:
    (photo,) = photos_in(tmp_path / "photos", 1)
    for k in range(1, 400):
        os.link(photo, photo.with_name(f"{k:03d}.jpg"))
    with processes(1) as running:
        dask = ("--backend", "dask", "--scheduler", running.address)
        whole = command("scan", photo.parent, "--model", model, "--format", "jsonl", *dask)
        with subprocess.Popen(
            whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        ) as scan_of_many:
            assert scan_of_many.stdout is not None
            assert json.loads(scan_of_many.stdout.readline())["error"] is None
            running.scheduler.kill()
            rest, said = scan_of_many.communicate(timeout=60)
    assert scan_of_many.returncode == 1 and rest.count(b"\n") < 399
    (line,) = said.decode().splitlines()
    assert line == f"error: {running.address}: the scheduler is gone; --cache keeps what was judged"


def test_what_is_sent_too_late_has_no_answer(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler may go away between a look at the connection and its use."""
    monkeypatch.setattr("blur_fusion.scan.dask._CONNECT", 1)
    (photo,) = photos_in(tmp_path / "photos", 1)
    work = Work(str(model), BlurDetector(model, threshold=0.0).fingerprint)
    with processes(1) as running, connected(running.address, model, work.fingerprint) as cluster:
        running.scheduler.kill()
        with pytest.raises(BlurError, match="scheduler is gone"):
            for _ in range(300):
                cluster.check()
                time.sleep(0.1)
        with cluster.watched(pytest.fail):
            (answer,) = cluster.judge(work, [(Request(str(photo), "a"),)])
    assert isinstance(answer, Lost) and "connection to the scheduler broke" in answer.reason


def test_only_what_a_lost_connection_carried_is_given_up() -> None:
    client = SimpleNamespace(status="running", scheduler_comm=object())
    pending = Pending(client)
    answered, lost, later = (Future[int]() for _ in range(3))
    pending.add(answered)
    pending.add(lost)
    answered.set_result(1)
    pending.give_up()
    assert not lost.done()
    client.scheduler_comm = object()
    pending.add(later)
    pending.give_up()
    assert answered.result() == 1 and not later.done()
    assert isinstance(lost.exception(), ConnectionLostError)
    client.status = "closed"
    pending.give_up()
    assert isinstance(later.exception(), ConnectionLostError)
