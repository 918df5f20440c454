"""Which photos belong together."""

from pathlib import Path

import numpy as np
import pytest

from blur_fusion.bursts.capture import Capture
from blur_fusion.bursts.find import find_bursts
from blur_fusion.bursts.groups import (
    Shot,
    align,
    by_name,
    chains,
    distance,
    perceptual_hash,
    shots,
    small_picture,
)
from blur_fusion.scan.cache import Cache
from made_bursts import exif, exposed, moved, scene, soft, write


def taken(times: dict[str, float | None], camera: str = "") -> list[Shot]:
    return [Shot((path,), Capture(time, camera)) for path, time in times.items()]


def names(found: list[list[Shot]]) -> list[list[str]]:
    return [[shot.paths[0] for shot in chain] for chain in found]


def test_pauses_end_a_chain() -> None:
    times = {"c": 10.0, "a": 0.0, "b": 1.9, "d": 12.1, "e": 30.0, "f": 31.5, "g": 33.4}
    assert names(chains(taken(times))) == [["a", "b"], ["e", "f", "g"]]
    assert names(chains(taken(times), 2.2)) == [["a", "b"], ["c", "d"], ["e", "f", "g"]]
    assert names(chains(taken(times), 0)) == []


def test_cameras_and_folders_are_apart() -> None:
    two = taken({"a1": 0.0, "a2": 1.0}, "A") + taken({"b1": 0.5, "b2": 1.5}, "B")
    assert names(chains(two)) == [["a1", "a2"], ["b1", "b2"]]
    assert names(chains(taken({"x/1": 0.0, "y/1": 0.0, "x/2": 0.0}))) == [["x/1", "x/2"]]


def test_equal_times_and_no_times_go_by_name() -> None:
    same = taken({"IMG_10": 5.0, "IMG_9": 5.0, "IMG_8": 4.0})
    assert names(chains(same)) == [["IMG_8", "IMG_9", "IMG_10"]]
    untimed = taken({"img_2": None, "IMG_10": None, "IMG_1": None})
    assert names(chains(untimed)) == [["IMG_1", "img_2", "IMG_10"]]
    assert sorted(["a10", "a9", "A1b"], key=by_name) == ["A1b", "a9", "a10"]


def test_raw_and_jpeg_are_one_shot() -> None:
    found = shots(["p/a.CR2", "p/a.jpg", "p/b.png", "p/b.jpg", "q/a.jpg", "p/c.nef"])
    assert found == [["p/a.jpg", "p/a.CR2"], ["p/b.jpg"], ["p/b.png"], ["p/c.nef"], ["q/a.jpg"]]


@pytest.mark.parametrize("right", [0, 7, 60, 150])
def test_shifts_are_found_in_spite_of_blur_and_exposure(right: int) -> None:
    plane = scene(420, 640)
    first, second = moved(plane, 0, 0, 160), moved(plane, right, right // 2, 160)
    pair = exposed(first, 4), exposed(soft(second, 4), 1, gain=1.3)
    found = align(*map(small_picture, pair))
    assert found.likeness > 0.75
    assert found.right == pytest.approx(-right / 480, abs=0.004)
    assert found.down == pytest.approx(-(right // 2) / 260, abs=0.006)


def test_other_scenes_are_not_alike() -> None:
    small = [small_picture(exposed(scene(seed=seed))) for seed in range(8)]
    for number, first in enumerate(small):
        for second in small[number + 1 :]:
            assert align(first, second).likeness < 0.5
            assert distance(perceptual_hash(first), perceptual_hash(second)) > 14


def test_nothing_is_like_nothing() -> None:
    flat = np.full((96, 128), 128, np.uint8)
    assert align(flat, flat).likeness == 0
    assert align(flat, small_picture(exposed(scene()))).likeness == 0


def two_scenes() -> list[np.ndarray]:
    """Three photos of one scene and two of another."""
    planes = [scene(seed=seed) for seed in (1, 1, 1, 2, 2)]
    return [
        exposed(soft(moved(plane, 4 * k, 2 * k, 40), sigma), 2, k)
        for k, (plane, sigma) in enumerate(zip(planes, (1, 0, 2, 0, 1), strict=True))
    ]


@pytest.mark.parametrize("timed", [True, False])
def test_bursts_of_a_folder(tmp_path: Path, timed: bool) -> None:
    headers = [exif(0.3 * number) for number in range(5)] if timed else []
    paths = list(map(str, write(tmp_path, two_scenes(), headers)))
    found = find_bursts(paths)
    marks = [found[path] for path in paths]
    assert [(mark.burst, mark.rank) for mark in marks] == [(1, 2), (1, 1), (1, 3), (2, 1), (2, 2)]
    assert not any(mark.tie or mark.series for mark in marks)


def test_a_raw_file_stands_where_its_jpeg_does(tmp_path: Path) -> None:
    paths = write(tmp_path, two_scenes()[:2], [exif(0), exif(0.3)])
    raw = paths[0].with_suffix(".CR2")
    raw.write_bytes(b"is not looked at")
    found = find_bursts([str(raw), *map(str, paths)])
    assert found[str(raw)] == found[str(paths[0])]
    assert [found[str(path)].rank for path in paths] == [2, 1]


def test_the_gap_is_a_parameter(tmp_path: Path) -> None:
    headers = [exif(3 * number) for number in range(5)]
    paths = list(map(str, write(tmp_path, two_scenes(), headers)))
    assert find_bursts(paths) == {}
    assert len(find_bursts(paths, 3)) == 5


def test_photos_between_that_cannot_be_read_end_a_burst(tmp_path: Path) -> None:
    paths = write(tmp_path, [exposed(scene(), 2, seed) for seed in range(5)])
    paths[2].write_bytes(b"no photo")
    found = find_bursts(list(map(str, paths)))
    assert [found[str(path)].burst for path in paths if str(path) in found] == [1, 1, 2, 2]
    assert find_bursts([]) == {}


def test_the_cache_knows_bursts_of_files_that_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path / "photos", two_scenes(), [exif(0.3 * k) for k in range(5)])
    words = list(map(str, paths))
    with Cache(tmp_path / "cache", "model") as cache:
        first = find_bursts(words, cache=cache)
    with monkeypatch.context() as patched, Cache(tmp_path / "cache", "other model") as cache:
        patched.setattr("blur_fusion.bursts.find.read_capture", None)
        patched.setattr("blur_fusion.bursts.find.decode", None)
        assert find_bursts(words, cache=cache) == first
    blurred = [exposed(soft(scene(seed=2), 3)), exposed(scene(seed=2))]
    write(tmp_path / "photos", blurred, [exif(0.9), exif(1.2)], first=4)
    with Cache(tmp_path / "cache", "model") as cache:
        again = find_bursts(words, cache=cache)
    assert [again[path].rank for path in words] == [2, 1, 3, 2, 1]
