"""Explanations of a few seeded pictures against the truth; the benchmark has more."""

import numpy as np
import pytest

from benchmarks.localisation import (
    DIRECTION,
    FILLED,
    LENGTH,
    MOTION,
    RADIUS,
    evenly_blurred,
    pixel_auc,
    pixel_aucs,
    stated,
)
from blur_fusion.explain.blur_map import blur_map
from blur_fusion.explain.explainer import Explainer
from blur_fusion.explain.extent import disk_transfer, measure_defocus, measure_motion
from blur_fusion.model.classifier import load
from blur_fusion.sample.blur import disk

SEED = 977


@pytest.mark.parametrize("subject_blurred", [False, True])
def test_the_blur_map_separates_sharp_from_blurred(subject_blurred: bool) -> None:
    explainer = Explainer(load())
    maps = {"map": lambda image: explainer.blur_map(image).logit}
    assert np.mean(pixel_aucs(maps, FILLED, 10, subject_blurred, SEED)["map"]) >= 0.85


def test_direction_and_length_of_motion() -> None:
    angles = stated(DIRECTION, FILLED, 15, SEED)
    assert len(angles.true) >= 12 and np.median(angles.errors) <= 15
    lengths = stated(LENGTH, FILLED, 15, SEED)
    assert len(lengths.true) >= 8 and lengths.spearman >= 0.9


def test_extent_of_defocus_grows_with_the_true_radius() -> None:
    found = stated(RADIUS, FILLED, 20, SEED)
    assert len(found.true) >= 8 and found.spearman >= 0.9 and np.median(found.errors) < 0.2


def test_a_turned_picture_has_a_turned_direction() -> None:
    working, _, _ = evenly_blurred("leaves", MOTION, (SEED, 1))
    straight = measure_motion(working).angle
    turned = measure_motion(np.ascontiguousarray(np.rot90(working))).angle
    assert straight is not None and turned is not None
    assert abs(turned - straight) % 180 == pytest.approx(90, abs=5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (20, 20), (40, 200)])
def test_odd_pictures_have_finite_maps_and_no_extent(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    for image in (np.zeros_like(noise), np.full_like(noise, 128), noise):
        found = blur_map(image, np.zeros((2, 2), np.float32))
        assert found.logit.shape == shape and np.isfinite(found.logit).all()
        assert ((found.blurred >= 0) & (found.blurred <= 1)).all()
        motion, defocus = measure_motion(image), measure_defocus(image)
        for value in (motion.angle, motion.extent, defocus.extent):
            assert value is None or np.isfinite(value)


def test_empty_places_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    image = np.full((256, 256), 200, np.uint8)
    image[:, :128] = rng.integers(0, 255, (256, 128))
    found = blur_map(image, np.zeros((16, 16), np.float32))
    assert found.empty[:, 200:].mean() > 0.95 and found.empty[:, :96].mean() < 0.05


def test_pixel_auc_counts_pairs() -> None:
    blurred = np.array([[0, 0, 1, 1, 0.5]], np.float32)
    assert pixel_auc(blurred, np.array([[0, 1, 1, 2, 9]], np.float32)) == 3.5 / 4
    assert pixel_auc(blurred, -blurred) == 0
    assert pixel_auc(blurred, np.array([[0, 3, np.nan, 2, 9]], np.float32)) == 1 / 2


def test_the_disk_s_transfer_function_is_that_of_a_disk() -> None:
    kernel = disk(6.0)
    wide = np.zeros((256, 256))
    wide[: len(kernel), : len(kernel)] = kernel
    measured = np.abs(np.fft.fft(wide.sum(axis=0)))[:30]
    expected = np.abs(disk_transfer(np.arange(30) / 256, 6.0))
    assert measured == pytest.approx(expected, abs=0.03)
