"""Our decoder of ordinary JPEGs gives libjpeg's bits, and leaves whatever is odd to it."""

import cv2
import numpy as np
import pytest

from blur_fusion.images import decode as decoding
from blur_fusion.images.decode import decode
from blur_fusion.images.jpeg import REDUCED
from blur_fusion.images.luma import luma
from blur_fusion.native.library import library
from pictures import UPRIGHT, exif, noise

SAMPLINGS = [getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{n}") for n in (411, 420, 422, 440, 444)]
FLAGS = {1: cv2.IMREAD_GRAYSCALE, **REDUCED}

pytestmark = pytest.mark.skipif(library() is None, reason="nothing was compiled here")


def encoded(image: np.ndarray, *options: int) -> np.ndarray:
    return np.asarray(cv2.imencode(".jpg", image, options)[1]).ravel()


def same_as_opencv(data: np.ndarray, cell: int) -> bool:
    return np.array_equal(luma(data, cell), cv2.imdecode(data, FLAGS[cell]))


@pytest.mark.parametrize("cell", [1, 2, 4])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_bits_are_those_of_libjpeg(sampling: int, cell: int) -> None:
    """Noise uses all codes and fills whole blocks; blurred, most symbols are short."""
    for seed, (size, quality) in enumerate(
        zip(((1, 1), (67, 83), (64, 96), (9, 150)), (3, 40, 90, 100), strict=True)
    ):
        for sigma in (0.1, 1.2):
            image = cv2.GaussianBlur(noise(*size, seed), (0, 0), sigma)
            options = cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling
            for more in ((), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2), (cv2.IMWRITE_JPEG_OPTIMIZE, 1)):
                assert same_as_opencv(encoded(image, *options, *more), cell)
            assert same_as_opencv(encoded(image[:, :, 0], *options[:2]), cell)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_turned_as_opencv_turns(orientation: int) -> None:
    data = encoded(noise(40, 70)).tobytes()
    for segments in (exif(orientation, "<"), exif(orientation, ">") + exif(1, ">")):
        assert same_as_opencv(np.frombuffer(data[:2] + segments + data[2:], np.uint8), 2)


def test_what_is_odd_is_left_to_libjpeg() -> None:
    image = noise(48, 64)
    plain = encoded(image)
    assert luma(plain, 1) is not None and luma(plain, 8) is None
    assert luma(encoded(image, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 1) is None
    rgb = plain.tobytes().replace(b"JFIF\0", b"none\0")
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
    assert luma(np.frombuffer(rgb, np.uint8), 1) is not None
    assert luma(np.frombuffer(rgb[:2] + adobe + rgb[2:], np.uint8), 1) is None
    for size in range(0, plain.size, 37):
        assert luma(plain[:size], 1) is None


def test_damage_is_met_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is changed in a file, what comes of it is what came without our decoder."""
    generator, taken = np.random.default_rng(0), 0
    options = cv2.IMWRITE_JPEG_RST_INTERVAL, 1, cv2.IMWRITE_JPEG_QUALITY, 30
    whole = encoded(cv2.GaussianBlur(noise(40, 70), (0, 0), 2), *options)
    for _ in range(300):
        data = whole.copy()
        data[generator.integers(2, data.size, 2)] = generator.integers(0, 256, 2)
        found = luma(data, 2)
        if found is not None:
            taken += 1
            assert np.array_equal(found, cv2.imdecode(data, FLAGS[2]))
    assert 20 < taken < 280
    ours = decode(whole.tobytes(), "x", 16)
    monkeypatch.setattr(decoding, "luma", lambda data, cell: None)
    theirs = decode(whole.tobytes(), "x", 16)
    assert ours[1:] == theirs[1:] == (2, (70, 40), None)
    assert np.array_equal(ours.pixels, theirs.pixels)
