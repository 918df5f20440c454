"""Focus measures: what they answer to and ignore; tiles; where a picture is sharpest."""

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features import measures, summary
from blur_fusion.features.content import sharpest_place
from blur_fusion.features.measures import MEASURES
from blur_fusion.features.pyramid import Pyramid
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.features.tiles import Grid, layout
from blur_fusion.params import FeatureParams

PARAMS = FeatureParams()
NAMES = feature_names(PARAMS)
BY_NAME = {measure.name: measure for measure in MEASURES}


def leaves(seed: int = 3, side: int = 384) -> np.ndarray:
    """Overlapping disks of random grey with fine texture: uint8, 40..215."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side + 96), 128, np.float32)
    for _ in range(500):
        centre = (int(rng.integers(0, side + 96)), int(rng.integers(0, side)))
        radius = int(4 + 40 * rng.random() ** 3)
        cv2.circle(image, centre, radius, float(rng.uniform(60, 195)), -1)
    return np.clip(image + 6 * rng.standard_normal(image.shape), 40, 215).astype(np.uint8)


SHARP = cv2.GaussianBlur(leaves(), (0, 0), 0.5)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma) if sigma else image
    return np.round(soft).astype(np.uint8)


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def values(image: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, describe(image, PARAMS).tolist(), strict=True))


def test_names_table_and_vector_agree() -> None:
    vector = describe(leaves(), PARAMS)
    assert vector.dtype == np.float32 and vector.shape == (len(NAMES),)
    assert len(set(NAMES)) == len(NAMES) <= 130
    assert {name.split(".")[0] for name in NAMES} == set(BY_NAME)
    for measure in MEASURES:
        assert measure.source and measure.function.__doc__ and measure.answer in (-1, 0, 1)
    fewer = FeatureParams(levels=1, tiles=3, percentiles=(50.0,))
    names = feature_names(fewer)
    assert describe(leaves(), fewer).shape == (len(names),)
    assert all(name.split(".")[1] == "0" for name in names)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_as_blur_grows(seed: int) -> None:
    """Median over tiles, from sharp to strongly blurred, on the working image's own level."""
    image = cv2.GaussianBlur(leaves(seed), (0, 0), 0.5)
    steps = [values(blurred(image, sigma)) for sigma in (0.0, 0.7, 1.2, 2.0, 3.0)]
    for measure in MEASURES:
        if measure.answer == 0:
            continue
        name = f"{measure.name}.{measure.levels[0]}.p50"
        series = measure.answer * np.array([step[name] for step in steps])
        assert (np.diff(series) > 0).all(), f"{name}: {series}"


def test_ignores_brightness() -> None:
    image = leaves()
    first, second = values(image), values(image + np.uint8(30))
    for name in NAMES:
        if BY_NAME[name.split(".")[0]].brightness_free:
            assert first[name] == pytest.approx(second[name], abs=1e-4), name


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_ignores_contrast(sigma: float) -> None:
    soft = blurred(leaves(), sigma)
    half = np.round(64 + soft.astype(np.float32) / 2).astype(np.uint8)
    first, second = values(soft), values(half)
    softer = values(blurred(leaves(), sigma + 1))
    for name in NAMES:
        measure = BY_NAME[name.split(".")[0]]
        if measure.contrast_free and measure.answer and name.endswith(".p50"):
            moved = abs(first[name] - second[name])
            spread = abs(first[name] - softer[name])
            # Rounding to whole grey levels stays, most in extreme values.
            share = 0.7 if measure.name == "laplacian_maximum" else 0.25
            assert moved < share * spread + 0.02, f"{name}: {moved} of {spread}"


def test_noise_is_not_detail() -> None:
    flat = np.full((384, 480), 120, np.uint8)
    grain, sharp = noisy(flat, 3), values(leaves())
    assert Pyramid(grain, 2, 8).noise == pytest.approx(3.0, rel=0.05)
    assert Pyramid(flat, 2, 8).noise == 0
    found = values(grain)
    assert found["laplacian_variance.0.p50"] < sharp["laplacian_variance.0.p50"] - 1.5
    assert found["content_share.0"] == 0 and sharp["content_share.0"] > 0.9


def test_noise_does_not_hide_blur() -> None:
    soft = blurred(SHARP, 2.0)
    crisp, clean, grainy = (values(image) for image in (SHARP, soft, noisy(soft, 2)))
    for name in ("haar_ratio.0.p50", "laplacian_gradient.1.p50", "edge_width.0.p50"):
        assert abs(grainy[name] - clean[name]) < abs(grainy[name] - crisp[name]), name


def test_motion_shows_in_one_direction() -> None:
    moved, unfocused = cv2.blur(SHARP, (15, 1)), blurred(SHARP, 3.0)
    sharp, motion, focus = (values(one) for one in (SHARP, moved, unfocused))
    for name in ("direction_contrast.1.p50", "coherence.1.p50", "direction_range.1"):
        assert motion[name] > focus[name] + 0.1, name
    assert motion["weakest_direction.1.p50"] < sharp["weakest_direction.1.p50"] - 0.5


def test_sharp_subject_outweighs_blurred_background() -> None:
    soft = blurred(SHARP, 4.0)
    mixed = soft.copy()
    mixed[96:288, 120:360] = SHARP[96:288, 120:360]
    whole, part, none = (values(i)["haar_ratio.0.p75"] for i in (SHARP, mixed, soft))
    assert abs(part - whole) < 0.35 * abs(part - none)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 900), (7, 5), (30, 40), (33, 47), (768, 20), (12, 768), (576, 767)]
)
def test_any_size_and_content_has_an_answer(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    for image in (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), random):
        vector = describe(image, PARAMS)
        assert vector.shape == (len(NAMES),) and np.isfinite(vector).all()
        assert np.abs(vector).max() < 50
        place = sharpest_place(image)
        assert place is None or image is random and 0 <= min(place) <= max(place) <= 1


def test_same_image_gives_same_bytes_whatever_came_before() -> None:
    image = leaves()
    image.setflags(write=False)
    before, first = image.tobytes(), describe(image, PARAMS).tobytes()
    assert image.tobytes() == before
    describe(leaves(7), PARAMS)
    describe(np.zeros((30, 40), np.uint8), PARAMS)
    for same in (image, np.asfortranarray(image)):
        assert describe(same, PARAMS).tobytes() == first


def test_another_measure_is_one_function() -> None:
    before = feature_names(PARAMS)
    image = np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)
    values = describe(image, PARAMS)
    try:

        @measures.measure("this test", levels=(0, 1))
        def area(pyramid: Pyramid, number: int) -> np.ndarray:
            return np.full(pyramid.content.shape, float(number))

        added = [f"area.{k}.p{p:g}" for k in (0, 1) for p in PARAMS.percentiles]
        assert feature_names(PARAMS) == [*before, *added]
        assert describe(image, PARAMS)[-8:].tolist() == [0] * 4 + [1] * 4
        # A model asks for what it was trained with, and goes on as before.
        assert describe(image, PARAMS, tuple(before)).tolist() == values.tolist()
    finally:
        measures.MEASURES[:] = [one for one in measures.MEASURES if one.name != "area"]
    assert feature_names(PARAMS) == before


def test_values_are_given_by_name() -> None:
    image = np.random.default_rng(1).integers(0, 256, (70, 64), dtype=np.uint8)
    names, values = feature_names(PARAMS), describe(image, PARAMS)
    for chosen in (names[::-1], ["darkness.0"], ["spectrum.1.crossed2", "tenengrad.0.p50"]):
        found = describe(image, PARAMS, tuple(chosen))
        assert found.tolist() == [values[names.index(name)] for name in chosen]
    with pytest.raises(BlurError, match=r"unknown are sharpness\.0"):
        describe(image, PARAMS, ("sharpness.0",))
    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32)):
        with pytest.raises(BlurError, match="give grey uint8"):
            describe(wrong, PARAMS)


def test_grid_covers_every_pixel_once() -> None:
    for height, width in ((100, 333), (16, 16), (17, 768), (5, 9)):
        grid = Grid.over(height, width, 8)
        tiles = [np.zeros((height, width))[place] for place in layout(grid, height, width).places]
        assert len(tiles) == grid.rows * grid.columns and min(tile.size for tile in tiles) > 0
        assert sum(tile.size for tile in tiles) == height * width


@pytest.mark.parametrize("tiles", [1, 2, 5, 48])
def test_percentiles_of_all_rows_are_those_of_each(tiles: int) -> None:
    rng = np.random.default_rng(tiles)
    values, weights = rng.normal(size=(7, tiles)), rng.uniform(0.01, 1, tiles)
    levels = np.array([0.0, 10.0, 50.0, 99.9, 100.0])
    answer = summary.weighted_percentiles(values, weights, levels)
    for row, found in zip(values, answer, strict=True):
        order = np.argsort(row)
        middles = (np.cumsum(weights[order]) - weights[order] / 2) * (100 / weights.sum())
        assert (found == np.interp(levels, middles, row[order])).all()


def test_tiles_without_weight_do_not_count() -> None:
    tiles, weights = np.array([1.0, 9.0, 500.0]), np.array([1.0, 98.0, 0.0])
    heavy = summary.weighted_percentiles(tiles, weights, np.array([50.0, 100.0]))
    assert heavy[0] == pytest.approx(9.0, abs=0.1) and heavy[1] == 9.0
    assert (summary.tile_weights(np.zeros(4)) == 1).all()
    assert (summary.tile_weights(np.array([10.0, 1.4, 1.5])) == [10, 0, 1.5]).all()


SIZE = 576, 768


def rectangles(size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """Of every size: large ones too, so that structure outlives any blur."""
    rng, (height, width) = np.random.default_rng(seed), size
    image = np.full(size, 120, np.uint8)
    for _ in range(150):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        reach = int(width * rng.uniform(0.01, 0.2))
        cv2.rectangle(image, (x, y), (x + reach, y + reach), int(rng.integers(256)), -1)
    return image


@pytest.mark.parametrize("size", [SIZE, (768, 512), (240, 320)])
@pytest.mark.parametrize(("x", "y"), [(0.2, 0.25), (0.8, 0.25), (0.2, 0.75), (0.8, 0.7)])
def test_the_sharp_corner_of_a_blurred_picture_is_found(
    size: tuple[int, int], x: float, y: float
) -> None:
    height, width = size
    crisp = noisy(rectangles(size), 20)  # texture, so that every part of it has detail
    image = cv2.GaussianBlur(crisp, (0, 0), width / 60)
    left, top = int((x - 0.08) * width), int((y - 0.08) * height)
    part = slice(top, top + int(0.16 * height)), slice(left, left + int(0.16 * width))
    image[part] = crisp[part]
    found = sharpest_place(noisy(image, 2))
    assert found == pytest.approx((x, y), abs=0.1)


def test_a_caption_in_the_margin_has_no_say() -> None:
    photo, black = cv2.GaussianBlur(rectangles(), (0, 0), 3), np.zeros(SIZE, np.uint8)
    for image in (photo, black):
        cv2.putText(image, "12:30 27 NOV 2026", (20, 560), 0, 1.2, 255, 2)
    found = sharpest_place(photo)
    assert found is not None and found[1] < 0.9 and sharpest_place(black) is None


SKY = (np.tensordot((70 / 768, 30 / 768), np.indices(SIZE), 1) + 120).astype(np.uint8)


@pytest.mark.parametrize("deviation", [0, 2, 3.5])
@pytest.mark.parametrize("plain", [np.zeros(SIZE, np.uint8), np.full(SIZE, 200, np.uint8), SKY])
def test_nothing_to_judge(plain: np.ndarray, deviation: float) -> None:
    assert sharpest_place(noisy(plain, deviation)) is None


@pytest.mark.parametrize("sigma", [0, 2, 8, 24, 48])
@pytest.mark.parametrize("seed", range(3))
def test_however_blurred_a_picture_with_structure_is_judged(sigma: int, seed: int) -> None:
    image = blurred(rectangles((288, 384), seed), sigma / 2)
    assert sharpest_place(noisy(image, 2)) is not None


def test_fine_detail_counts_where_nothing_is_coarse() -> None:
    weave = (110 + 30 * (np.indices(SIZE).sum(axis=0) % 2)).astype(np.uint8)
    assert sharpest_place(weave) is not None
