"""Processes that help a scan: same answers, each once, whatever becomes of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from blur_fusion.model.detector import BlurDetector
from blur_fusion.model.prediction import Picture, Verdict
from blur_fusion.scan import engine as hands
from blur_fusion.scan.engine import Hands, Process, Work, scan
from blur_fusion.scan.inputs import find, named
from blur_fusion.scan.judging import Judged, ScanOptions
from fake_judge import album
from tiny_model import write_tiny_model


def processes() -> list[SpawnProcess]:
    """Ours; joblib's may live on from other tests."""
    found = multiprocessing.active_children()
    return [one for one in found if type(one) is SpawnProcess]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def judge(model: Path) -> BlurDetector:
    return BlurDetector(model, threshold=0.0)


@pytest.fixture
def work(model: Path, judge: BlurDetector) -> Work:
    return Work(str(model), judge.fingerprint)


@pytest.fixture
def process(work: Work) -> Iterator[Process]:
    helper = Process(work)
    yield helper
    helper.close()


def verdicts(
    folder: Path, judge: BlurDetector, workers: int, model: Path | None = None
) -> list[Verdict]:
    answers = scan(find(named([str(folder)])), judge, ScanOptions(workers), model)
    return [judged.verdict for batch in answers for judged in batch]


def test_processes_answer_as_threads_do(
    tmp_path: Path, judge: BlurDetector, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = album(tmp_path, 40)
    photos[7].write_bytes(b"no photo")
    asked: list[str] = []
    judged = Process.judge

    def noted(self: Process, paths: Sequence[str]) -> list[Judged]:
        asked.extend(paths)
        return judged(self, paths)

    monkeypatch.setattr(hands, "MANY", 2)
    monkeypatch.setattr(Process, "judge", noted)
    # Here it waits at first, so that the process is ready before all is done.
    there = threading.Event()
    ready, at_once = Process.ready, judge.judge_all

    def told(self: Process) -> bool:
        found = ready(self)
        there.set()
        return found

    def slowly(pictures: Sequence[Picture]) -> list[Verdict]:
        assert there.wait(60)
        time.sleep(0.1)
        return at_once(pictures)

    monkeypatch.setattr(Process, "ready", told)

    alone = verdicts(tmp_path, judge, 1)
    monkeypatch.setattr(judge, "judge_all", slowly)
    helped = verdicts(tmp_path, judge, 2, model)
    assert helped == alone
    assert asked and len(set(asked)) == len(asked)
    assert processes() == []


def test_few_photos_start_no_process(tmp_path: Path, model: Path, judge: BlurDetector) -> None:
    album(tmp_path, 6)
    answers = scan(find(named([str(tmp_path)])), judge, ScanOptions(workers=2), model)
    for _ in answers:
        assert processes() == []


def test_a_process_that_dies_is_replaced(tmp_path: Path, judge: BlurDetector, work: Work) -> None:
    first, second = map(str, album(tmp_path, 2))
    helper = Process(work)
    try:
        assert helper.ready()
        (before,) = helper.judge([first])
        os.kill(helper.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        (after,) = helper.judge([second])
    finally:
        helper.close()
    assert before.verdict.error is None and before.verdict.path == first
    assert after.verdict.error is None and after.verdict.path == second


def test_a_photo_that_kills_twice_is_one_line(
    tmp_path: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo,) = album(tmp_path, 1)
    assert process.ready()
    monkeypatch.setattr(process, "_ask", lambda request: None)
    (judged,) = process.judge([str(photo)])
    assert judged.verdict.error is not None and "died" in judged.verdict.error


def test_a_process_with_another_model_is_not_used(model: Path) -> None:
    helper = Process(Work(str(model), "another"))
    try:
        assert not helper.ready()
    finally:
        helper.close()


def test_whoever_stops_listening_leaves_no_process(
    tmp_path: Path, judge: BlurDetector, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album(tmp_path, 12)
    monkeypatch.setattr(hands, "MANY", 1)
    answers = scan(find(named([str(tmp_path)])), judge, ScanOptions(workers=3), model)
    next(answers)
    answers.close()
    assert processes() == []


def test_without_work_all_is_judged_here() -> None:
    alone = Hands(lambda paths: [Judged(Verdict.failed(paths[0], "seen"))], 2, None)
    for _ in range(hands.MANY + 1):
        alone.asked()
    assert processes() == []
    assert alone.judge(["a"])[0].verdict.error == "seen"
    alone.close()
