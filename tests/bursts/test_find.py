"""Which photos belong together, which is the sharpest, and which series are left alone."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from blur_fusion.bursts import groups
from blur_fusion.bursts.capture import Capture
from blur_fusion.bursts.find import Burst, find_bursts
from blur_fusion.bursts.groups import Shot, align, distance, perceptual_hash, small_picture
from blur_fusion.bursts.ranking import Cells, Place, grid, ranked
from blur_fusion.bursts.series import BRACKET, PANORAMA, STACK
from blur_fusion.scan.cache import Cache
from made_bursts import exif, exposed, moved, rank_photos, scene, soft, stack, write


def taken(times: dict[str, float | None], camera: str = "") -> list[Shot]:
    return [Shot((path,), Capture(time, camera)) for path, time in times.items()]


def names(found: list[list[Shot]]) -> list[list[str]]:
    return [[shot.paths[0] for shot in chain] for chain in found]


def test_pauses_end_a_chain() -> None:
    times = {"c": 10.0, "a": 0.0, "b": 1.9, "d": 12.1, "e": 30.0, "f": 31.5, "g": 33.4}
    assert names(groups.chains(taken(times))) == [["a", "b"], ["e", "f", "g"]]
    assert names(groups.chains(taken(times), 2.2)) == [["a", "b"], ["c", "d"], ["e", "f", "g"]]
    assert names(groups.chains(taken(times), 0)) == []


def test_cameras_and_folders_are_apart() -> None:
    two = taken({"a1": 0.0, "a2": 1.0}, "A") + taken({"b1": 0.5, "b2": 1.5}, "B")
    assert names(groups.chains(two)) == [["a1", "a2"], ["b1", "b2"]]
    assert names(groups.chains(taken({"x/1": 0.0, "y/1": 0.0, "x/2": 0.0}))) == [["x/1", "x/2"]]


def test_equal_times_and_no_times_go_by_name() -> None:
    same = taken({"IMG_10": 5.0, "IMG_9": 5.0, "IMG_8": 4.0})
    assert names(groups.chains(same)) == [["IMG_8", "IMG_9", "IMG_10"]]
    untimed = taken({"img_2": None, "IMG_10": None, "IMG_1": None})
    assert names(groups.chains(untimed)) == [["IMG_1", "img_2", "IMG_10"]]
    assert sorted(["a10", "a9", "A1b"], key=groups.by_name) == ["A1b", "a9", "a10"]


def test_raw_and_jpeg_are_one_shot() -> None:
    found = groups.shots(["p/a.CR2", "p/a.jpg", "p/b.png", "p/b.jpg", "q/a.jpg", "p/c.nef"])
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
    for first, second in combinations(small, 2):
        assert align(first, second).likeness < 0.5
        assert distance(perceptual_hash(first), perceptual_hash(second)) > 14
    flat = np.full((96, 128), 128, np.uint8)
    assert align(flat, flat).likeness == align(flat, small[0]).likeness == 0


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
    marks = find_bursts(list(map(str, write(tmp_path, two_scenes(), headers)))).values()
    assert [(mark.burst, mark.rank) for mark in marks] == [(1, 2), (1, 1), (1, 3), (2, 1), (2, 2)]
    assert not any(mark.tie or mark.series for mark in marks)


def test_real_scenes_are_apart(shared_data: Path, tmp_path: Path) -> None:
    """Side by side in one folder, without any times."""
    for photo in shared_data.glob("kwentar/*/*"):
        (tmp_path / photo.name).symlink_to(photo)
    found = find_bursts([str(path) for path in tmp_path.iterdir()])
    pairs = {(mark.burst, Path(path).stem[:-2]) for path, mark in found.items()}
    assert len(pairs) == len({burst for burst, _ in pairs}) >= 5


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


def test_the_cache_knows_bursts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def places(*photos: np.ndarray) -> list[Place]:
    """Of photos that lie on one another."""
    tiles = [Cells(photo, grid(*photos[0].shape)).tiles() for photo in photos]
    return ranked(tiles, tiles)


@pytest.mark.parametrize("noises", [(2, 2), (8, 8), (0, 5), (3, 9), (4,) * 12])
def test_noise_alone_is_a_tie(noises: tuple[float, ...]) -> None:
    plane, ties, trials = scene(128, 192), 0, 100 // len(noises)
    for trial in range(trials):
        found = places(*(exposed(plane, one, 20 * trial + k) for k, one in enumerate(noises)))
        assert sorted(place.rank for place in found) == [*range(1, len(noises) + 1)]
        ties += all(place.tie for place in found)
    assert ties >= 0.95 * trials


@pytest.mark.parametrize("noise", [1, 4, 10])
@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.0])
def test_less_sharp_is_not_a_tie(sigma: float, noise: float) -> None:
    plane = scene(200, 300)
    for trial in range(5):
        sharp, less = exposed(plane, noise, trial), exposed(soft(plane, sigma), noise, 99 + trial)
        assert places(less, sharp) == [Place(2, False), Place(1, False)]


def test_noise_contrast_and_brightness_do_not_count() -> None:
    plane = scene()
    assert places(exposed(soft(plane, 1.5), 12), exposed(plane, 1))[1] == Place(1, False)
    darker = exposed((plane - 128) * 0.6 + 100, 1, 1)
    assert all(place.tie for place in places(exposed(plane, 1), darker))
    assert places(exposed(soft(plane, 0.8), 1), darker)[1] == Place(1, False)


def test_photos_that_share_too_little_are_compared_by_frame() -> None:
    """As when a camera follows something: aligned, they hold a tenth of the scene in common."""
    pair = [Cells(exposed(soft(scene(), s), 2, 5), grid(*scene().shape)) for s in (1.5, 0)]
    aligned = [pair[0].tiles(right=-0.45), pair[1].tiles(right=0.45)]
    assert ranked(aligned, [cells.tiles() for cells in pair]) == [Place(2, False), Place(1, False)]


def test_only_places_count_where_a_photo_is_sharp() -> None:
    """A small subject before a background that is soft, full of contrast, and moves."""
    plane = scene(seed=1)
    behind = [soft(scene(seed=seed), 7) * 1.2 - 25 for seed in (2, 3)]
    photos = []
    for number, (sigma, far) in enumerate(zip((0.0, 0.9), behind, strict=True)):
        far[140:230, 200:330] = soft(plane, sigma)[140:230, 200:330]
        photos.append(exposed(far, 1, number))
    assert places(*photos) == [Place(1, False), Place(2, False)]


def test_photos_are_laid_over_one_another(tmp_path: Path) -> None:
    """The sharper one sees less of the richest part of the scene: over the whole it would lose."""
    plane = scene(400, 600)
    plane[:, 420:] = soft(plane, 6)[:, 420:]
    near = exposed(soft(moved(plane, 0, 40, 120), 0.7), 1)
    far = exposed(moved(plane, 120, 60, 120), 1, 1)
    found = rank_photos(write(tmp_path, [near, far]))
    assert [place.rank for place in found.places if place] == [2, 1]


def test_photos_of_other_sizes_can_be_compared(tmp_path: Path) -> None:
    plane = scene(480, 720)
    small = cv2.resize(exposed(soft(plane, 3), 1), (540, 360), interpolation=cv2.INTER_AREA)
    found = rank_photos(write(tmp_path, [small, exposed(plane, 1)]))
    assert [place.rank for place in found.places if place] == [2, 1]


def test_what_cannot_be_read_has_no_place(tmp_path: Path) -> None:
    paths = write(tmp_path, [exposed(soft(scene(), 2)), exposed(scene()), exposed(scene())])
    paths[1].write_bytes(b"no photo")
    assert rank_photos(paths).places == [Place(2, False), None, Place(1, False)]
    assert rank_photos([paths[1]]).places == [None]


def test_pictures_without_content_are_a_tie() -> None:
    assert all(place.tie for place in places(*[np.full((90, 120), 99, np.uint8)] * 2))


def test_sharp_photos_of_real_scenes_come_first(shared_data: Path) -> None:
    sharp = sorted((shared_data / "kwentar" / "sharp").iterdir())
    assert len(sharp) == 8
    for photo in sharp:
        stem, folder = photo.stem[:-1], shared_data / "kwentar"
        others = [*folder.glob(f"defocused*/{stem}F.*"), *folder.glob(f"motion*/{stem}M.*")]
        assert len(others) == 2
        found = rank_photos([*others, photo])
        assert found.series is None
        assert found.places[2] == Place(1, False), photo.name


def test_real_focus_series_are_in_order(shared_data: Path) -> None:
    folder = shared_data / "focus_stacks"
    chart = rank_photos(folder / "chart" / f"{number}.png" for number in range(6))
    assert [place and place.rank for place in chart.places] == [1, 2, 3, 4, 5, 6]
    numbers = range(-9, 10)
    smear = rank_photos(folder / "smear" / f"{number}.bmp" for number in numbers)
    ranks = [place.rank if place else 0 for place in smear.places]
    assert abs(numbers[ranks.index(1)]) <= 1


def judged(folder: Path, photos: Sequence[np.ndarray], headers: Sequence[Image.Exif] = ()) -> Burst:
    """What is a series has no places."""
    found = rank_photos(write(folder, photos, headers))
    assert (found.series is None) == (None not in found.places) == any(found.places)
    return found


@pytest.mark.parametrize("gains", [(1, 0.39, 2.57), (1, 0.7, 0.45, 1.3, 1.7), (0.6, 1.2)])
def test_brackets_are_seen_from_a_tripod(tmp_path: Path, gains: tuple[float, ...]) -> None:
    photos = [exposed(scene(), 2, k, gain) for k, gain in enumerate(gains)]
    assert judged(tmp_path, photos).series == BRACKET


@pytest.mark.parametrize(
    "varied",
    [
        [{"exposure": 0.01, "iso": 100}, {"exposure": 0.0025, "iso": 100}, {"exposure": 0.04}],
        [{"bias": 0.0}, {"bias": -2.0}, {"bias": 2.0}],
        [{"mode": 2}] * 3,
    ],
)
def test_brackets_are_known_by_their_headers(tmp_path: Path, varied: list[dict]) -> None:
    """Also from a hand, and where the exposures look alike."""
    photos = [exposed(moved(scene(), 12 * k, 8 * k, 30), 2, k) for k in range(3)]
    headers = [exif(k / 5, **more) for k, more in enumerate(varied)]
    assert judged(tmp_path, photos, headers).series == BRACKET


@pytest.mark.parametrize("number", [3, 5, 9])
def test_focus_stacks_are_seen(tmp_path: Path, number: int) -> None:
    photos = [exposed(one, 2, k) for k, one in enumerate(stack(scene(), number))]
    assert judged(tmp_path, photos).series == STACK


def test_stacks_of_planes_are_seen(tmp_path: Path) -> None:
    """Each photo is sharp in a third of the picture, and elsewhere as soft as the others."""
    sharp, photos = scene(), []
    for number in range(3):
        photo, third = soft(sharp, 3), slice(180 * number, 180 * (number + 1))
        photo[:, third] = sharp[:, third]
        photos.append(exposed(photo, 2, number))
    assert judged(tmp_path, photos).series == STACK


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize(("step", "number"), [(150, 2), (60, 4), (120, 4)])
def test_panoramas_are_seen(tmp_path: Path, step: int, number: int, way: int) -> None:
    plane = scene(240, 720)
    photos = [exposed(plane[:, k * step : k * step + 300], 2, k) for k in range(number)]
    assert judged(tmp_path, photos[::way]).series == PANORAMA


def test_following_a_subject_is_not_a_panorama(tmp_path: Path) -> None:
    """At ten photos a second the background passes by; what is followed stays."""
    plane = scene(240, 720)
    photos = [exposed(plane[:, k * 60 : k * 60 + 300], 2, k) for k in range(4)]
    assert judged(tmp_path, photos, [exif(k / 10) for k in range(4)]).series is None


def test_bursts_are_no_series(tmp_path: Path) -> None:
    plane = scene()
    kinds = {
        "noise": [(0, 1.0)] * 5,
        "focus found": [(4, 1.0), (2, 1.0), (1, 1.0), (0, 1.0), (0.5, 1.0)],
        "light of a passing cloud": [(0.5, 1.0), (0, 1.06), (1, 1.12), (0, 1.18), (0.7, 1.24)],
        "two": [(0, 1.0), (3, 1.0)],
    }
    for name, photos in kinds.items():
        held = [
            exposed(moved(soft(plane, sigma), 5 * k, 3 * k, 40), 2, k, gain)
            for k, (sigma, gain) in enumerate(photos)
        ]
        found = judged(tmp_path / name, held)
        assert found.series is None, name
        best = found.places[[sigma for sigma, _ in photos].index(0)]
        assert best is not None and (best.rank == 1 or best.tie), name


def test_something_that_moves_is_not_a_stack(tmp_path: Path) -> None:
    """A sharp thing crosses a soft background, and is sharp elsewhere in each photo."""
    behind, thing = soft(scene(seed=3), 5), scene(120, 120, seed=4)
    photos = []
    for number in range(5):
        photo = behind.copy()
        photo[120:240, 100 * number : 100 * number + 120] = thing
        photos.append(exposed(photo, 2, number))
    assert judged(tmp_path, photos).series is None
