"""The sharpest first, at full size and where it counts; what differs by noise alone is a tie."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.bursts.ranking import Cells, Place, grid, ranked
from made_bursts import exposed, moved, rank_photos, scene, soft, write


def places(*photos: np.ndarray) -> list[Place]:
    """Of photos that lie on one another."""
    tiles = [Cells(photo, grid(*photos[0].shape)).tiles() for photo in photos]
    return ranked(tiles, tiles)


@pytest.mark.parametrize("noises", [(2, 2), (8, 8), (0, 5), (3, 9)])
def test_noise_alone_is_a_tie(noises: tuple[float, float]) -> None:
    plane, ties = scene(128, 192), 0
    for trial in range(100):
        pair = [exposed(plane, noise, 2 * trial + k) for k, noise in enumerate(noises)]
        ties += all(place.tie for place in places(*pair))
    assert ties >= 95


def test_many_photos_that_differ_by_noise_alone_are_a_tie() -> None:
    plane = scene(200, 300)
    for trial in range(5):
        photos = [exposed(plane, 4, 20 * trial + k) for k in range(12)]
        found = places(*photos)
        assert all(place.tie for place in found)
        assert sorted(place.rank for place in found) == list(range(1, 13))


@pytest.mark.parametrize("noise", [1, 4, 10])
@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.0])
def test_less_sharp_is_not_a_tie(sigma: float, noise: float) -> None:
    plane = scene(200, 300)
    for trial in range(5):
        sharp, less = exposed(plane, noise, trial), exposed(soft(plane, sigma), noise, 99 + trial)
        assert places(less, sharp) == [Place(2, False), Place(1, False)]


def test_noise_does_not_make_a_blurred_photo_the_sharpest() -> None:
    plane = scene()
    assert places(exposed(soft(plane, 1.5), 12), exposed(plane, 1))[1] == Place(1, False)


def test_contrast_and_brightness_do_not_count() -> None:
    plane = scene()
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
    assert [place and place.rank for place in found.places] == [2, 1]


def test_photos_of_other_sizes_can_be_compared(tmp_path: Path) -> None:
    plane = scene(480, 720)
    small = cv2.resize(exposed(soft(plane, 3), 1), (540, 360), interpolation=cv2.INTER_AREA)
    found = rank_photos(write(tmp_path, [small, exposed(plane, 1)]))
    assert [place and place.rank for place in found.places] == [2, 1]


def test_what_cannot_be_read_has_no_place(tmp_path: Path) -> None:
    paths = write(tmp_path, [exposed(soft(scene(), 2)), exposed(scene()), exposed(scene())])
    paths[1].write_bytes(b"no photo")
    assert rank_photos(paths).places == [Place(2, False), None, Place(1, False)]
    assert rank_photos([paths[1]]).places == [None]


def test_pictures_without_content_are_a_tie() -> None:
    assert all(place.tie for place in places(*(np.full((90, 120), 99, np.uint8),) * 2))


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
