"""`blur scan --backend dask`: every photo answered once, whatever becomes of the workers."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_judge import album
from scan_command import blur, rows
from tiny_model import write_tiny_model

if importlib.util.find_spec("distributed") is None:
    pytest.skip("the extra 'dask' is not installed", allow_module_level=True)

from blur_fusion.errors import BlurError
from blur_fusion.model.detector import BlurDetector
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.dask import connected, scan_on
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import find, named
from blur_fusion.scan.judging import ScanOptions
from dask_cluster import Processes, photos_in, processes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Processes]:
    """Two workers that are meant to live on."""
    with processes(2) as running:
        yield running


def verdicts_of(folder: Path, judge: BlurDetector) -> list[Verdict]:
    answers = scan(find(named([str(folder)])), judge, ScanOptions(workers=1))
    return [judged.verdict for batch in answers for judged in batch]


def test_a_worker_killed_midway_loses_and_doubles_nothing(tmp_path: Path, model: Path) -> None:
    photos = photos_in(tmp_path / "photos", 50)
    judge = BlurDetector(model, threshold=0.0)
    files = list(find(named([str(tmp_path / "photos")])))
    options = ScanOptions(cache=tmp_path / "cache")
    with processes(2) as running, connected(running.address, model, judge.fingerprint) as cluster:
        assert cluster.cores() == 2
        found: list[Verdict] = []
        for batch in scan_on(cluster, files, judge, options):
            found += [judged.verdict for judged in batch]
            if len(found) == 3:
                running.workers[0].send_signal(signal.SIGKILL)
        assert running.workers[0].wait(5) == -signal.SIGKILL
        assert cluster.cores() == 1
    assert [verdict.path for verdict in found] == list(map(str, photos))
    assert found == verdicts_of(tmp_path / "photos", judge)
    for photo in photos:  # same name, size and time: only the cache can know it
        about = photo.stat()
        photo.write_bytes(b"\0" * about.st_size)
        os.utime(photo, ns=(about.st_atime_ns, about.st_mtime_ns))
    again = [judged.verdict for batch in scan(files, judge, options) for judged in batch]
    assert again == found


def test_command_writes_what_it_writes_without_a_cluster(
    cluster: Processes,
    tmp_path: Path,
    model: Path,
    clip: Path,  # noqa: F811
) -> None:
    folder = tmp_path / "photos"
    album(folder, 20)
    (folder / "03.jpg").write_bytes(b"")
    dask = ("--backend", "dask", "--scheduler", cluster.address)
    given = (
        os.path.relpath(folder),
        "gone.jpg",
        os.path.relpath(clip),
        "--model",
        model,
        "--format",
        "jsonl",
    )
    ours = blur(*given, *dask, "--cache", tmp_path / "cache", "--report", tmp_path / "a.html")
    assert ours.returncode == 1, ours.stderr
    theirs = blur(*given, "--report", tmp_path / "b.html")
    assert ours.stdout == theirs.stdout and ours.stderr == theirs.stderr
    pages = [(tmp_path / name).read_bytes() for name in ("a.html", "b.html")]
    assert pages[0].count(b"data:image/jpeg") == pages[1].count(b"data:image/jpeg")
    assert [row["error"] is None for row in rows(ours)].count(False) == 2
    assert sum("clip.avi#t=" in row["path"] for row in rows(ours)) == 2
    known = blur(*given, *dask, "--cache", tmp_path / "cache", "--copy", tmp_path / "copies")
    assert known.stdout == ours.stdout
    blurred = {row["path"] for row in rows(ours) if row["blurred"]}
    copied = [path.name for path in (tmp_path / "copies").rglob("*.jpg")]
    frames = [path.name for path in (tmp_path / "copies" / "clip.avi.frames").iterdir()]
    photos = [os.path.basename(path) for path in blurred if "#t=" not in path]
    assert len(frames) == 2 and sorted(copied) == sorted(photos + frames)


POISON = """
import os
import blur_fusion.scan.judging as judging
opened = judging.open_working
def open_working(path, side):
    if "poison" in str(path):
        os._exit(1)  # as a decoder that crashes
    return opened(path, side)
def dask_setup(worker):
    judging.open_working = open_working
"""


def test_a_photo_that_kills_workers_is_one_failed_line(tmp_path: Path, model: Path) -> None:
    photos = album(tmp_path / "photos", 12)
    os.rename(photos[4], photos[4].with_name("04 poison.jpg"))
    (tmp_path / "poison.py").write_text(POISON)
    judge = BlurDetector(model, threshold=0.0)
    preload = ("--nanny", "--preload", str(tmp_path / "poison.py"))
    limit = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with (
        processes(1, preload, **limit) as running,
        connected(running.address, model, judge.fingerprint) as cluster,
    ):
        files = find(named([str(tmp_path / "photos")]))
        answers = scan_on(cluster, files, judge, ScanOptions())
        found = [judged.verdict for batch in answers for judged in batch]
    assert len(found) == 12
    assert [k for k, verdict in enumerate(found) if verdict.error] == [4]
    assert found[4] == Verdict.failed(str(photos[4].with_name("04 poison.jpg")), found[4].error)
    assert "died" in found[4].error


def test_another_model_is_refused_before_anything_is_judged(
    cluster: Processes, tmp_path: Path, model: Path
) -> None:
    with (
        pytest.raises(BlurError, match="^worker tcp.*another model or version"),
        connected(cluster.address, model, "other"),
    ):
        pytest.fail("connected")
    gone = tmp_path / "gone"
    with pytest.raises(BlurError, match="no such file"), connected(cluster.address, gone, "x"):
        pytest.fail("connected")


def test_whoever_stops_listening_leaves_the_cluster_usable(
    cluster: Processes, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos_in(tmp_path / "photos", 30)
    judge = BlurDetector(model, threshold=0.0)
    files = list(find(named([str(tmp_path / "photos")])))
    for number in (2, 30):
        with connected(cluster.address, model, judge.fingerprint) as ours:
            answers = scan_on(ours, files, judge, ScanOptions())
            found = [next(answers) for _ in range(number)]
            answers.close()
    assert len({batch[0].verdict.path for batch in found}) == 30
    assert capsys.readouterr() == ("", "")
