"""Scenes and the camera of the embedded data set."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.sample.blur import Blur, disk
from blur_fusion.sample.camera import develop, draw_camera, expose, untouched
from blur_fusion.sample.photographs import EVALUATION_PHOTOGRAPHS, TRAINING_PHOTOGRAPHS, photograph
from blur_fusion.sample.scenes import DEEP, FAMILIES, panned, render_scene, shallow_focus
from blur_fusion.sample.shots import _shoot
from blur_fusion.sample.textures import Field

rng = np.random.default_rng
View = Callable[[Field, np.random.Generator], Field]


@pytest.mark.parametrize("family", FAMILIES)
def test_scenes_are_light(family: str) -> None:
    for size in ((96, 75), (200, 256)):
        for seed in range(2):
            made = [FAMILIES[family][0](size, rng(seed)) for _ in range(2)]
            assert made[0].shape == size and made[0].dtype == np.float32
            assert np.isfinite(made[0]).all() and made[0].min() >= 0 < made[0].std()
            assert np.array_equal(*made)


def test_rendered_scenes_are_of_all_families_or_a_photograph() -> None:
    size = (60, 80)
    scenes = [render_scene(size, rng(seed)) for seed in range(200)]
    assert {family for family, _ in scenes} == set(FAMILIES)
    for family, views in scenes:
        assert len(views) == 1 or family not in DEEP
        for view in views:
            assert view.shape == size and view.dtype == np.float32
            assert np.isfinite(view).all() and view.min() >= 0
    assert render_scene(size, rng(0), "china.jpg")[0] == "photograph"


@pytest.mark.parametrize("view", [shallow_focus, panned])
def test_views_blur_the_ground_and_keep_a_subject(view: View) -> None:
    for seed in range(12):
        scene = photograph("grass.png", (240, 320), rng(seed))
        seen = view(scene, rng(seed))
        same = np.isclose(seen, scene, atol=1e-4)
        assert 0.005 < same.mean() < 0.98
        assert seen[~same].std() < scene[~same].std()


def test_panning_leaves_detail_across_its_streaks() -> None:
    def detail(seed: int) -> float:
        scene = rng(seed).random((240, 320), dtype=np.float32)
        seen = panned(scene, rng(seed))
        ground = ~np.isclose(seen, scene, atol=1e-4)
        along, across = (np.abs(np.diff(seen, axis=axis, append=0))[ground] for axis in (1, 0))
        return float(across.mean() / along.mean())

    assert np.median([detail(seed) for seed in range(12)]) > 2


def test_photographs_are_never_in_both_halves() -> None:
    assert not set(TRAINING_PHOTOGRAPHS) & set(EVALUATION_PHOTOGRAPHS)
    for name in (*TRAINING_PHOTOGRAPHS, *EVALUATION_PHOTOGRAPHS):
        crop = photograph(name, (600, 800), rng(0))
        assert crop.shape == (600, 800) and 0 <= crop.min() < crop.max() <= 1
    with pytest.raises(BlurError, match="nobody"):
        photograph("nobody.png", (9, 9), rng(0))


def test_light_is_clipped_after_the_blur() -> None:
    ground = rng(0).uniform(0.01, 0.05, (120, 160)).astype(np.float32)
    white = []
    for power in (80.0, 1.0):
        light = ground.copy()
        light[58:61, 78:81] = power
        shots = [_shoot([light], "night", True, rng(seed))[0] for seed in range(12)]
        white.append(sum(int((shot.min(axis=2) > 225).sum()) for shot in shots))
    assert white[0] > 5 * white[1]


def test_film_grain_is_as_strong_as_asked_in_the_finished_picture() -> None:
    flat, camera = np.full((120, 160), 0.2, np.float32), draw_camera(False, 1.0, rng(0))
    plain = dict.fromkeys(("read_noise", "grain", "pattern", "denoise", "contrast"), 0.0)
    for film, sharpen in ((5.0, 0.0), (5.0, 2.2), (16.0, 0.0), (16.0, 2.2)):
        given = {"electrons": 1e6, "film": film, "film_sigma": 1.0, "sharpen": sharpen}
        picture = develop(flat, replace(camera, **plain, **given), rng(0))
        assert picture.std() == pytest.approx(film, rel=0.1)


def test_a_screenshot_is_what_was_on_the_screen() -> None:
    camera = untouched(draw_camera(False, 1.0, rng(0)))
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (20, 1))
    picture = develop(ramp, camera, rng(0))
    assert (picture == picture[0]).all() and picture[0, 0] == 0 and picture[0, -1] == 255


def test_a_small_bright_thing_is_not_burnt_out() -> None:
    scene = np.full((160, 160), 0.01, np.float32)
    scene[:40, :40] = 0.8
    camera = replace(draw_camera(False, 1.0, rng(0)), exposure=0.8)
    assert expose(scene, camera, False).max() < 1 < expose(scene, camera, True).max()


def test_two_kernels_fade_into_one_another() -> None:
    scene = rng(0).random((100, 200)).astype(np.float32)
    blurred = Blur("defocus", (disk(1), disk(6)), tilt=0.0).apply(scene)
    detail = np.abs(np.diff(blurred, axis=0)).mean(axis=0)
    assert detail[:20].mean() > 2 * detail[-20:].mean()
