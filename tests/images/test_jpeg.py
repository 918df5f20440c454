"""JPEGs decoded at reduced scale: sizes, orientation and how near the working image stays."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.images import decode as jpeg
from blur_fusion.images.photo import InputSpec, Photo, working_image
from blur_fusion.images.resize import area_average, average_cells
from blur_fusion.model.classifier import BlurDetector
from pictures import UPRIGHT, exif, noise, save


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise with the spectrum of photographs, which falls with frequency."""
    generator = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    steepness = 1 / np.maximum(np.hypot(rows, columns), 1 / width) ** 1.2
    waves = np.fft.irfft2(np.fft.rfft2(generator.normal(size=(height, width))) * steepness)
    return np.clip(128 + 45 * waves[:height, :width] / waves.std(), 0, 255).astype(np.uint8)


def rms(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square of the difference."""
    return float(np.sqrt(np.mean((first.astype(float) - second) ** 2)))


@pytest.mark.parametrize("size", [(601, 403), (1, 1), (16, 9000), (640, 480)])
@pytest.mark.parametrize("progressive", [0, 1])
def test_size_comes_from_the_header(size: tuple[int, int], progressive: int) -> None:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    data = cv2.imencode(".jpg", np.zeros(size[::-1], np.uint8), options)[1].tobytes()
    assert jpeg.jpeg_size(data) == size
    assert jpeg.jpeg_size(data[:2] + b"\xff\xff\xff" + exif(6, "<")[1:] + data[2:]) == size


def test_no_jpeg_has_no_size() -> None:
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n" * 9):
        assert jpeg.jpeg_size(data) is None
        assert jpeg.jpeg_size(b"\xff\xd8\xff\xe1\xff\xff" + data) is None


def test_reduction_leaves_a_margin() -> None:
    for side in (64, 768, 1000):
        for longest in range(side, 20 * side, side // 4):
            factor = jpeg.reduction((longest, 16), side)
            assert longest % factor == 0
            assert factor == 1 or longest / factor >= jpeg.MARGIN * side
            too_far = longest / (2 * factor) < jpeg.MARGIN * side
            assert factor == 8 or too_far or longest % (2 * factor)
            assert jpeg.reduction((longest, 7), side) == 1


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("size", [(480, 801), (483, 800), (480, 800)])
def test_reduced_files_are_oriented(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    stored = scene(*size)
    path = save(tmp_path / "turned.jpg", stored, exif(orientation, "<"))
    expected, photo = UPRIGHT[orientation](stored), Photo(path)
    found = photo.image(InputSpec(100))
    assert photo.size == expected.shape[::-1]
    whole = working_image(np.ascontiguousarray(expected), 100)
    assert found.shape == whole.shape and rms(found, whole) < 1.5  # turned wrongly: above 30


@pytest.mark.parametrize("cell", [2, 4, 8])
@pytest.mark.parametrize("ratio", [1.0, 1.8, 2.37])
def test_cells_give_area_averages(cell: int, ratio: float) -> None:
    image = scene(808, 1208)
    blocks = image.reshape(808 // cell, cell, 1208 // cell, cell).mean(axis=(1, 3))
    cells = np.rint(blocks).astype(np.uint8)
    size = round(1208 / cell / ratio), round(808 / cell / ratio)
    exact = area_average(image, size)
    near = average_cells(cells, cell, size)
    plain = cv2.resize(cells, size, interpolation=cv2.INTER_AREA)
    assert near.shape == exact.shape and rms(near, exact) < 1.6
    assert ratio == 1.0 or rms(near, exact) < 0.8 * rms(plain, exact)
    variance = cv2.Laplacian(near, cv2.CV_64F).var() / cv2.Laplacian(exact, cv2.CV_64F).var()
    assert 0.93 < variance < 1.07 or ratio == 1.0


def test_cells_keep_what_is_constant_and_colour() -> None:
    flat = np.full((60, 80, 3), (10, 100, 250), np.uint8)
    assert np.array_equal(average_cells(flat, 2, (51, 38)), flat[:38, :51])
    tiny = noise(1, 7)
    assert average_cells(tiny, 8, (7, 1)).shape == (1, 7, 3)


def test_reduction_changes_no_verdict_on_real_photos(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, moved = BlurDetector(), []
    for path in sorted(shared_data.rglob("*")):
        pixels = path.suffix.lower() in (".jpg", ".jpeg") and jpeg.jpeg_size(path.read_bytes())
        if not pixels or jpeg.reduction(pixels, detector.spec.side) == 1:
            continue
        (first,) = detector.predict(path)
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "MARGIN", float("inf"))
            (second,) = detector.predict(path)
        assert (first.width, first.height) == (second.width, second.height)
        assert first.blurred == second.blurred, path.name
        assert first.probability is not None and second.probability is not None
        moved.append(abs(first.probability - second.probability))
        assert moved[-1] <= 0.02, f"{path.name}: {moved[-1]:.3f}"
    assert len(moved) >= 3  # the largest photos
    assert np.mean(moved) < 0.02 / 4
