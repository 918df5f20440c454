"""Brackets, focus stacks and panoramas are recognised and left alone; bursts are none of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blur_fusion.bursts.find import Burst
from blur_fusion.bursts.series import BRACKET, PANORAMA, STACK
from made_bursts import exif, exposed, moved, rank_photos, scene, soft, stack, write


def judged(folder: Path, photos: Sequence[np.ndarray], headers: Sequence[Image.Exif] = ()) -> Burst:
    return rank_photos(write(folder, photos, headers))


def left_alone(burst: Burst) -> bool:
    return burst.places == [None] * len(burst.shots)


@pytest.mark.parametrize("gains", [(1, 0.39, 2.57), (1, 0.7, 0.45, 1.3, 1.7), (0.6, 1.2)])
def test_brackets_are_seen_from_a_tripod(tmp_path: Path, gains: tuple[float, ...]) -> None:
    photos = [exposed(scene(), 2, k, gain) for k, gain in enumerate(gains)]
    found = judged(tmp_path, photos)
    assert found.series == BRACKET
    assert left_alone(found)


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
    assert (
        judged(tmp_path, photos, [exif(k / 5, **more) for k, more in enumerate(varied)]).series
        == BRACKET
    )


@pytest.mark.parametrize("number", [3, 5, 9])
def test_focus_stacks_are_seen(tmp_path: Path, number: int) -> None:
    found = judged(tmp_path, [exposed(one, 2, k) for k, one in enumerate(stack(scene(), number))])
    assert found.series == STACK
    assert left_alone(found)


def test_stacks_of_planes_are_seen(tmp_path: Path) -> None:
    """Each photo is sharp in a third of the picture, and elsewhere as soft as the others."""
    sharp, photos = scene(), []
    for number in range(3):
        photo, third = soft(sharp, 3), slice(180 * number, 180 * (number + 1))
        photo[:, third] = sharp[:, third]
        photos.append(exposed(photo, 2, number))
    assert judged(tmp_path, photos).series == STACK


def test_two_halves_of_a_view_are_a_panorama(tmp_path: Path) -> None:
    plane = scene(240, 480)
    halves = [exposed(plane[:, k * 150 : k * 150 + 300], 2, k) for k in range(2)]
    assert judged(tmp_path, halves).series == PANORAMA


@pytest.mark.parametrize("step", [60, 120])
@pytest.mark.parametrize("way", [1, -1])
def test_panoramas_are_seen(tmp_path: Path, step: int, way: int) -> None:
    plane = scene(240, 720)
    photos = [exposed(plane[:, k * step : k * step + 300], 2, k) for k in range(4)][::way]
    found = judged(tmp_path, photos)
    assert found.series == PANORAMA
    assert left_alone(found)


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
