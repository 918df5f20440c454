"""Thumbnails: small, oriented, in the right colours."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blur_fusion.images.thumbnails import LARGEST, SIDE, small_photo, thumbnail
from pictures import exif, quarters, save, write_dng

Pixels = npt.NDArray[np.uint8]
RED, BLUE = (220, 30, 30), (30, 30, 220)


def decoded(data: bytes | None, flag: int = cv2.IMREAD_COLOR_RGB) -> Pixels:
    assert data is not None and data[8:12] == b"WEBP"
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flag), np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((900, 1200, 3), (180, 240)),
        ((100, 60, 3), (100, 60)),  # never enlarged
        ((2, 4000), (1, 240)),
    ],
)
def test_sizes(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    small = decoded(thumbnail(np.full(shape, 99, np.uint8)), cv2.IMREAD_COLOR_RGB)
    assert small.shape == (*expected, 3)


def test_a_busy_picture_takes_no_more_than_its_share() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)
    assert len(thumbnail(noise)) <= LARGEST


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("long_side", [200, 700, 2500])
def test_files_are_oriented_by_exif(tmp_path: Path, long_side: int, known: bool) -> None:
    tall, side = long_side // 2, min(SIDE, long_side)
    rgb = np.array([RED, BLUE], np.uint8).repeat([tall // 2, tall - tall // 2], axis=0)
    rgb = rgb[:, None].repeat(long_side, axis=1)
    path = save(tmp_path / "turned é.jpg", rgb[..., ::-1], exif(6, "<"))
    size = (tall, long_side) if known else None
    upright = np.ascontiguousarray(np.rot90(rgb, -1))
    found = small_photo(path, size)
    assert found is not None
    for small in (found, decoded(thumbnail(upright))):
        assert small.shape[:2] == (side, side // 2)
        middle = small[side // 2].astype(int)  # what was above is now on the right
        assert np.abs(middle[-10] - RED).max() < 12 and np.abs(middle[10] - BLUE).max() < 12


def test_a_raw_file_has_one_in_colour(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra 'raw' is not installed")
    path = write_dng(tmp_path / "camera.dng", quarters(480, 800).astype(np.uint16) * 200, 6)
    small = small_photo(path, (480, 800))
    assert small is not None and small.shape[0] == SIDE and small.shape[1] < SIDE


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    path = tmp_path / "no.jpg"
    assert small_photo(path) is None
    for content in (b"no image", b""):
        path.write_bytes(content)
        assert small_photo(path, (2000, 1000)) is None
