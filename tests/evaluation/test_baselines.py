"""The published Laplacian recipe, equal to Pillow's pixel for pixel, and the fitted baselines."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from blur_fusion.errors import BlurError
from blur_fusion.evaluation import baselines
from blur_fusion.evaluation.baselines import fit_laplacian, laplacian_variances
from blur_fusion.images.photo import Photo
from blur_fusion.images.resize import pillow_nearest
from blur_fusion.model.classifier import (
    PUBLISHED_THRESHOLD,
    ConstantClassifier,
    LaplacianClassifier,
    recipe_variance,
)


@pytest.mark.parametrize(
    ("height", "width", "ending"),
    [(301, 777, "png"), (1500, 1024, "png"), (40, 900, "png"), (300, 700, "jpg")],
)
def test_recipe_equals_pillow(tmp_path: Path, height: int, width: int, ending: str) -> None:
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise[:, :, 0] //= 4  # red and blue differ, so their order shows
    noise[:, 1::2] = noise[:, :-1:2]  # coarser in one direction: turning would show
    path, exif = tmp_path / f"x.{ending}", Image.Exif()
    exif[0x0112] = 6  # the orientation, which the recipe ignores
    Image.fromarray(noise).save(path, exif=exif)
    with Image.open(path) as opened:
        small = opened.convert("RGB").resize((512, 512), Image.Resampling.NEAREST)
    grey = cv2.cvtColor(np.asarray(small), cv2.COLOR_BGR2GRAY)
    expected = cv2.Laplacian(grey, cv2.CV_64F).var()
    assert recipe_variance(Photo(path)) == pytest.approx(expected, rel=1e-12)


def test_nearest_pixels_equal_pillow_at_every_length() -> None:
    for length in [*range(1, 3000, 13), 4000, 5472, 6000]:
        line = np.arange(length, dtype=np.int32)[None]
        known = np.asarray(Image.fromarray(line).resize((512, 1), Image.Resampling.NEAREST))
        assert (pillow_nearest(line, 512)[:1] == known).all(), length  # type: ignore[arg-type]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(BlurError, match=r"text\.jpg"):
        laplacian_variances([tmp_path / "text.jpg"])


def test_threshold_keeps_the_false_alarm_rate() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    variances = np.exp(np.where(labels == 1, 4.5, 6.5) + rng.normal(0, 0.8, 400))
    baseline = fit_laplacian(labels, variances, 0.05)
    verdicts = variances < baseline.limit
    assert verdicts[labels == 0].mean() <= 0.05
    assert verdicts[labels == 1].mean() > 0.7
    allowed = np.sort(variances[labels == 0])[10]  # an eleventh alarm of 200 would be too many
    assert variances[verdicts].max() < baseline.limit <= allowed
    logits = baseline.slope * np.log([20.0, 200.0, 2000.0]) + baseline.intercept
    assert logits[0] > np.log(9) > logits[1] > -np.log(9) > logits[2]  # probabilities .9 and .1


def test_flat_images_have_a_probability_and_one_class_is_refused() -> None:
    labels, variances = np.array([1, 1, 0, 0]), np.array([0.0, 5.0, 300.0, 900.0])
    baseline = fit_laplacian(labels, variances, 0.1)
    assert 5 < baseline.limit <= 300
    (flat,) = baseline.predict(np.zeros((40, 60), np.uint8))
    assert flat.blurred and 0.5 < (flat.probability or 0) <= 1
    with pytest.raises(BlurError, match="no sharp validation image"):
        fit_laplacian(labels[:2], variances[:2], 0.1)


def test_settings_restore_the_baselines() -> None:
    constant, ours = ConstantClassifier(0.25), LaplacianClassifier(300.0, -1.5, 8.0)
    written = {"constant": baselines.settings(constant), "laplacian": baselines.settings(ours)}
    known = baselines.known_baselines(written)
    published = LaplacianClassifier(PUBLISHED_THRESHOLD, -1.5, 8.0)
    made = {"constant": constant, "laplacian_470": published, "laplacian": ours}
    for name, one in made.items():
        assert known[name].fingerprint == one.fingerprint
    said = known["constant"].predict([np.zeros((9, 9), np.uint8)] * 2)
    assert [(one.blurred, one.probability) for one in said] == [(True, pytest.approx(0.25))] * 2
