"""What is done to a picture keeps its promises of size, type, tone and place."""

import cv2
import numpy as np
import pytest

from blur_fusion.evaluation.robustness import PERTURBATIONS, Perturbation

BY_NAME = {one.name: one for one in PERTURBATIONS}
HEIGHT, WIDTH = 300, 420
SIZES = {
    "size 50 %": (150, 210),
    "size 75 %": (225, 315),
    "size 150 %": (450, 630),
    "turned 90": (420, 300),
    "turned 5": (264, 371),  # 1 / (cos 5 + 1.4 sin 5) of each side, less the margin
    "border": (326, 446),
}
EVERY = pytest.mark.parametrize("one", PERTURBATIONS, ids=lambda one: one.name)
FLAT = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Colourful, without noise or flat parts."""
    noise = np.random.default_rng(4).integers(0, 256, FLAT.shape, dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 20, 235, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def _apply(name: str, picture: np.ndarray, index: int = 7) -> np.ndarray:
    return BY_NAME[name].apply(picture, seed=11, index=index)


@EVERY
def test_size_type_and_repeatability(one: Perturbation, picture: np.ndarray) -> None:
    kept = picture.copy()
    result = one.apply(picture, seed=11, index=7)
    assert (picture == kept).all(), "the picture itself was changed"
    assert result.dtype == np.uint8 and result.flags.c_contiguous
    assert result.shape == (*SIZES.get(one.name, (HEIGHT, WIDTH)), 3)
    assert (one.apply(picture, seed=11, index=7) == result).all()
    assert result.shape != picture.shape or (result != picture).any()
    for shape in ((1, 1), (9, 200), (200, 9)):  # tiny ones are borne
        tiny = one.apply(np.full((*shape, 3), 90, np.uint8), seed=1, index=0)
        assert tiny.ndim == 3 and tiny.shape[2] == 3 and tiny.size > 0
    smallest = {"size 50 %": 1535, "size 75 %": 1024, "size 150 %": 768}.get(one.name, 1)
    for side, fits in ((smallest, True), (smallest - 1, smallest == 1)):  # the working size is 768
        for shape in ((side // 2, side), (side, side // 2)):
            assert one.fits((*shape, 3), 768) is fits


def test_names_are_unique_and_cover_what_was_promised() -> None:
    assert len(BY_NAME) == len(PERTURBATIONS) == 18
    assert {f"jpeg {quality}" for quality in (40, 60, 80, 95)} < set(BY_NAME)


def test_noise_has_its_sigma_in_grey_and_differs_by_image() -> None:
    for sigma in (3, 8):
        result = _apply(f"noise {sigma}", FLAT)
        grey = cv2.cvtColor(result, cv2.COLOR_RGB2GRAY)
        assert grey.std() == pytest.approx(sigma, rel=0.03)
        assert grey.mean() == pytest.approx(128, abs=0.2)
        assert (_apply(f"noise {sigma}", FLAT, index=8) != result).any()
    black = _apply("noise 8", np.zeros_like(FLAT))
    assert 0 < black.max() < 60  # cut off at 0, not wrapped around to 255


def test_tone_by_hand() -> None:
    picture = np.array([[[0, 128, 255], [100, 200, 50]]], np.uint8)
    assert _apply("half contrast", picture).tolist() == [[[64, 128, 192], [114, 164, 89]]]
    assert _apply("half brightness", picture).tolist() == [[[0, 64, 128], [50, 100, 25]]]
    grey = _apply("grey", picture)
    assert (grey == grey[:, :, :1]).all()
    luma = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - luma).max() <= 0.5 + 1e-3


def test_jpeg_keeps_colours_and_errs_less_at_higher_quality(picture: np.ndarray) -> None:
    saved = [_apply(f"jpeg {quality}", picture).astype(float) for quality in (40, 60, 80, 95)]
    errors = [np.abs(one - picture).mean() for one in saved]
    assert errors == sorted(errors, reverse=True)
    assert 0 < errors[-1] < errors[0] < 12  # red and blue in each other's place err by 40


def test_turning_moves_pixels_only(picture: np.ndarray) -> None:
    assert (np.rot90(_apply("turned 90", picture), -1) == picture).all()
    assert (_apply("turned 180", picture) == picture[::-1, ::-1]).all()


@pytest.mark.parametrize("shape", [(300, 420), (420, 300), (256, 256), (200, 600)])
def test_a_tilt_shows_no_corner_and_little_is_lost(shape: tuple[int, int]) -> None:
    tilted = _apply("turned 5", np.full((*shape, 3), 255, np.uint8))
    assert (tilted == 255).all() and tilted.size > 0.6 * 3 * shape[0] * shape[1]
    marked = cv2.circle(np.zeros((301, 401, 3), np.uint8), (200, 150), 6, (255, 255, 255), -1)
    seen = _apply("turned 5", np.asarray(marked, np.uint8))[..., 0]
    middle = np.argwhere(seen > 128).mean(axis=0)
    assert np.abs(middle - (np.array(seen.shape) - 1) / 2).max() < 1  # it stays in the middle


def test_border_frames_the_whole_picture_with_one_level(picture: np.ndarray) -> None:
    levels = set()
    for index in range(12):
        result = _apply("border", picture, index)
        assert (result[13:-13, 13:-13] == picture).all()
        edge = {*result[:13].ravel().tolist(), *result[:, -13:].ravel().tolist()}
        assert len(edge) == 1
        levels |= edge
    assert levels == {0, 128, 255}


def test_caption_covers_a_strip_below_with_text(picture: np.ndarray) -> None:
    result = _apply("caption", picture)
    assert (result[:-24] == picture[:-24]).all()
    strip = result[-24:, :, 0]
    plain = 0 if (strip == 0).mean() > 0.5 else 255
    assert (strip == plain).mean() > 0.5
    assert 0.03 < (np.abs(strip.astype(int) - plain) > 128).mean() < 0.4
    assert (strip[[0, -1]] == plain).all()  # the text stays inside the strip


def test_watermark_brightens_one_place_and_lets_the_picture_through(picture: np.ndarray) -> None:
    result = _apply("watermark", picture).astype(int)
    changed = (result != picture).any(axis=2)
    assert 0.002 < changed.mean() < 0.1
    assert (result >= picture).all()
    assert (result <= np.rint(0.6 * picture + 0.4 * 255)).all()
    assert (np.ptp(np.argwhere(changed), axis=0) <= (30, 210)).all()
    places = [np.nonzero(_apply("watermark", picture, i) != picture)[0].min() for i in range(4)]
    assert len(set(places)) > 1
