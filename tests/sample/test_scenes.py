"""Scenes, camera, point spread functions and digital filters of the embedded data set."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.sample import blur
from blur_fusion.sample.blur import Blur, Kernel, disk, gaussian, polygon, straight_motion
from blur_fusion.sample.camera import develop, draw_camera, expose, untouched
from blur_fusion.sample.digital import FILTERS, apply_filter, certh_kernel
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


def moments(kernel: Kernel) -> np.ndarray:
    """Covariance (2, 2) of the kernel's light in (x, y)."""
    rows, columns = np.indices(kernel.shape)
    places = np.stack([columns.ravel(), rows.ravel()]).astype(float)
    return np.cov(places, aweights=kernel.ravel().astype(float), ddof=0)


def spread(kernel: Kernel) -> float:
    return float(np.trace(moments(kernel)))


def kernels() -> list[Kernel]:
    random = rng(3)
    made = [disk(r) for r in (0.2, 0.5, 1.9, 7.3, 20)]
    made += [polygon(r, blades, 0.4) for r in (0.6, 5.5) for blades in (5, 8)]
    made += [gaussian(s) for s in (0.3, 1, 4.2)]
    made += [straight_motion(length, 0.7) for length in (1.5, 6, 31.4)]
    made += [blur.shaken_motion(extent, random, worry) for extent in (3, 40) for worry in (0.1, 1)]
    made += [certh_kernel(name, scale) for name in FILTERS for scale in (0.05, 0.31, 1)]
    made += [blur.double_exposure(distance, 0.4, random) for distance in (5, 30) for _ in range(4)]
    for scale in (0.2, 1.0, 1.7):
        made += [k for _ in range(30) for k in blur.natural_blur(scale, random).kernels]
        made += [k for _ in range(5) for k in blur.sharp_blur(scale, random).kernels]
    return made


def test_kernels_keep_light_and_have_a_middle() -> None:
    for kernel in kernels():
        assert kernel.dtype == np.float32
        assert kernel.sum() == pytest.approx(1, abs=1e-4)
        assert np.isfinite(kernel).all() and kernel.min() >= 0
        assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1


def test_kernels_do_not_shift_the_picture() -> None:
    made = [disk(5.3), gaussian(2), straight_motion(9.5, 1.1), polygon(6, 6, 0.2)]
    for kernel in [*made, *(certh_kernel(name, 0.3) for name in FILTERS)]:
        rows, columns = np.indices(kernel.shape)
        middle = [(kernel * places).sum() for places in (rows, columns)]
        assert middle == pytest.approx([side // 2 for side in kernel.shape], abs=0.1)


def test_disks_and_gaussians_spread_as_they_do() -> None:
    for sigma in (1.0, 2.5, 5.0):
        assert spread(gaussian(sigma)) == pytest.approx(2 * sigma**2, rel=0.06)
    for radius in (6.0, 9.5, 16.0):  # a disk's second moment about its centre is r^2 / 2
        assert spread(disk(radius)) == pytest.approx(radius**2 / 2, rel=0.05)
    across, along = moments(disk(8))[0, 0], moments(disk(8))[1, 1]
    assert across == pytest.approx(along, rel=0.02)
    grow = [disk(1), disk(2), disk(4), polygon(8, 5, 0), polygon(8, 8, 0), disk(8), disk(16)]
    assert (np.diff([spread(kernel) for kernel in grow]) > 0).all()


@pytest.mark.parametrize("angle", [0.0, 0.5, np.pi / 4, np.pi / 2, 2.4])
def test_straight_motion_has_extent_and_direction(angle: float) -> None:
    for length in (6.0, 24.0):
        values, vectors = np.linalg.eigh(moments(straight_motion(length, angle)))
        assert values[1] == pytest.approx(length**2 / 12, rel=0.1)  # of an even line
        assert values[0] < 0.4  # a line is thin
        direction = np.array([np.cos(angle), np.sin(angle)])
        assert abs(vectors[:, 1] @ direction) > 0.99


def test_shaken_paths_have_their_extent_and_differ() -> None:
    random = rng(8)
    paths = [blur.shaken_motion(20, random, 0.8) for _ in range(8)]
    assert all(19 <= np.ptp(np.nonzero(path > 0), axis=1).max() <= 23 for path in paths)
    assert len({path.tobytes() for path in paths}) == 8
    assert np.array_equal(blur.shaken_motion(20, rng(8), 0.8), paths[0])


def test_a_bent_path_turns_back() -> None:
    def reach(bend: float) -> float:
        rows, columns = np.nonzero(blur.shaken_motion(40, rng(2), 0, bend) > 0)
        return float(min(np.ptp(rows), np.ptp(columns)) / max(np.ptp(rows), np.ptp(columns)))

    assert reach(2 * np.pi) > 0.9 > reach(0)


@pytest.mark.parametrize("distance", [5.0, 12.0, 30.0])
def test_a_double_exposure_has_separate_rests(distance: float) -> None:
    for seed in range(10):
        kernel = blur.double_exposure(distance, 0.5, rng(seed))
        count, owners = cv2.connectedComponents((kernel > 0.02 * kernel.max()).astype(np.uint8))
        assert count - 1 in (2, 3)
        for owner in range(1, count):
            assert kernel[owners == owner].sum() > 0.2


def test_certh_has_fifteen_filters() -> None:
    assert len(set(FILTERS)) == 15
    picture = rng(1).integers(0, 256, (96, 1024, 3), dtype=np.uint8)
    for blurred in (apply_filter(picture, name) for name in FILTERS):
        assert blurred.shape == picture.shape and blurred.dtype == np.uint8
        before, after = (cv2.Laplacian(one, cv2.CV_64F).var() for one in (picture, blurred))
        assert after < before
    along = {name: moments(certh_kernel(name, 0.3)) for name in FILTERS}
    (across, slant), (_, down) = along["MotionL100Th0"]
    assert across > 50 * down and slant == pytest.approx(0, abs=0.1)
    assert along["MotionL50Th90"][1, 1] > 50 * along["MotionL50Th90"][0, 0]
    assert certh_kernel("GaussianH1x50S250", 0.3).shape[0] == 1
    assert along["MotionL100Th45"][0, 1] < 0  # MATLAB turns against the clock, rows run down
