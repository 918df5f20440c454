"""Processes that a scan forks: only where that is safe, and none outlives it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blur_fusion.scan import engine as hands
from fake_judge import album
from tiny_model import write_tiny_model
from trees import REPOSITORY

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells whether forking is safe"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


FORKED = """
import json, sys, threading
from pathlib import Path
from blur_fusion.startup import run_lean
run_lean()
from blur_fusion.scan import engine as hands
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import find, named
from blur_fusion.scan.judging import ScanOptions
from blur_fusion.model.detector import BlurDetector
folder, model = sys.argv[1:]
judge = BlurDetector(model, threshold=0.0)
started, alone = [], hands.alone()
start = hands.Process._start
hands.Process._start = lambda self: (start(self), started.append(type(self.process).__name__))
files = list(find(named([folder])))
def run(workers):
    answers = scan(files, judge, ScanOptions(workers=workers), Path(model))
    return [judged.verdict.probability for batch in answers for judged in batch]
seen = run(3), run(1)  # a thread that ended may be seen a moment longer
event = threading.Event()
threading.Thread(target=event.wait, daemon=True).start()
print(json.dumps([alone, hands.alone(), started, len(seen[0]), seen[0] == seen[1]]))
"""


def test_forks_where_no_other_thread_runs(tmp_path: Path, model: Path) -> None:
    album(tmp_path, hands.MANY)
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path), str(model)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    forked = ["ForkProcess", "ForkProcess"]
    assert json.loads(ran.stdout) == [True, False, forked, hands.MANY, True], ran.stderr


KILLED = """
import sys, time
from pathlib import Path
from blur_fusion.startup import run_lean
run_lean()
from blur_fusion.scan.engine import Work, lend
from blur_fusion.scan.engine import MANY, Hands
from blur_fusion.model.detector import BlurDetector
judge = BlurDetector(sys.argv[1], threshold=0.0)
work = Work(sys.argv[1], judge.fingerprint)
lend(work, judge)
hands = Hands(lambda paths: [], 3, work, many=True)
print(*[process.process.pid for process in hands._processes], flush=True)
time.sleep(60)
"""


def test_who_is_killed_leaves_no_forked_process(model: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(model)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=REPOSITORY) as running:
        assert running.stdout is not None
        forked = running.stdout.readline().split()
        running.kill()
        rest, _ = running.communicate(timeout=20)  # until the last of them closes its copy
    assert len(forked) == 2 and rest == b""


def test_the_progress_bar_starts_no_thread(tmp_path: Path) -> None:
    lines = (
        "from blur_fusion.startup import run_lean; run_lean()",
        "from blur_fusion.scan.run import _bar",
        "from blur_fusion.scan.engine import alone",
        "bar = _bar(100)",
        "bar.update()",
        "raise SystemExit(not alone())",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=REPOSITORY, check=True)
