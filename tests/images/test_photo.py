"""The working image and thumbnails of files and arrays; what is not an image; the middle."""

import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import EDGE, SMALLEST, center_crop, working_image
from blur_fusion.images.thumbnails import LARGEST, SIDE, small_photo, thumbnail
from pictures import exif, noise, quarters, save, write_dng


@pytest.mark.parametrize(
    ("shape", "long_side", "expected"),
    [
        ((401, 303), 100, (100, 76)),
        ((333, 777), 256, (110, 256)),
        ((5000, 3), 100, (100, 1)),
        ((100, 60), 99, (99, 59)),
    ],
)
def test_long_side_is_exact(
    tmp_path: Path, shape: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    assert working_image(noise(*shape), long_side).shape == expected
    if max(shape) < 500:  # of a file it is measured after turning
        path = save(tmp_path / "turned.jpg", noise(*shape), exif(6, "<"))
        assert working_image(path, long_side).shape == expected[::-1]


@pytest.mark.parametrize("shape", [(30, 40), (64, 10), (64, 64), (1, 1)])
def test_nothing_is_enlarged(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = noise(*shape)
    before = image.copy()
    assert np.array_equal(working_image(image, 64, colour=True), image)
    working_image(image, 16)
    working_image(image[::-1, ::-1], 64)  # negative strides serve too
    assert np.array_equal(image, before)
    path = save(tmp_path / "small.png", image[:, :, ::-1])  # OpenCV writes BGR
    assert np.array_equal(working_image(path, 64, colour=True), image)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_file_and_array_agree(tmp_path: Path, ending: str) -> None:
    smooth = cv2.GaussianBlur(noise(120, 160), (0, 0), 2)
    path = save(tmp_path / f"снимок 写真 📷 Äöü{ending}", smooth)
    rgb = working_image(path, 10_000, colour=True)
    for long_side in (10_000, 64):
        from_file = working_image(path, long_side).astype(int)
        from_array = working_image(rgb, long_side).astype(int)
        assert from_file.shape == from_array.shape
        assert np.abs(from_file - from_array).max() <= 2
    assert np.array_equal(working_image(path, 64), working_image(str(path), 64))


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits(tmp_path: Path, channels: int) -> None:
    eight = noise(40, 50)[:, :, :channels].squeeze()
    deep = (eight.astype(np.uint16) << 8) | 0x7F
    path = save(tmp_path / "deep.png", deep)
    seen = working_image(path, 64)
    assert seen.dtype == np.uint8
    array = deep if channels == 1 else deep[:, :, ::-1]
    for same in (array, save(tmp_path / "8.png", eight)):
        assert np.abs(seen.astype(int) - working_image(same, 64)).max() <= 2


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    image, alpha = noise(30, 40), noise(30, 40, seed=9)[:, :, :1]
    opaque = np.dstack([image, np.full((30, 40), 255, np.uint8)])
    for side, colour in ((64, False), (20, True)):
        seen = working_image(opaque, side, colour)
        assert np.array_equal(seen, working_image(image, side, colour))
    path = save(tmp_path / "opaque.png", opaque[:, :, [2, 1, 0, 3]])
    assert np.array_equal(working_image(path, 64, colour=True), image)
    expected = np.rint(image * (alpha / 255.0) + 255 - alpha)
    bgra = np.dstack([image[:, :, ::-1], alpha])
    files = [save(tmp_path / f"clear{ending}", bgra) for ending in (".png", ".tiff")]
    for source in (np.dstack([image, alpha]), *files):
        assert np.abs(working_image(source, 64, colour=True) - expected).max() <= 1


def test_grey_arrays_and_files(tmp_path: Path) -> None:
    grey = noise(30, 40)[:, :, 0]
    for source in (grey, grey[:, :, None], save(tmp_path / "grey.png", grey)):
        assert np.array_equal(working_image(source, 64), grey)
        colour = working_image(source, 64, colour=True)
        assert np.array_equal(colour, np.dstack([grey] * 3))


def bomb() -> bytes:
    """A PNG whose header promises 40,000 x 40,000 pixels."""
    data = bytearray(cv2.imencode(".png", quarters())[1].tobytes())
    data[16:24] = struct.pack(">II", 40_000, 40_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


PHOTO = cv2.imencode(".jpg", noise(480, 800))[1].tobytes()
RAW = pytest.mark.skipif(find_spec("rawpy") is None, reason="the extra 'raw' is not installed")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("für 写真 снимок 📷.jpg", b"", "empty file"),
        *(("a.jpg", odd, "not an image") for odd in (b"a letter\n", b"\xff\xd8 cut", bytes(99))),
        ("cut.jpg", PHOTO[: len(PHOTO) // 5], "is cut off"),
        ("bomb.png", bomb(), "has more than 2^30 pixels"),
        *(("folder.jpg", absent, "cannot be read") for absent in (None, "a folder")),
        pytest.param("a.nef", b"II*\0" + bytes(400), "is not a RAW file", marks=RAW),
        pytest.param("a.cr2", None, "cannot be read", marks=RAW),
    ],
)
def test_unreadable_files_are_named(
    tmp_path: Path, name: str, content: bytes | str | None, why: str
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    for side, colour in ((64, False), (1000, False), (64, True)):
        with pytest.raises(BlurError) as caught:
            working_image(path, side, colour)
        line = str(caught.value)
        assert line.startswith(f"{path}: ") and why in line and "\n" not in line


def test_other_arrays_are_refused() -> None:
    shapes = ((8, 8, 2), (8, 8, 5), (8,), (0, 8), (2, 8, 8, 3))
    odd = [np.full((8, 8), 1.5, np.float32), np.full((8, 8), np.nan), np.zeros((8, 8), np.int64)]
    for array in [*odd, *(np.zeros(shape, np.uint8) for shape in shapes)]:
        with pytest.raises(BlurError, match="array of"):
            working_image(array, 64)


@pytest.mark.parametrize("shape", [(513, 400), (600, 450), (768, 512), (576, 768), (768, 30)])
def test_an_equal_edge_goes_on_every_side(shape: tuple[int, int]) -> None:
    rows, columns = (np.arange(extent) for extent in shape)
    image = ((rows[:, None] + columns[None, :]) % 251).astype(np.uint8)
    inner = center_crop(image)
    tops = [(whole - part) // 2 for whole, part in zip(shape, inner.shape, strict=True)]
    assert all(top <= EDGE * whole for top, whole in zip(tops, shape, strict=True))
    assert max(inner.shape) >= SMALLEST
    assert (inner == image[tops[0] : shape[0] - tops[0], tops[1] : shape[1] - tops[1]]).all()
    assert (np.rot90(inner, 2) == center_crop(np.rot90(image, 2))).all()
    for small in ((1, 1), (300, 512), (512, 40), (16, 300)):  # judged whole
        assert center_crop(np.zeros(small, np.uint8)).shape == small


def decoded(data: bytes) -> np.ndarray:
    assert data[8:12] == b"WEBP"
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_thumbnails_have_their_size_and_no_more_than_their_share_of_bytes() -> None:
    for shape, expected in (
        *(((900, 1200, 3), (180, 240)), ((2, 4000), (1, 240))),
        ((100, 60, 3), (100, 60)),  # never enlarged
    ):
        small = decoded(thumbnail(np.full(shape, 99, np.uint8)))
        assert small.shape == (*expected, 3)
    assert len(thumbnail(noise(300, 300))) <= LARGEST


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("long_side", [200, 700, 2500])
def test_thumbnails_are_oriented_by_exif(tmp_path: Path, long_side: int, known: bool) -> None:
    red, blue = (220, 30, 30), (30, 30, 220)
    rgb = np.full((long_side // 2, long_side, 3), blue, np.uint8)
    rgb[: long_side // 4] = red
    path = save(tmp_path / "turned é.jpg", rgb[..., ::-1], exif(6, "<"))
    found = small_photo(path, rgb.shape[:2] if known else None)
    assert found is not None
    for small in (found, decoded(thumbnail(np.rot90(rgb, -1)))):
        side = min(SIDE, long_side)
        assert small.shape[:2] == (side, side // 2)
        middle = small[side // 2].astype(int)  # what was above is now on the right
        assert np.abs(middle[-10] - red).max() < 12 and np.abs(middle[10] - blue).max() < 12


def test_a_raw_file_has_a_thumbnail_in_colour(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra 'raw' is not installed")
    path = write_dng(tmp_path / "camera.dng", quarters(480, 800).astype(np.uint16) * 200, 6)
    small = small_photo(path, (480, 800))
    assert small is not None and small.shape[0] == SIDE and small.shape[1] < SIDE


def test_what_cannot_be_read_has_no_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "no.jpg"
    assert small_photo(path) is None
    for content in (b"no image", b""):
        path.write_bytes(content)
        assert small_photo(path, (2000, 1000)) is None
