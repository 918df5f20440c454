"""The memory that a picture takes is known from its header, and what there is not is one line."""

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images import decode as decode_module
from blur_fusion.images.decode import decode
from blur_fusion.images.headers import octets_needed
from blur_fusion.parallel import free_memory
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


def test_small_jpeg_xl() -> None:
    head = jxl(small=True)
    assert octets_needed(np.frombuffer(head, np.uint8), head) == 8 * 256 * 192


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*" + b"\xff" * 60, b"\x89PNG", bytes(99), b"BM"])
def test_what_a_damaged_header_takes_is_the_files_size(head: bytes) -> None:
    assert octets_needed(np.frombuffer(head, np.uint8), head) == len(head)


@pytest.mark.parametrize(("reach", "colour"), [(768, True), (9000, False)])
@pytest.mark.parametrize("progressive", [0, 1])
def test_large_jpegs(
    reach: int, colour: bool, progressive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, flags = np.zeros((8000, 16_000), np.uint8), (cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
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
