"""Headers: memory needed, size; JPEGs at reduced scale, and those that are cut off."""

import struct
import sys
import zlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images import decode as decode_module
from blur_fusion.images import headers
from blur_fusion.images.decode import decode
from blur_fusion.images.headers import octets_needed
from blur_fusion.images.photo import InputSpec, Photo, working_image
from blur_fusion.images.resize import area_average, average_cells
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.parallel import free_memory
from pictures import UPRIGHT, exif, noise, save
from scan_command import python

SIZE = WIDTH, HEIGHT = 16_000, 12_000


def png(depth: int, colour: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", *SIZE, depth, colour, 0, 0, 0)
    body = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(order: str, bits: list[int]) -> bytes:
    """An image directory; the bits of several samples lie behind it."""
    pack = f"{'<' if order == 'II' else '>'}HHI"
    number, end = len(bits), 8 + 2 + 12 * 4
    of_bits = struct.pack(pack[0] + f"{number}H", *bits)
    value = of_bits.ljust(4, b"\0") if number < 3 else struct.pack(pack[0] + "I", end)
    entries = [(256, 4, 1, struct.pack(pack[0] + "I", WIDTH))]
    entries += [(257, 3, 1, struct.pack(pack[0] + "HH", HEIGHT, 0)), (258, 3, number, value)]
    entries += [(277, 3, 1, struct.pack(pack[0] + "HH", number, 0))]
    table = b"".join(struct.pack(pack, *entry[:3]) + entry[3] for entry in entries)
    return order.encode() + struct.pack(f"{pack[0]}HIH", 42, 8, 4) + table + of_bits


def jxl(small: bool = False) -> bytes:
    """The beginning of a codestream: width and height in 18 bits each, or 256 x 192 in 5."""
    if small:
        return b"\xff\x0a" + (1 | (192 // 8 - 1) << 1 | 3 << 6).to_bytes(4, "little")
    bits = (HEIGHT - 1) << 3 | 2 << 1
    return b"\xff\x0a" + (bits | (2 | (WIDTH - 1) << 2) << 24).to_bytes(16, "little")


BOX = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 "
HEADERS = {
    "rgba.png": (png(16, 6), 16),
    "grey.png": (png(8, 0), 2),
    "line.png": (png(1, 0), 2),
    "screen.gif": (b"GIF89a" + struct.pack("<HH", *SIZE), 8),
    "up.bmp": (b"BM" + bytes(16) + struct.pack("<ii", *SIZE), 8),
    "down.bmp": (b"BM" + bytes(16) + struct.pack("<ii", WIDTH, -HEIGHT), 8),
    "boxes.jp2": (BOX + b"\0\0\0\x16ihdr" + struct.pack(">II", HEIGHT, WIDTH), 8),
    "bare.jp2": (b"\xff\x4f\xff\x51\0\x2f\0\0" + struct.pack(">II", *SIZE), 8),
    "one.avif": (b"\0\0\0\x14ftypavif" + bytes(9) + b"ispe\0\0\0\0" + struct.pack(">II", *SIZE), 8),
    "grey.tif": (tiff("II", [16]), 4),
    "rgb.tif": (tiff("MM", [8, 8, 8]), 6),
    "bare.jxl": (jxl(), 8),
    "box.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0\0\0\0\0jxlc" + jxl(), 8),
}


@pytest.mark.parametrize("name", HEADERS)
def test_what_a_picture_takes_is_known_from_its_header(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, octets = HEADERS[name]
    head = head.ljust(64, b"\0")
    assert octets_needed(np.frombuffer(head, np.uint8), head) == octets * WIDTH * HEIGHT
    monkeypatch.setattr(decode_module, "free_memory", lambda: octets * WIDTH * HEIGHT - 1)
    with pytest.raises(BlurError, match=f"{name}: is too large for the memory of this machine"):
        decode(head, name, 768)


DAMAGED = (b"II*\0", b"MM\0*" + b"\xff" * 60, b"\x89PNG", bytes(99), b"BM")


def test_what_a_small_jpeg_xl_takes_and_a_damaged_header() -> None:
    for head, octets in (
        (jxl(small=True), 8 * 256 * 192),
        *((head, len(head)) for head in DAMAGED),
    ):
        assert octets_needed(np.frombuffer(head, np.uint8), head) == octets, head


@pytest.mark.parametrize(("reach", "colour"), [(768, True), (9000, False)])
@pytest.mark.parametrize("progressive", [0, 1])
def test_jpegs_larger_than_memory(
    reach: int, colour: bool, progressive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, flags = np.zeros((800, 1600), np.uint8), (cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    data = cv2.imencode(".jpg", image, flags)[1].tobytes()
    needed = image.size * ((6 if colour else 2) + 3 * progressive)
    monkeypatch.setattr(decode_module, "_MUCH", needed)
    for free in (needed - 1, needed):
        monkeypatch.setattr(decode_module, "free_memory", lambda free=free: free)
        if free < needed:
            with pytest.raises(BlurError, match="wide: is too large for the memory"):
                decode(data, "wide", reach, colour)
        else:
            assert decode(data, "wide", reach, colour).cell == 1


def test_a_file_larger_than_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "long.tif").open("wb") as file:
        file.truncate(1 << 30)
    monkeypatch.setattr(decode_module, "free_memory", lambda: 1 << 29)
    with pytest.raises(BlurError, match=r"long\.tif: is too large for the memory"):
        decode(tmp_path / "long.tif", "long.tif", 768)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is free")
def test_free_memory_is_what_machine_and_limits_leave() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free_memory() < 2 * total
    code = (
        "import resource; from blur_fusion.parallel import free_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); print(free_memory())"
    )
    assert 1 << 30 < int(python(code)) < 2 << 30


@cache
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


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 8)


def written(image: np.ndarray, *flags: int, orientation: int = 1) -> bytes:
    data = cv2.imencode(".jpg", image, flags)[1].tobytes()
    return data[:2] + exif(orientation, "<") + data[2:]


@pytest.mark.parametrize("size", [(601, 403), (1, 1), (16, 9000)])
@pytest.mark.parametrize("progressive", [0, 1])
def test_size_comes_from_the_header(size: tuple[int, int], progressive: int) -> None:
    data = written(np.zeros(size[::-1], np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    for padding in (b"", b"\xff\xff"):
        assert headers.jpeg_frame(data[:2] + padding + data[2:]).size == size
    for other in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n" * 9):
        assert headers.jpeg_frame(other).size == (0, 0)
        assert headers.jpeg_frame(b"\xff\xd8\xff\xe1\xff\xff" + other).size == (0, 0)


def test_reduction_leaves_a_margin() -> None:
    for side in (64, 768, 1000):
        for longest in range(side, 20 * side, side // 4):
            factor = headers.reduction((longest, 16), side)
            assert factor == 1 or longest / factor >= headers.MARGIN * side
            assert factor == 8 or longest / (2 * factor) < headers.MARGIN * side


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("size", [(480, 801), (479, 797)])
def test_jpegs_are_turned_as_seen(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    stored, order = scene(*size), "<>"[orientation % 2]
    path = save(tmp_path / "turned.jpg", stored, exif(orientation, order))
    expected = np.ascontiguousarray(UPRIGHT[orientation](stored))
    for side, colour in ((100, False), (1000, False), (1000, True)):  # reduced, and at full size
        photo, whole = Photo(path), working_image(expected, side, colour)
        found = photo.image(InputSpec(side, colour=colour))
        assert photo.size == expected.shape[::-1]
        assert found.shape == whole.shape and rms(found, whole) < 2.5  # turned wrongly: above 30


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


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("flags", [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize("missing", [2, 22, 0.03, "zeros", "erased"])
def test_photos_that_are_cut_off_are_judged_by_what_is_whole(
    flags: tuple[int, ...], missing: float | str, colour: bool
) -> None:
    image = cv2.cvtColor(scene(480, 800), cv2.COLOR_GRAY2BGR) if colour else scene(480, 800)
    data = written(image, *flags)
    part = missing if isinstance(missing, float) else 0.03
    cut = data[:-missing] if isinstance(missing, int) else data[: int(len(data) * (1 - part))]
    cut += {"zeros": b"\0", "erased": b"\xff"}.get(str(missing), b"") * 9000
    for reach in (1000, 100):  # whole, and at reduced scale
        found = decode(cut, "cut.jpg", reach, colour)
        rows = found.pixels.shape[0] * found.cell
        assert found.note == f"cut off: judged by the first {100 * rows // 480} % of it"
        assert 0.8 * 480 <= rows < 480 and found.photo == (800, 480)
        whole = decode(data, "whole.jpg", reach, colour).pixels[: rows // found.cell]
        inside = slice(0, -2)  # colour of the last rows is interpolated from below
        assert np.array_equal(found.pixels[inside], whole[inside])


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("size", [(480, 800), (800, 480), (800, 752)])
def test_cut_photos_are_turned_and_scaled_as_whole_ones(
    orientation: int, size: tuple[int, int]
) -> None:
    data = written(scene(*size), orientation=orientation)
    whole, cut = Photo(data), Photo(data[:-400])
    expected, found = whole.image(InputSpec(200)), cut.image(InputSpec(200))
    assert cut.size == whole.size and (cut.note or "").startswith("cut off: judged by the first 9")
    longer = 0 if (orientation < 5) else 1  # the axis that is cut
    assert found.shape[1 - longer] == expected.shape[1 - longer]
    assert 0.9 * expected.shape[longer] < found.shape[longer] < expected.shape[longer]


def test_photos_cut_short_are_errors(tmp_path: Path) -> None:
    """Less than half is left, or too little of a progressive file to be sharp."""
    path, plain = tmp_path / "cut.jpg", written(scene(480, 800))
    cuts = [plain[: int(len(plain) * part)] for part in (0.1, 0.4)]
    cuts += [data[: int(len(data) * 0.6)] for data in [written(scene(480, 800), *PROGRESSIVE)]]
    for data in cuts:
        path.write_bytes(data)
        for side in (100, 1000):
            with pytest.raises(BlurError, match=r"cut\.jpg: is cut off: only \d+ % of it is whole"):
                working_image(path, side)
    for data in (plain[:300], plain[:2]):  # within the tables
        path.write_bytes(data)
        with pytest.raises(BlurError, match=r"cut\.jpg: is not an image .* or is damaged"):
            working_image(path, 100)


def test_what_lies_behind_a_whole_photo_does_not_count() -> None:
    data = written(scene(480, 800))
    whole = working_image(data, 1000)
    for behind in (bytes(9000), b"ftypmp42" * 99, b"\xff\xd8" + bytes(999), b"\xff" * 99):
        photo = Photo(data + behind)
        assert np.array_equal(photo.image(InputSpec(1000)), whole) and photo.note is None


def test_reduction_changes_no_verdict_on_real_photos(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, reduced = BlurDetector(), []
    for path in sorted(shared_data.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            size = headers.jpeg_frame(path.read_bytes()).size
            if headers.reduction(size, detector.spec.side) > 1:
                reduced.append(path)
    assert len(reduced) >= 50
    said = detector.predict(reduced[::3])
    monkeypatch.setattr(headers, "MARGIN", float("inf"))
    again = detector.predict(reduced[::3])
    for one, whole in zip(said, again, strict=True):
        assert (one.width, one.height, one.blurred) == (whole.width, whole.height, whole.blurred)
    moved = np.abs(np.subtract(*([one.probability for one in each] for each in (said, again))))
    assert np.mean(moved) < 0.02 / 4 and np.quantile(moved, 0.95) <= 0.02 and max(moved) <= 0.05
