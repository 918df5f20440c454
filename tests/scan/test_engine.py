"""Judging many files: order, errors, memory, and what Ctrl-C leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.model.prediction import Picture, Verdict
from blur_fusion.scan import engine as desk
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found, find, named
from blur_fusion.scan.judging import Judged, ScanOptions, judge_file, settled
from fake_judge import FakeJudge, album
from trees import REPOSITORY, write_photo


def run(folder: Path, judge: FakeJudge, options: ScanOptions | None = None) -> list[Judged]:
    files = find(named([str(folder)]))
    return [judged for batch in scan(files, judge, options) for judged in batch]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_answers_come_in_order(tmp_path: Path, workers: int) -> None:
    photos = album(tmp_path, 30)

    class Uneven(FakeJudge):
        def judge(self, working: np.ndarray, path: str, size: tuple[int, int]) -> Verdict:
            self.seconds = 0.02 if path.endswith("0.jpg") else 0.0
            return super().judge(working, path, size)

    seen = run(tmp_path, Uneven(), ScanOptions(workers=workers))
    assert [judged.verdict.path for judged in seen] == list(map(str, photos))
    assert all((j.verdict.width, j.verdict.height) == (96, 64) for j in seen)


def test_damage_is_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    photos = album(tmp_path)
    photos[2].write_bytes(photos[2].read_bytes()[:300])
    photos[3].write_bytes(b"")
    verdicts = [judged.verdict for judged in run(tmp_path, FakeJudge())]
    assert [verdict.error is None for verdict in verdicts] == [k not in (2, 3) for k in range(6)]
    assert verdicts[3].error == "is an empty file"
    assert all("\n" not in (verdict.error or "") for verdict in verdicts)


def test_a_bug_in_a_decoder_ends_no_scan(tmp_path: Path) -> None:
    class Broken(FakeJudge):
        def judge(self, working: np.ndarray, path: str, size: tuple[int, int]) -> Verdict:
            raise KeyError("surprise")

    (photo,) = album(tmp_path, 1)
    error = judge_file(Broken(), str(photo)).verdict.error
    assert error is not None and "KeyError" in error


def test_damage_among_many_that_pass_together(tmp_path: Path) -> None:
    """Whether a file is no photo or its judging fails: the others of its batch are judged."""

    class Picky(FakeJudge):
        def judge(self, working: np.ndarray, path: str, size: tuple[int, int]) -> Verdict:
            if path.endswith("55.jpg"):
                raise KeyError("surprise")
            return super().judge(working, path, size)

    photos = album(tmp_path, 60)
    photos[50].write_bytes(b"no photo")
    alone = [judge_file(Picky(), str(photo)).verdict for photo in photos]
    for workers in (1, 3):
        seen = run(tmp_path, Picky(), ScanOptions(workers=workers))
        assert [judged.verdict for judged in seen] == alone
    assert [k for k, verdict in enumerate(alone) if verdict.error] == [50, 55]


def test_many_photos_pass_together(tmp_path: Path) -> None:
    sizes = []

    class Counting(FakeJudge):
        def judge_all(self, pictures: Sequence[Picture]) -> list[Verdict]:
            sizes.append(len(pictures))
            return super().judge_all(pictures)

    album(tmp_path, 160)
    run(tmp_path, Counting(), ScanOptions(workers=1))
    assert sizes[:4] == [1] * 4 and sizes[:-1] == sorted(sizes[:-1])
    assert max(sizes) == desk.BATCH and sum(sizes) == 160
    sizes.clear()
    files = list(find(named([str(tmp_path)])))
    for _ in scan(files, Counting(), ScanOptions(workers=2)):
        pass
    assert sorted(sizes)[-1] > 8 and sum(sizes) == 160
    assert sizes[-4:] == [1] * 4  # no thread idles while another has many left


def test_several_threads_work_at_once(tmp_path: Path) -> None:
    album(tmp_path, 4)
    meeting = threading.Barrier(2, timeout=10)

    class Meeting(FakeJudge):
        def judge(self, working: np.ndarray, path: str, size: tuple[int, int]) -> Verdict:
            meeting.wait()  # breaks, and fails the verdict, where one thread works alone
            return super().judge(working, path, size)

    seen = run(tmp_path, Meeting(), ScanOptions(workers=2))
    assert [judged.verdict.error for judged in seen] == [None] * 4


def test_files_are_taken_as_needed(tmp_path: Path) -> None:
    (photo,) = album(tmp_path, 1)
    taken = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal taken
        while True:
            taken += 1
            yield Found(str(photo))

    answers = scan(endless(), FakeJudge(), ScanOptions(workers=2))
    for _ in range(5):
        next(answers)
    answers.close()
    assert taken <= 5 + 4 * 2


def test_opencv_threads_are_put_back(tmp_path: Path) -> None:
    album(tmp_path, 2)
    before = cv2.getNumThreads()
    run(tmp_path, FakeJudge())
    assert cv2.getNumThreads() == before


def test_another_threshold_needs_no_other_scan() -> None:
    verdict = Verdict("a", True, 0.6, "motion", 0.4, 10.0, 5, 5)
    assert settled(verdict, 0.6) == verdict
    above = settled(verdict, 0.61)
    assert (above.blurred, above.kind, above.logit) == (False, "sharp", 0.4)
    failed = Verdict.failed("a", "gone")
    assert settled(failed, 0.5) == failed


def test_thumbnails_come_from_file_and_cache(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_photo(folder / "a.jpg", 1, size=(300, 400))
    options = ScanOptions(cache=tmp_path / "cache", thumbnails=True)
    for _ in range(2):
        (judged,) = run(folder, FakeJudge(), options)
        assert judged.thumbnail is not None
        assert cv2.imdecode(np.frombuffer(judged.thumbnail, np.uint8), 0) is not None


MEMORY = """
import resource, sys
sys.path[:0] = ["tests"]
from fake_judge import FakeJudge
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.judging import ScanOptions
judge = FakeJudge()
def peak(number):
    for _ in scan((Found(sys.argv[1]) for _ in range(number)), judge, ScanOptions(workers=2)):
        judge.judged.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
few = peak(100)
print(peak(4000) - few)
"""


def test_memory_is_flat(tmp_path: Path) -> None:
    (photo,) = album(tmp_path, 1)
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY, str(photo)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(ran.stdout) < 10  # MB
