"""Flips are counted correctly; perturbed pictures have the promised size and tone."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.data.split import Row
from blur_fusion.errors import BlurError
from blur_fusion.evaluation.robustness import (
    JUDGES,
    PERTURBATIONS,
    UNPERTURBED,
    Perturbation,
    Trials,
    choose_images,
    measure_flips,
    run_trials,
)
from blur_fusion.evaluation.table import robustness_lines
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import LaplacianClassifier, recipe_variance
from blur_fusion.params import ComputeParams
from evaluation_fakes import FakeClassifier, draw, tiny_params

IDENTITY = Perturbation("identity", lambda picture, random: picture.copy())
DARK = Perturbation("dark", lambda picture, random: picture // 4)
NEGATIVE = Perturbation("negative", lambda picture, random: 255 - picture)
LAPLACIAN = LaplacianClassifier(500.0, -1.0, 6.0)

SIZES = {
    "size 50 %": (150, 210),
    "size 75 %": (225, 315),
    "size 150 %": (450, 630),
    "turned 90": (420, 300),
    "turned 5": (264, 371),  # 1 / (cos 5 + 1.4 sin 5) of each side, less the margin
    "border": (326, 446),
}
FLAT = np.full((300, 420, 3), 128, np.uint8)


def _row(folder: Path, number: int, label: int, level: int) -> Row:
    """A flat picture of `level`, one scene for each sharp and blurred pair."""
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), np.full((40, 60, 3), level, np.uint8))
    return Row(path, path.name, label, "", "s", str(number // 2), "", "test", -1)


def _try(rows: list[Row], *perturbations: Perturbation) -> tuple[Trials, FakeClassifier]:
    """Fused calls dark pictures blurred, cnn bright ones, features none."""
    fused = FakeClassifier("fused", lambda image: 1 - float(image.mean() / 255))
    cnn = FakeClassifier("cnn", lambda image: float(image.mean() / 255))
    features = FakeClassifier("features", lambda _: 0.0)
    judges = {"fused": fused, "cnn": cnn, "features": features, "laplacian": LAPLACIAN}
    params = replace(tiny_params(), compute=ComputeParams(threads=1, workers=1))
    return run_trials(rows, np.arange(len(rows)) + 100, judges, params, perturbations), fused


def test_flips_and_their_causes_by_hand(tmp_path: Path) -> None:
    # Fused says blurred below 128. Dark makes all blurred; negative reverses every verdict.
    levels = ((0, 200), (1, 200), (0, 60), (1, 60), (0, 220), (1, 90))
    rows = [_row(tmp_path, number, *pair) for number, pair in enumerate(levels)]
    found = measure_flips(_try(rows, DARK, NEGATIVE, IDENTITY)[0], 200, seed=1)
    dark, negative, identity = found["perturbations"]
    causes = "flips", "sharp_flagged", "blurred_missed", "put_right"
    for entry, judge, counts in (
        (dark, "fused", (3, 2, 0, 1)),  # 1 is blurred, and was called sharp
        # cnn says blurred from 128 on: dark takes that from 0, 1 and 4, of which 1 was right.
        (dark, "cnn", (3, 0, 1, 2)),
        (negative, "fused", (6, 2, 2, 2)),  # 0 and 4, 3 and 5, 1 and 2
    ):
        assert tuple(entry[judge][cause] for cause in causes) == counts
    assert dark["fused"]["value"] == pytest.approx(3 / 6)
    assert 0 <= dark["fused"]["low"] < 0.5 < dark["fused"]["high"] <= 1
    assert (negative["fused"]["low"], negative["fused"]["high"]) == (1, 1)
    assert found["mean"]["fused"]["value"] == pytest.approx((0.5 + 1 + 0) / 3)
    for row in found["perturbations"]:
        assert row["features"]["flips"] == row["laplacian"]["flips"] == 0  # all are flat
    assert found["images"] == {"sharp": 3, "blurred": 3, "scenes": 3}
    assert (identity["name"], identity["images"]) == ("identity", 6)
    for judge in JUDGES:
        assert {identity[judge][key] for key in ("value", "high", *causes)} == {0}
    assert set(found["fused_to_laplacian"].values()) == {None}
    first, *lines, last = robustness_lines(found)
    assert first == "verdicts that flip, of 3 sharp and 3 blurred images of 3 scenes"
    (line,) = (line for line in lines if line.startswith("dark"))
    assert line.split()[:3] == ["dark", "6", "50.0"] and line.endswith("2, 0, 1")
    assert last == "flips of fused for each one of laplacian: n/a"


def test_the_ratio_of_mean_flip_rates(tmp_path: Path) -> None:
    rows = [_row(tmp_path, number, number % 2, 200) for number in range(8)]
    for row in rows:  # sharp by the Laplacian until changed
        cv2.imwrite(str(row.path), np.maximum(draw(0, 0), 128))
    smooth = Perturbation("smooth", lambda picture, random: cv2.blur(picture, (9, 9)))
    found = measure_flips(_try(rows, smooth, DARK)[0], 100, seed=1)
    assert found["mean"]["laplacian"]["value"] == 1  # either takes contrast away
    assert found["mean"]["fused"]["value"] == pytest.approx(0.5)  # dark flips all, smooth none
    assert set(found["fused_to_laplacian"].values()) == {0.5}  # on all images alike


def test_the_picture_is_read_whole_and_judged_at_the_working_size(tmp_path: Path) -> None:
    row, side = _row(tmp_path, 0, 0, 0), tiny_params().image.long_side
    picture = cv2.GaussianBlur(draw(0, 0, side), (0, 0), 2)  # 2 * side wide
    cv2.imwrite(str(row.path), picture)
    trials, judge = _try([row], *PERTURBATIONS)
    assert trials.names == (UNPERTURBED, *(one.name for one in PERTURBATIONS))
    assert trials.made.all()
    assert {max(image.shape) for image in judge.seen} == {side}
    assert all(image.ndim == 2 and image.dtype == np.uint8 for image in judge.seen)
    assert trials.scores[0, 0, -1] == recipe_variance(Photo(row.path))


def test_small_pictures_are_not_resized_and_not_in_the_mean(tmp_path: Path) -> None:
    rows = [_row(tmp_path, number, number % 2, 200) for number in range(4)]
    resize = [one for one in PERTURBATIONS if one.name.startswith("size")]
    found = measure_flips(_try(rows, *resize, DARK)[0], 50, seed=1)
    assert [row["images"] for row in found["perturbations"]] == [0, 0, 0, 4]
    assert found["mean"]["fused"]["value"] == 1
    shown = [line.split() for line in robustness_lines(found)]
    assert ["size", "50", "%", "0", "n/a"] in [line[:5] for line in shown]
    assert ["mean", "100.0"] in [line[:2] for line in shown]


def test_chosen_images_are_half_sharp_and_of_different_scenes() -> None:
    codes, labels = np.repeat(np.arange(20), 5), np.tile([0, 0, 1, 1, 1], 20)
    chosen = choose_images(labels, codes, 11, seed=3)
    for label, count in ((0, 5), (1, 6)):
        scenes = codes[chosen][labels[chosen] == label]
        assert len(set(scenes)) == len(scenes) == count
    assert (np.diff(chosen) > 0).all()
    assert (chosen == choose_images(labels, codes, 11, seed=3)).all()
    assert len({tuple(choose_images(labels, codes, 11, seed)) for seed in range(5)}) == 5
    assert len(choose_images(labels, codes, 1000, seed=3)) == 40  # no scene twice
    assert labels[choose_images(labels, codes, 1, seed=3)].tolist() == [1]


def test_no_image_and_no_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="no test image"):
        _try([], IDENTITY)
    row = replace(_row(tmp_path, 0, 0, 9), path=tmp_path / "gone.png")
    with pytest.raises(BlurError, match=r"gone\.png"):
        _try([row], IDENTITY)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Colourful, without noise or flat parts."""
    noise = np.random.default_rng(4).integers(0, 256, FLAT.shape, dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 20, 235, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def _apply(name: str, picture: np.ndarray, index: int = 7) -> np.ndarray:
    (one,) = (one for one in PERTURBATIONS if one.name == name)
    return one.apply(picture, seed=11, index=index)


@pytest.mark.parametrize("one", PERTURBATIONS, ids=lambda one: one.name)
def test_size_type_and_repeatability(one: Perturbation, picture: np.ndarray) -> None:
    kept = picture.copy()
    result = one.apply(picture, seed=11, index=7)
    assert (picture == kept).all(), "the picture itself was changed"
    assert result.dtype == np.uint8 and result.flags.c_contiguous
    assert result.shape == (*SIZES.get(one.name, picture.shape[:2]), 3)
    assert (one.apply(picture, seed=11, index=7) == result).all()
    assert result.shape != picture.shape or (result != picture).any()
    for shape in ((1, 1), (9, 200), (200, 9)):  # tiny pictures work too
        tiny = one.apply(np.full((*shape, 3), 90, np.uint8), seed=1, index=0)
        assert tiny.ndim == 3 and tiny.shape[2] == 3 and tiny.size > 0
    smallest = {"size 50 %": 1535, "size 75 %": 1024, "size 150 %": 768}.get(one.name, 1)
    for side, fits in ((smallest, True), (smallest - 1, smallest == 1)):  # the working size is 768
        for shape in ((side // 2, side), (side, side // 2)):
            assert one.fits((*shape, 3), 768) is fits


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
    luma = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(_apply("grey", picture) - luma[..., None]).max() <= 0.5 + 1e-3


def test_jpeg_keeps_colours_and_errs_less_at_higher_quality(picture: np.ndarray) -> None:
    saved = [_apply(f"jpeg {quality}", picture).astype(float) for quality in (40, 60, 80, 95)]
    errors = [np.abs(one - picture).mean() for one in saved]
    assert errors == sorted(errors, reverse=True)
    assert 0 < errors[-1] < errors[0] < 12  # red and blue in each other's place err by 40


def test_turning_loses_little_and_shows_no_corner(picture: np.ndarray) -> None:
    assert (np.rot90(_apply("turned 90", picture), -1) == picture).all()
    assert (_apply("turned 180", picture) == picture[::-1, ::-1]).all()
    for height, width in ((300, 420), (420, 300), (256, 256), (200, 600)):
        tilted = _apply("turned 5", np.full((height, width, 3), 255, np.uint8))
        assert (tilted == 255).all() and tilted.size > 0.6 * 3 * height * width
    marked = cv2.circle(np.zeros((301, 401, 3), np.uint8), (200, 150), 6, (255, 255, 255), -1)
    seen = _apply("turned 5", np.asarray(marked, np.uint8))[..., 0]
    middle = np.argwhere(seen > 128).mean(axis=0)
    assert np.abs(middle - (np.array(seen.shape) - 1) / 2).max() < 1


def test_border_frames_the_whole_picture_with_one_level(picture: np.ndarray) -> None:
    framed = [_apply("border", picture, index) for index in range(12)]
    assert all((one[13:-13, 13:-13] == picture).all() for one in framed)
    edges = [np.unique(np.append(one[:13], one[:, -13:])).tolist() for one in framed]
    assert {len(edge) for edge in edges} == {1} and set().union(*edges) == {0, 128, 255}


def test_caption_covers_a_strip_below_with_text(picture: np.ndarray) -> None:
    result = _apply("caption", picture)
    assert (result[:-24] == picture[:-24]).all()
    strip = result[-24:, :, 0]
    plain = 0 if (strip == 0).mean() > 0.5 else 255
    assert 0.03 < (np.abs(strip.astype(int) - plain) > 128).mean() < 0.4
    assert (strip[[0, -1]] == plain).all()  # the text stays inside the strip


def test_watermark_brightens_one_place_and_is_transparent(picture: np.ndarray) -> None:
    result = _apply("watermark", picture).astype(int)
    changed = (result != picture).any(axis=2)
    assert 0.002 < changed.mean() < 0.1
    assert (result >= picture).all() and (result <= np.rint(0.6 * picture + 0.4 * 255)).all()
    assert (np.ptp(np.argwhere(changed), axis=0) <= (30, 210)).all()
    places = [np.nonzero(_apply("watermark", picture, i) != picture)[0].min() for i in range(4)]
    assert len(set(places)) > 1
