"""SIGKILL at seeded moments: nothing is lost, and later runs give the same results."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from action_trees import look
from forked import WHOLE, Results
from scan_command import ENVIRONMENT, blur, command, invoked, rows
from tiny_project import clone, commit, environment, repro, run
from trees import REPOSITORY, contents, write_photo
from xmp_samples import wrapped

KILLS = 14 if WHOLE else 3  # of each kind of run
STAGE_KILLS = 4  # of each stage


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 photos, every second with a sidecar."""
    folder = tmp_path_factory.mktemp("album") / "photos"
    for k in range(120):
        photo = write_photo(folder / f"{k % 5}" / f"{k:03d}.jpg", k, blurred=k % 3 == 0)
        if k % 2:
            photo.with_suffix(".xmp").write_bytes(wrapped(""))
    return folder


def killed(
    words: list[str], seconds: float, ready: Callable[[], object], cwd: Path, **more: Any
) -> bool:
    """Start a command; kill its process group `seconds` after it is `ready`."""
    more = {"env": ENVIRONMENT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
    process = subprocess.Popen(words, cwd=cwd, start_new_session=True, **more)
    while not ready() and process.poll() is None:
        time.sleep(0.001)
    time.sleep(seconds)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def journals(place: Path) -> list[Path]:
    return [path for path in place.rglob("blur-journal-*.jsonl") if path.stat().st_size]


def grown(path: Path, size: int) -> bool:
    return path.stat().st_size > size


def make_readable(folder: Path) -> None:
    """What `make repro` does first, with the tools of this environment."""
    words = ["make", "readable", f"BIN={Path(sys.executable).parent}", "STAMP="]
    subprocess.run(words, cwd=folder, env=environment(folder), check=True, capture_output=True)


def test_scan(album: Path, tmp_path: Path, results: Results) -> None:
    """The next scan, from the cache, gives the results of an undisturbed one."""
    expected = rows(blur(album, "--format", "jsonl"))
    for number in range(KILLS):
        seconds = random.Random(number).uniform(0, 0.5)
        cache, table = tmp_path / f"cache{number}", tmp_path / f"table{number}"
        words = ["scan", album, "--cache", cache, "--output", table, "--format", "jsonl"]
        killed(command(*words), seconds, cache.exists, tmp_path)
        assert not table.exists() or len(table.read_bytes().splitlines()) == len(expected)
        table.unlink(missing_ok=True)
        assert blur(*words[1:]).returncode == 0
        assert [json.loads(line) for line in table.read_text().splitlines()] == expected
    results.append(("killed: scan --cache --output", KILLS, 0, 0))


def test_actions(album: Path, tmp_path: Path, results: Results) -> None:
    """Undo restores every byte after a kill of the scan, of an undo, or of both."""
    for number in range(KILLS):
        place, moments = tmp_path / str(number), random.Random(number)
        root = Path(shutil.copytree(album, place / "photos"))
        before = look(root)
        words = [root, "--threshold", "0", "--tag", "--move", place / "out"]
        if number % 2:
            assert blur(*words).returncode == 0
        else:
            begun = partial(journals, place)
            killed(command("scan", *words), moments.uniform(0, 0.4), begun, place)
        contents = {content for content, _ in look(place).values()}
        assert all(photo.read_bytes() in contents for photo in album.rglob("*.jpg"))
        for journal in journals(place):
            begun = partial(grown, journal, journal.stat().st_size)
            killed(command("undo", journal), moments.uniform(0, 0.4), begun, place)
            done = invoked("undo", journal)
            assert (done.exit_code, done.stderr) == (0, "")
        assert look(place) == before
        shutil.rmtree(place)
    results.append(("killed: scan --tag --move, undo", KILLS, 0, 0))


def test_a_lock_that_is_cut_off(tmp_path: Path) -> None:
    """A kill while DVC writes a dvc.lock: `make repro` begins with the committed one."""
    folder = clone(tmp_path / "project")
    lock = folder / "dvc.lock"
    written = (REPOSITORY / "dvc.lock").read_bytes()
    lock.write_bytes(written)
    commit(folder)
    for part in (written[: written.index(b"md5:") + 2], b"schema: '2.0'\nstages:\n  sample:\n"):
        lock.write_bytes(part)
        assert "dvc.lock" in run(folder, "-m", "dvc", "stage", "list", fails=True).stderr
        make_readable(folder)
        assert lock.read_bytes() == written
    for other in ("release/dvc.lock", "presets/dvc.lock"):
        whole = (folder / other).read_bytes()
        (folder / other).write_bytes(whole[: whole.index(b"md5:") + 2])
        make_readable(folder)
        assert (folder / other).read_bytes() == whole
    changed = written.replace(b"path:", b"path: ", 1)  # readable: a user's, left as it is
    lock.write_bytes(changed)
    make_readable(folder)
    assert lock.read_bytes() == changed


@pytest.mark.skipif(not WHOLE, reason="takes minutes; 'make hostile' runs it")
def test_stages(tmp_path: Path, results: Results) -> None:
    """`make repro` gives the same bytes after load, cnn and fuse were killed again and again."""
    folder = clone(tmp_path / "project")
    repro(folder)
    commit(folder)
    expected, lock = contents(folder / "artifacts"), (folder / "dvc.lock").read_bytes()
    kills = 0
    for stage in ("load", "cnn", "fuse"):
        words = [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", stage]
        start = time.monotonic()
        subprocess.run(words, cwd=folder, env=environment(folder), capture_output=True, check=True)
        whole = time.monotonic() - start
        for number in range(STAGE_KILLS):
            seconds = random.Random(f"{stage} {number}").uniform(0.2, 0.95) * whole
            kills += killed(words, seconds, lambda: True, folder, env=environment(folder))
            make_readable(folder)
        repro(folder)
    assert contents(folder / "artifacts") == expected
    assert (folder / "dvc.lock").read_bytes() == lock and kills >= 2 * STAGE_KILLS
    results.append(("killed: load, cnn, fuse", kills, 0, 0))
