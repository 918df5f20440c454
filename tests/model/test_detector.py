"""`BlurDetector`: the same arithmetic as in training, in threads, and errors photo by photo."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.cnn.spectra import local_spectra
from blur_fusion.errors import BlurError
from blur_fusion.features.summary import describe
from blur_fusion.images.photo import working_image
from blur_fusion.model import classifier as module
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.prediction import FIELDS, Verdict
from tiny_model import FINEST, OFFSETS, PATTERNS, SLOPES, tiny_contents
from trees import REPOSITORY, write_photo


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("photos")
    return [
        write_photo(root / f"{k}.png", k, blurred=k % 2 == 1, size=(100 + 9 * k, 320))
        for k in range(12)
    ]


def test_fields_are_in_the_agreed_order() -> None:
    assert (
        *("path", "blurred", "probability", "kind", "logit"),
        *("laplacian_variance", "width", "height", "error", "note", "frame_s"),
    ) == FIELDS
    failed = Verdict.failed("a/b.jpg", "a/b.jpg: is an\nempty file")
    assert (failed.path, failed.error) == ("a/b.jpg", "is an empty file")
    assert failed.blurred is None is failed.probability


def test_verdicts_are_the_stacks(model: Path, photos: list[Path]) -> None:
    detector, contents = BlurDetector(model), tiny_contents()
    verdicts = detector.predict(photos)
    assert [verdict.path for verdict in verdicts] == [str(path) for path in photos]
    assert {verdict.blurred for verdict in verdicts} == {True, False}
    for path, verdict in zip(photos, verdicts, strict=True):
        full = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert (verdict.height, verdict.width) == full.shape
        working = working_image(path, detector.spec.side)
        assert max(working.shape) == 256
        edges = cv2.Laplacian(working, cv2.CV_64F)
        assert verdict.laplacian_variance == pytest.approx(edges.var(), rel=1e-9)
        # The tiny network by hand: mean over 2x2 blocks of responses.
        fine, _ = local_spectra(working.astype(np.float32), PATTERNS)
        sizes = np.tensordot(FINEST, np.exp(fine[0]), 1)
        rows, columns = (range(0, side, 2) for side in sizes.shape)  # an odd edge is one alone
        blocks = [
            sizes[row : row + 2, column : column + 2].mean() for row in rows for column in columns
        ]
        logits = (SLOPES * np.mean(blocks) + OFFSETS)[None]
        logit = contents.model.stack.logits(logits, describe(working, contents.features)[None])
        expected, raw = contents.model.calibrations["fused"], logit["fused"]
        assert verdict.logit == pytest.approx(float(expected.scaled(raw)[0]), abs=1e-3)
        assert verdict.probability == pytest.approx(float(expected.probability(raw)[0]), abs=1e-3)
        assert verdict.blurred == (verdict.probability >= 0.5)
        likely = "motion" if logit["motion"][0] > 0 else "defocus"
        assert verdict.kind == (likely if verdict.blurred else "sharp")
        assert verdict.error is None


def test_threads_give_the_same_in_order(model: Path, photos: list[Path]) -> None:
    alone = BlurDetector(model).predict(photos)
    assert BlurDetector(model, threads=3).predict(photos) == alone
    shared = BlurDetector(model)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: shared.predict([path])[0], photos * 3))
    assert found == alone * 3


def test_one_bad_photo_stops_nothing(model: Path, photos: list[Path], tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.write_bytes(b"")
    text.write_text("no picture")
    bad = np.zeros((3, 3, 7), np.uint8)
    sources = [photos[0], empty, text, tmp_path / "absent.jpg", bad, photos[1]]
    for threads in (1, 2):
        verdicts = BlurDetector(model, threads=threads).predict(sources)
        assert [verdict.error is None for verdict in verdicts] == [True, *[False] * 4, True]
        assert verdicts[4].path == "array 4"
        for verdict in verdicts[1:5]:
            assert verdict.blurred is verdict.probability is verdict.width is None
            assert verdict.error and "\n" not in verdict.error


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (31, 33), (700, 3)])
def test_any_size_gets_a_verdict(model: Path, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    (verdict,) = BlurDetector(model).predict([image])
    assert verdict.error is None
    assert (verdict.height, verdict.width) == size
    assert verdict.probability is not None and 0 <= verdict.probability <= 1


def test_threshold_and_rate(model: Path, photos: list[Path]) -> None:
    ordinary = BlurDetector(model)
    assert ordinary.threshold == 0.5
    probability = ordinary.predict(photos[1:2])[0].probability
    assert probability is not None
    exact = BlurDetector(model, threshold=probability)
    assert exact.predict(photos[1:2])[0].blurred is True
    above = BlurDetector(model, threshold=float(np.nextafter(probability, 1)))
    verdict = above.predict(photos[1:2])[0]
    assert (verdict.blurred, verdict.kind) == (False, "sharp")
    strict, lax = (BlurDetector(model, max_false_alarms=rate) for rate in (0.01, 0.2))
    assert strict.threshold > lax.threshold
    assert strict.threshold == tiny_contents().model.rates.threshold(0.01)
    marks = {d.fingerprint for d in (ordinary, exact, above, strict, lax)}
    assert len(marks) == 5 and BlurDetector(model).fingerprint in marks


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"threshold": 0.5, "max_false_alarms": 0.1}, "exclude each other"),
        ({"threshold": 1.5}, "no probability"),
        ({"threshold": float("nan")}, "no probability"),
        ({"max_false_alarms": 3}, "outside 0..0.3"),
        ({"threads": 0}, "below 1"),
    ],
)
def test_impossible_arguments(model: Path, arguments: dict[str, float], said: str) -> None:
    with pytest.raises(BlurError, match=said):
        BlurDetector(model, **arguments)  # type: ignore[arg-type]


def test_without_a_shipped_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    with pytest.raises(BlurError, match="holds no model"):
        BlurDetector()


def test_neither_tensorflow_nor_sklearn_is_imported(model: Path, photos: list[Path]) -> None:
    code = (
        "import sys\nimport blur_fusion\n"
        "assert not {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)\n"
        f"print(blur_fusion.BlurDetector({str(model)!r}).predict([{str(photos[0])!r}])[0].error)\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'onnx', 'joblib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split("\n")[:2], done.stderr) == (["None", "[]"], "")
