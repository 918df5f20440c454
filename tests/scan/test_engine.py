"""Judging many files: order, errors, memory, what runs at once; videos; the cache."""

import itertools
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from pytest import MonkeyPatch

from blur_fusion.images import photo as photo_module
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import load
from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.cache import Cache
from blur_fusion.scan.engine import BATCH, BatchScheduler, scan
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.tasks import JobSpec
from fake_classifier import FakeClassifier, album, files_in, scan_here, threads
from pictures import RATE, SHARP, frame
from scan_command import python
from trees import write_photo


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_answers_come_in_order_and_many_photos_pass_together(tmp_path: Path, workers: int) -> None:
    photos, sizes = album(tmp_path, 30), []

    class Uneven(FakeClassifier):
        def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
            sizes.append(len(photos))
            return super().predict(photos)

        def one(self, photo: Photo) -> Prediction:
            self.seconds = 0.02 if photo.path.endswith("0.jpg") else 0.0
            return super().one(photo)

    before = cv2.getNumThreads()
    seen = [answer.prediction for answer in scan_here(tmp_path, Uneven(), workers)]
    assert cv2.getNumThreads() == before
    assert [prediction.path for prediction in seen] == list(map(str, photos))
    assert all((prediction.width, prediction.height) == (96, 64) for prediction in seen)
    assert sum(sizes) == 30 and (max(sizes) > 1 or workers == 5)


def test_damage_is_one_line_each(tmp_path: Path, model: Path, monkeypatch: MonkeyPatch) -> None:
    photos = album(tmp_path, 60)
    photos[2].write_bytes(photos[2].read_bytes()[:300])
    photos[3].write_bytes(b"")
    photos[50].write_bytes(b"no photo")
    decode = photo_module.decode

    def surprised(source: str, *more: Any, **named: Any) -> Any:
        if str(source).endswith("55.jpg"):
            raise KeyError("surprise")  # a bug in a decoder
        return decode(source, *more, **named)

    monkeypatch.setattr(photo_module, "decode", surprised)
    classifier = load(model, threshold=0.0)
    alone = [classifier.predict(str(photo))[0] for photo in photos]
    for workers in (1, 3):
        seen = scan_here(tmp_path, classifier, workers)
        assert [answer.prediction for answer in seen] == alone
    errors = {k: prediction.error for k, prediction in enumerate(alone) if prediction.error}
    assert list(errors) == [2, 3, 50, 55] and not any("\n" in line for line in errors.values())
    assert errors[3] == "is an empty file" and "KeyError" in errors[55]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_batches_begin_with_one_photo_grow_and_leave_a_share_to_each(workers: int) -> None:
    pool: Any = SimpleNamespace(workers=workers, job=JobSpec(None, "x"))
    left, sizes = 700, []
    scheduler = BatchScheduler(pool, Cache(None, "x"), left)
    for batch in scheduler.batches(Found(f"{k}.jpg") for k in range(left)):
        assert len(batch) <= 1 + left // (2 * workers)
        sizes.append(len(batch))
        left -= len(batch)
        scheduler.answered += len(batch)
    largest = sizes.index(BATCH)
    assert sizes[0] == sizes[-1] == 1 and left == 0 and max(sizes) == BATCH
    assert sizes == sorted(sizes[:largest]) + sorted(sizes[largest:], reverse=True)
    files = [Found(name) for name in ("a.jpg", "b.mp4", "c.jpg", "d.jpg")]
    scheduler.total, scheduler.answered = 0, 100
    assert [len(batch) for batch in scheduler.batches(files)] == [1, 1, 2]  # a video is by itself


def test_threads_work_at_once_and_an_answer_waits_for_no_later_one(photos: Path) -> None:
    meeting, heard = threading.Barrier(2, timeout=10), threading.Event()

    class Slow(FakeClassifier):
        def one(self, photo: Photo) -> Prediction:
            if photo.path.endswith(("00.jpg", "01.jpg")):
                meeting.wait()  # breaks, and fails the photo, where one thread works alone
            assert photo.path.endswith("00.jpg") or heard.wait(10)
            return super().one(photo)

    with threads(Slow()) as pool:
        answers = scan(files_in(photos), pool)
        first = next(answers)
        heard.set()
        found = [answer.prediction for (answer,) in (first, *answers)]
    assert found[0].path.endswith("00.jpg") and [one.error for one in found] == [None] * 6


def test_files_are_taken_as_needed(photos: Path) -> None:
    taken = itertools.count()
    endless = (Found(str(photos / "01.jpg")) for _ in taken)
    with threads(FakeClassifier()) as pool:
        answers = scan(endless, pool)
        for _ in range(5):
            next(answers)
        answers.close()
    assert next(taken) <= 5 + 4 * 2


@pytest.mark.parametrize(
    ("probability", "blurred", "verdict"),
    [(0.19, False, "sharp"), (0.2, False, "unsure"), (0.5, True, "unsure"), (0.9, True, "blurred")],
)
def test_a_band_leaves_verdicts_open(probability: float, blurred: bool, verdict: str) -> None:
    kept = Prediction("a", True, probability, "motion", 0.0, verdict="blurred")
    found = kept.settled(0.5, (0.2, 0.9))
    assert (found.blurred, found.verdict) == (blurred, verdict)
    assert found.kind == ("motion" if blurred else "sharp")
    closed = kept.settled(0.5)
    assert closed.verdict == ("blurred" if blurred else "sharp")
    nothing = replace(kept, verdict="unsure")  # to judge: no threshold settles that
    assert nothing.settled(0.5).verdict == nothing.settled(0.5, (0.2, 0.9)).verdict == "unsure"
    failed = Prediction.failed("a", "gone")
    assert failed.settled(0.5) is failed


def test_thumbnails_come_from_file_and_cache(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.jpg", 1, size=(300, 400))
    for _ in range(2):
        fake = FakeClassifier()
        (answer,) = scan_here(photo, fake, cache=tmp_path / "cache", thumbnails=True)
        assert answer.thumbnail is not None
        assert cv2.imdecode(np.frombuffer(answer.thumbnail, np.uint8), 0) is not None
    assert fake.judged == []


def test_a_heic_photo_is_decoded_once(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    pixels = np.full((240, 400, 3), 90, np.uint8)
    heif.from_bytes("RGB", (400, 240), pixels.tobytes()).save(tmp_path / "a.heic")
    opened = Mock(wraps=heif.open_heif)
    monkeypatch.setattr(heif, "open_heif", opened)
    (answer,) = scan_here(tmp_path / "a.heic", load(), thumbnails=True)
    assert answer.thumbnail is not None and opened.call_count == 1


def test_the_sharpest_of_each_second_is_kept(clip: Path) -> None:
    kept = [answer.prediction for answer in scan_here(clip, FakeClassifier(), every=1)]
    assert [one.path for one in kept] == [f"{clip}#t={number / RATE:.3f}" for number in SHARP]
    assert (kept[0].width, kept[0].height) == (160, 120)
    few = FakeClassifier()
    scan_here(clip, few, every=3)
    times = [float(path.rsplit("=", 1)[1]) for path in few.judged]
    assert times == pytest.approx([number / RATE for number in range(0, 20, 3)], abs=1e-3)


def test_kept_frames_are_written_and_nothing_is_overwritten(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = scan_here(clip, FakeClassifier(), every=1, frames=out, thumbnails=True)
    assert [answer.prediction.error for answer in kept] == [None, None]
    assert all(answer.thumbnail for answer in kept)
    written = sorted(out.rglob("*.jpg"))
    assert [path.name for path in written] == ["000000.300.jpg", "000001.800.jpg"]
    assert cv2.absdiff(cv2.imread(str(written[0])), frame(SHARP[0])).mean() < 9
    before = written[0].read_bytes()
    again = scan_here(clip, FakeClassifier(), every=1, frames=out)
    assert "already exists; left unchanged" in str(again[-1].prediction.error)
    assert written[0].read_bytes() == before


def test_damaged_video_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video" * 50)
    (answer,) = scan_here(path, FakeClassifier())
    assert answer.prediction.error == "is not a video that OpenCV can read, or is damaged"


MEMORY = """
import resource, sys
sys.path[:0] = ["tests/helpers"]
from fake_classifier import *
from blur_fusion.scan.inputs import Found
fake = FakeClassifier()
def peak(number):
    with threads(fake) as pool:
        for _ in scan((Found(sys.argv[1]) for _ in range(number)), pool):
            fake.judged.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
few = peak(100)
print(peak(2000) - few)
"""


def test_memory_is_flat(photos: Path) -> None:
    assert float(python(MEMORY, photos / "00.jpg")) < 5  # MB


def judged(given: Path, cache: Path, fingerprint: str = "fake 1") -> list[str]:
    """Paths of the photos that a scan judges again."""
    fake = FakeClassifier()
    fake.fingerprint = fingerprint
    scan_here(given, fake, cache=cache)
    return sorted(fake.judged)


def test_what_changed_or_failed_is_judged_again(photos: Path, tmp_path: Path) -> None:
    (photos / "02.jpg").write_bytes(b"no picture")
    judged(photos, tmp_path / "cache")
    write_photo(photos / "03.jpg", 99)
    os.utime(photos / "05.jpg", ns=(1, 1))
    changed = [str(photos / name) for name in ("02.jpg", "03.jpg", "05.jpg")]
    assert judged(photos, tmp_path / "cache") == changed
    assert len(judged(photos, tmp_path / "cache", "fake 2")) == 6


def test_nothing_is_judged_twice_by_whatever_name(photos: Path, tmp_path: Path) -> None:
    first, second = FakeClassifier(), FakeClassifier()
    expected = scan_here(photos, first, cache=tmp_path / "cache")
    (tmp_path / "link").symlink_to(photos)
    assert scan_here(photos, second, cache=tmp_path / "cache") == expected
    answers = scan_here(tmp_path / "link", second, cache=tmp_path / "cache")
    assert len(first.judged) == 6 and not second.judged
    assert answers[0].prediction.path == str(tmp_path / "link/00.jpg")


def test_what_an_older_version_kept_is_judged_again(photos: Path, tmp_path: Path) -> None:
    with Cache(tmp_path / "cache", "model") as cache:
        file, known = cache.get(str(photos / "00.jpg"))
        assert file is not None and known is None
        cache.put(file, Prediction("n", True, 0.9, "motion", 2.0, 1.0, 5, 5, None, "dark"))
        assert cache.get(str(photos / "00.jpg"))[1] is not None
    with closing(sqlite3.connect(tmp_path / "cache")) as base:
        base.execute("UPDATE verdicts SET verdict = json_remove(verdict, '$.exposure')")
        base.commit()
    with Cache(tmp_path / "cache", "model") as cache:
        assert cache.get(str(photos / "00.jpg"))[1] is None


@pytest.mark.parametrize("content", ["text", "other", "torn", "folder"])
def test_a_damaged_cache_is_said_and_left_alone(photos: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache"
    if content == "text":
        path.write_text("my diary")
    elif content == "other":  # a catalogue of another program
        with closing(sqlite3.connect(path)) as base:
            base.execute("CREATE TABLE pictures (name TEXT)")
    elif content == "torn":
        judged(photos, path)
        data = path.read_bytes()
        path.write_bytes(data[:100] + b"\xaa" * 2900 + data[3000:])
    else:
        path.mkdir()
    before = path.is_file() and path.read_bytes()
    said: list[str] = []
    with threads(fake := FakeClassifier()) as pool:
        assert len(list(scan(files_in(photos), pool, path, said.append))) == len(fake.judged) == 6
    (line,) = said
    assert line.startswith(f"{path}: not a cache of blur") and "\n" not in line
    assert (path.is_file() and path.read_bytes()) == before


def test_what_is_judged_is_kept_when_the_scan_stops(photos: Path, tmp_path: Path) -> None:
    first = FakeClassifier(0.02)
    with threads(first) as pool:
        answers = scan(files_in(photos), pool, tmp_path / "cache")
        next(answers)
        with pytest.raises(KeyboardInterrupt):
            answers.throw(KeyboardInterrupt)
    assert first.judged
    second = judged(photos, tmp_path / "cache")
    assert sorted(first.judged + second) == sorted(map(str, photos.iterdir()))


def test_dates_beyond_2262_and_before_1970(photos: Path, tmp_path: Path) -> None:
    for name, seconds in (("03.jpg", 10_000_000_000), ("04.jpg", -2_000_000_000)):
        os.utime(photos / name, (seconds, seconds))
    assert len(judged(photos, tmp_path / "cache")) == 6
    assert judged(photos, tmp_path / "cache") == []
