"""The cache: nothing twice, nothing stale, nobody else's database touched."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.cache import Cache, identity
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import find, named
from blur_fusion.scan.judging import ScanOptions
from fake_judge import FakeJudge, album
from trees import write_photo


def run(folder: Path, judge: FakeJudge, options: ScanOptions) -> list[Verdict]:
    files = find(named([str(folder)]))
    return [judged.verdict for batch in scan(files, judge, options) for judged in batch]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    album(tmp_path / "photos", 8)
    return tmp_path / "photos"


def test_nothing_is_judged_twice(photos: Path, tmp_path: Path) -> None:
    options = ScanOptions(workers=2, cache=tmp_path / "cache")
    first, second = FakeJudge(), FakeJudge()
    expected = run(photos, first, options)
    assert run(photos, second, options) == expected
    assert len(first.judged) == 8 and not second.judged


def test_what_changed_is_judged_again(photos: Path, tmp_path: Path) -> None:
    options = ScanOptions(cache=tmp_path / "cache")
    run(photos, FakeJudge(), options)
    write_photo(photos / "03.jpg", 99)
    os.utime(photos / "05.jpg", ns=(1, 1))
    again = FakeJudge()
    run(photos, again, options)
    assert sorted(again.judged) == [str(photos / "03.jpg"), str(photos / "05.jpg")]
    other = FakeJudge()
    other.fingerprint = "fake 2"
    run(photos, other, options)
    assert len(other.judged) == 8


def test_one_file_by_two_names_is_known(photos: Path, tmp_path: Path) -> None:
    options = ScanOptions(cache=tmp_path / "cache")
    run(photos, FakeJudge(), options)
    (tmp_path / "link").symlink_to(photos)
    judge = FakeJudge()
    verdicts = run(tmp_path / "link", judge, options)
    assert not judge.judged and verdicts[0].path == str(tmp_path / "link/00.jpg")


def test_failures_are_tried_again(photos: Path, tmp_path: Path) -> None:
    (photos / "02.jpg").write_bytes(b"no picture")
    options = ScanOptions(cache=tmp_path / "cache")
    for _ in range(2):
        assert run(photos, FakeJudge(), options)[2].error is not None
    file = identity(str(photos / "02.jpg"))
    cache = Cache(tmp_path / "cache", FakeJudge.fingerprint)
    assert file is not None and cache.get(file, "x") is None
    cache.close()


@pytest.mark.parametrize("content", ["text", "other", "torn"])
def test_a_damaged_cache_is_said_and_left_alone(photos: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache"
    if content == "text":
        path.write_text("my diary")
    elif content == "other":  # a catalogue of another program
        base = sqlite3.connect(path)
        base.execute("CREATE TABLE pictures (name TEXT)")
        base.commit()
        base.close()
    else:
        run(photos, FakeJudge(), ScanOptions(cache=path))
        data = bytearray(path.read_bytes())
        data[100:3000] = b"\xaa" * 2900
        path.write_bytes(bytes(data))
    before = path.read_bytes()
    said: list[str] = []
    judge = FakeJudge()
    verdicts = run(photos, judge, ScanOptions(cache=path, warn=said.append))
    assert len(verdicts) == len(judge.judged) == 8
    assert len(said) == 1 and str(path) in said[0] and "\n" not in said[0]
    assert path.read_bytes() == before


def test_a_folder_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="no cache of blur"):
        Cache(tmp_path, "model")


def test_what_is_judged_is_kept_when_the_scan_stops(photos: Path, tmp_path: Path) -> None:
    options = ScanOptions(workers=2, cache=tmp_path / "cache")
    first, second = FakeJudge(0.02), FakeJudge()
    answers = scan(find(named([str(photos)])), first, options)
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(answers):
            if number == 1:
                answers.throw(KeyboardInterrupt)
    assert len(first.judged) >= 2
    run(photos, second, options)
    assert sorted(first.judged + second.judged) == sorted(map(str, photos.iterdir()))
