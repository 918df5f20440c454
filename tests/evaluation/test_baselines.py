"""The published Laplacian recipe, pixel for pixel as Pillow has it, and the fitted baselines."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.evaluation.baselines import (
    fit_constant,
    fit_laplacian,
    known_baselines,
    laplacian_512,
    laplacian_variances,
    settings,
)
from blur_fusion.images.resize import pillow_nearest
from blur_fusion.model.classifier import PUBLISHED_THRESHOLD, LaplacianClassifier


def _by_pillow(path: Path) -> float:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with image.open(path) as opened:
        small = opened.convert("RGB").resize((512, 512), image.Resampling.NEAREST)
    grey = cv2.cvtColor(np.asarray(small), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


@pytest.mark.parametrize(("height", "width"), [(512, 512), (301, 777), (1500, 1024), (40, 900)])
def test_recipe_equals_pillow(tmp_path: Path, height: int, width: int) -> None:
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise[:, :, 0] //= 4  # red and blue differ, so that their order shows
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), noise)
    assert laplacian_512(path) == pytest.approx(_by_pillow(path), rel=1e-12)


def test_orientation_is_ignored(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    noise = np.random.default_rng(5).integers(0, 256, (300, 700, 3), dtype=np.uint8)
    noise[:, ::2] = noise[:, 1::2]  # coarser in one direction: turning would show
    exif = image.Exif()
    exif[0x0112] = 6
    image.fromarray(noise).save(tmp_path / "turned.jpg", exif=exif)
    assert laplacian_512(tmp_path / "turned.jpg") == pytest.approx(
        _by_pillow(tmp_path / "turned.jpg")
    )


def test_nearest_pixels_are_pillows_at_every_length() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for length in [*range(1, 3000, 13), 4000, 5472, 6000]:
        line = np.arange(length, dtype=np.int32)[None]
        known = np.asarray(image.fromarray(line).resize((512, 1), image.Resampling.NEAREST))
        assert (pillow_nearest(line, 512)[:1] == known).all(), length  # type: ignore[arg-type]


def test_published_counts(shared_data: Path) -> None:
    def below(paths: list[Path]) -> int:
        return int((laplacian_variances(paths) < PUBLISHED_THRESHOLD).sum())

    kwentar = shared_data / "kwentar"
    blurred = [*kwentar.glob("defocused_blurred/*"), *kwentar.glob("motion_blurred/*")]
    assert (len(blurred), below(blurred)) == (16, 15)
    assert below(list(kwentar.glob("sharp/*"))) == 2
    with (shared_data / "photos" / "labels.csv").open(encoding="utf-8") as file:
        sharp = [row["filename"] for row in csv.DictReader(file) if row["label"] == "sharp"]
    assert (len(sharp), below([shared_data / "photos" / name for name in sharp])) == (74, 10)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("empty.jpg", "text.jpg", "absent.jpg"):
        with pytest.raises(BlurError, match=name):
            laplacian_512(tmp_path / name)


def _probability(baseline: LaplacianClassifier, variances: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(baseline.slope * np.log(variances) + baseline.intercept)))


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
    probabilities = _probability(baseline, np.array([20.0, 200.0, 2000.0]))
    assert probabilities[0] > 0.9 > probabilities[1] > 0.1 > probabilities[2]


def test_flat_images_have_a_probability() -> None:
    labels, variances = np.array([1, 1, 0, 0]), np.array([0.0, 5.0, 300.0, 900.0])
    baseline = fit_laplacian(labels, variances, 0.1)
    assert 5 < baseline.limit <= 300
    (flat,) = baseline.predict(np.zeros((40, 60), np.uint8))
    assert flat.blurred and 0.5 < (flat.probability or 0) <= 1


def test_one_class_of_validation_images_is_refused() -> None:
    with pytest.raises(BlurError, match="all sharp or all blurred"):
        fit_laplacian(np.array([1, 1]), np.array([1.0, 2.0]), 0.1)


def test_settings_make_the_same_baselines_again() -> None:
    constant, ours = fit_constant(np.array([0, 1, 0, 0])), LaplacianClassifier(300.0, -1.5, 8.0)
    assert settings(constant) == {"threshold": None, "share_blurred": 0.25}
    report = {"constant": settings(constant), "laplacian": settings(ours)}
    known = known_baselines(report)
    published = LaplacianClassifier(PUBLISHED_THRESHOLD, -1.5, 8.0)
    assert {name: one.fingerprint for name, one in known.items()} == {
        "constant": constant.fingerprint,
        "laplacian_470": published.fingerprint,
        "laplacian": ours.fingerprint,
    }
    said = known["constant"].predict([np.zeros((9, 9), np.uint8)] * 2)
    assert [(one.blurred, one.probability) for one in said] == [(True, pytest.approx(0.25))] * 2
