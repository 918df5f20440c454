"""The cache: nothing twice, nothing stale, nobody else's database touched."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blur_fusion.model.prediction import Prediction
from blur_fusion.scan.cache import Cache
from blur_fusion.scan.engine import scan
from fake_classifier import FakeClassifier, files_in, scan_here, threads
from trees import write_photo


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
    before = path.read_bytes() if path.is_file() else b""
    said: list[str] = []
    fake = FakeClassifier()
    with threads(fake) as pool:
        assert len(list(scan(files_in(photos), pool, path, said.append))) == 6
    assert len(fake.judged) == 6
    (line,) = said
    assert line.startswith(f"{path}: not a cache of blur") and "\n" not in line
    assert (path.read_bytes() if path.is_file() else b"") == before


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


@pytest.mark.parametrize("seconds", [10_000_000_000, -2_000_000_000])
def test_dates_beyond_2262_and_before_1970(photos: Path, tmp_path: Path, seconds: int) -> None:
    os.utime(photos / "03.jpg", (seconds, seconds))
    assert len(judged(photos, tmp_path / "cache")) == 6
    assert judged(photos, tmp_path / "cache") == []
