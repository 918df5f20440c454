"""Files that a user's disk may hold, and damaged ones of each format."""

import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pillow_heif
from PIL import Image

from pictures import exif, noise, write_clip, write_dng

Files = Iterator[tuple[str, bytes]]


def encoded(ending: str, image: np.ndarray, *flags: int) -> bytes:
    return cv2.imencode(ending, image, flags)[1].tobytes()


def photo(height: int = 180, width: int = 240) -> np.ndarray:
    """A picture with edges, always the same."""
    image = cv2.GaussianBlur(noise(height, width, 5), (0, 0), 2)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def pillow(name: str, *images: Image.Image, **more: object) -> bytes:
    """One or more pictures encoded by Pillow."""
    buffer, moving = BytesIO(), {"save_all": True, "append_images": images[1:]}
    images[0].save(buffer, name, **(moving if images[1:] else {}), **more)
    return buffer.getvalue()


FRAMES = [Image.fromarray(noise(40, 50, seed)) for seed in range(3)]


def _seeds() -> Files:
    """One small good file of each format that is decoded."""
    image = photo(60, 80)
    picture = Image.fromarray(image)
    for ending in (".jpg", ".png", ".webp", ".tif", ".bmp", ".jp2", ".ppm"):
        yield ending, encoded(ending, image)
    yield "progressive.jpg", encoded(".jpg", image, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    yield "deep.png", encoded(".png", image.astype(np.uint16) * 200)
    yield "moving.webp", pillow("WEBP", *FRAMES)
    pillow_heif.register_heif_opener()
    for name in ("GIF", "AVIF", "HEIC", *(["JXL"] if find_spec("pillow_jxl") else [])):
        if name == "JXL":
            import_module("pillow_jxl")
        yield f".{name.lower()}", pillow(name.replace("HEIC", "HEIF"), picture)
    with TemporaryDirectory() as folder:
        bayer = image[:, :, 0].astype(np.uint16) * 200
        yield ".dng", write_dng(Path(folder) / "camera.dng", bayer, 6).read_bytes()


JPEG = encoded(".jpg", photo())
SEEDS = dict(_seeds())
SOF, LARGE = b"\xff\xc0", b"\xff\xff\xff\x7f"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, depth: int, colour: int, data: bytes, *more: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [_chunk(b"IHDR", head), *more, _chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _zeros(number: int) -> bytes:
    """`number` zeros compressed by zlib, made fast by repeating one block."""
    size = 1 << 24
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(number, size)
    tail = zlib.compressobj(9, zlib.DEFLATED, -15)
    last = tail.compress(bytes(rest)) + tail.flush()
    total = (number % 65521 << 16) | 1  # Adler-32 of zeros
    return start + block * (whole - 1) + last + struct.pack(">I", total)


def _tiff(*entries: tuple[int, int, int, int], next_ifd: int = 0) -> bytes:
    """Little-endian; entries are tag, type, count, value."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + body + struct.pack("<I", next_ifd) + bytes(99)


def _patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """`data` with `value` written `offset` bytes after the first `mark`."""
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


def _damaged() -> Files:
    """Cut off, misnamed, or no photo at all."""
    for name, data in SEEDS.items():
        yield f"cut{name}", data[: len(data) // 2]
    for percent in (2, 10, 60, 90):
        yield f"cut-at-{percent}.jpg", JPEG[: len(JPEG) * percent // 100]
    for name in ("empty.jpg", "empty.mp4"):
        yield name, b""
    for name in ("text.jpg", "text.mkv", "text.dng"):
        yield name, b"not a photo\n"
    for name in ("zeros.jpg", "zeros.mov", "zeros.nef"):
        yield name, bytes(100_000)
    for name in ("misnamed.heic", "misnamed.cr2"):
        yield name, JPEG
    yield "misnamed.jpg", SEEDS[".heic"]
    yield "page.jpg", b"<html><script>alert(1)</script></html>"
    yield "start-only.jpg", b"\xff\xd8"
    yield "head.gif", b"GIF89a"
    yield "head.webp", b"RIFF\xff\xff\xff\xffWEBPVP8X"
    yield "head.heic", b"\0\0\0\x18ftypheic" + bytes(12)
    yield "head.raf", b"FUJIFILMCCD-RAW 0201FF389501"
    yield "head.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50)
    yield "layers.psd", b"8BPS\0\1" + bytes(50)


def _jpegs() -> Files:
    restarts = encoded(".jpg", photo(), cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
    middle = len(JPEG) // 2
    yield "lacks-22-bytes.jpg", JPEG[:-22]
    yield "zeros-from-70.jpg", JPEG[: len(JPEG) * 7 // 10].ljust(len(JPEG), b"\0")
    yield "more-behind.jpg", JPEG + b"<?php echo 1; ?>" * 500
    yield "hole.jpg", JPEG[:middle] + bytes(500) + JPEG[middle + 500 :]
    yield "restarts-torn.jpg", restarts.replace(b"\xff\xd3", b"\xff\xd6", 3)
    yield "promises-65535.jpg", _patched(JPEG, SOF, 5, b"\xff\xff\xff\xff")
    yield "promises-nothing.jpg", _patched(JPEG, SOF, 5, bytes(4))
    yield "nine-components.jpg", _patched(JPEG, SOF, 9, b"\x09")
    yield "twelve-bits.jpg", _patched(JPEG, SOF, 4, b"\x0c")
    for kind in (0xC3, 0xC5, 0xC9, 0xCB):  # lossless, hierarchical, arithmetic
        yield f"kind-{kind:x}.jpg", JPEG.replace(SOF, bytes((0xFF, kind)), 1)
    yield "no-tables.jpg", JPEG.replace(b"\xff\xc4", b"\xff\xfe")
    for name, segment in {
        "turned-nine-times": exif(9, "<"),
        "exif-lies": exif(6, "<")[:-8] + b"\xff" * 8,
        "exif-of-nothing": b"\xff\xe1\x00\x02",
        "exif-in-a-circle": exif(6, "<")[:-4] + b"\x08\0\0\0",
    }.items():
        yield f"{name}.jpg", JPEG[:2] + segment + JPEG[2:]
    yield "cmyk.jpg", pillow("JPEG", Image.fromarray(photo()).convert("CMYK"))
    for name, image in {
        **{"grey": photo()[:, :, 0], "noise": noise(400, 600), "7-by-9": photo(9, 7)},
        **{"1-by-1": photo(1, 1), "5000-by-1": photo(1, 5000), "1-by-5000": photo(5000, 1)},
        **{"black": np.zeros((400, 600), np.uint8), "white": np.full((400, 600), 255, np.uint8)},
    }.items():
        yield f"{name}.jpg", encoded(".jpg", image)


def _pngs() -> Files:
    good = encoded(".png", photo())
    palette, profile = _chunk(b"PLTE", b"\1\2\3"), _chunk(b"iCCP", b"x\0\0" + _zeros(200_000_000))
    rows = zlib.compress((b"\0" + b"\xff" * 20) * 20)
    yield "wrong-sum.png", good[:40] + b"\0\0\0\0" + good[44:]
    yield "no-data.png", _png(100, 100, 8, 2, b"")
    yield "no-width.png", _png(0, 100, 8, 2, zlib.compress(b""))
    yield "bomb.png", _png(40_000, 40_000, 8, 2, zlib.compress(bytes(100)))
    yield "real-bomb.png", _png(16_000, 16_000, 16, 6, _zeros(16_000 * (8 * 16_000 + 1)))
    yield "grey-bomb.png", _png(30_000, 30_000, 8, 0, _zeros(30_000 * 30_001))
    yield "beyond-palette.png", _png(20, 20, 8, 3, rows, palette)
    yield "no-palette.png", _png(20, 20, 8, 3, rows)
    yield "one-bit.png", _png(160, 20, 1, 0, rows)
    yield "profile-bomb.png", _png(160, 20, 1, 0, rows, profile)
    yield "deep.png", encoded(".png", photo().astype(np.uint16) * 200)
    yield "clear.png", encoded(".png", np.zeros((300, 400, 4), np.uint8))
    yield "moving.png", pillow("PNG", *FRAMES)


def _others() -> Files:
    gif, moving, bmp = pillow("GIF", *FRAMES), SEEDS["moving.webp"], SEEDS[".bmp"]
    floats = photo().astype(np.float32)
    sides = (256, 4, 1, 60_000), (257, 4, 1, 60_000), (258, 3, 1, 8), (262, 3, 1, 1)
    yield "moving.gif", gif
    yield "huge-screen.gif", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield "moving.webp", moving
    yield "promises-16384.webp", _patched(moving, b"VP8X", 12, b"\xff\x3f\0\xff\x3f\0")
    yield "upside-down.bmp", bmp[:22] + struct.pack("<i", -60) + bmp[26:]
    yield "far-away.bmp", bmp[:10] + LARGE + bmp[14:]
    yield "wide.bmp", bmp[:18] + LARGE + bmp[22:]
    yield "packed.bmp", bmp[:30] + b"\1\0\0\0" + bmp[34:]
    yield "huge.pgm", b"P5 999999999 999999999 255\n"
    yield "no-levels.ppm", b"P6 4 4 0\n" + bytes(48)
    yield "negative.pnm", b"P6 -4 -4 255\n" + bytes(48)
    yield "promises-much.jp2", _patched(SEEDS[".jp2"], b"\xff\x51", 6, b"\x7f\xff\xff\xff" * 2)
    yield "promises-much.jxl", b"\xff\x0a" + b"\xf6\xff\xff\xff\xff\xff\xff\xff" * 4
    yield "circle.tif", _tiff((256, 4, 1, 10), (257, 4, 1, 10), next_ifd=8)
    yield "promises-much.tif", _tiff(*sides, (273, 4, 1, 200), (279, 4, 1, 2**31 - 1))
    for name in ("empty.tif", "empty.dng"):
        yield name, _tiff()
    for name, image in {
        **{"floats-in-colour": floats, "floats": floats / 255},
        "integers": photo()[:, :, 0].astype(np.int32) * 9000,
        "not-numbers": np.full((99, 99), np.nan, np.float32),
    }.items():
        yield f"{name}.tif", encoded(".tif", image)
    yield "pages.tif", pillow("TIFF", *FRAMES)
    yield "big.tif", pillow("TIFF", FRAMES[0], big_tiff=True)
    yield "other-brand.avif", _patched(SEEDS[".avif"], b"ftyp", 4, b"mif1")
    yield "whole.dng", SEEDS[".dng"]
    with TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "whole.avi").read_bytes()
    yield from (("whole.avi", clip), ("cut.avi", clip[: len(clip) // 2]))


NAMES = (  # of good photos
    *("-rf.jpg", "two\nlines.jpg", "\x1b[31mred\x07.jpg", os.fsdecode(b"not-utf-8-\xff\xfe.jpg")),
    *("<script>document.title='x'<.script>.jpg", '"><img src=x onerror=document.title=1>.jpg'),
    *("\u202egpj.exe.jpg", "clip.mp4#t=3.jpg", "=1+1.jpg", "n" * 251 + ".jpg"),
)


def _dated(path: Path, seconds: int) -> None:
    path.write_bytes(JPEG)
    os.utime(path, (seconds, seconds))


def _listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe.jpg": os.mkfifo,
    "socket.jpg": _listening,
    "device.jpg": lambda path: path.symlink_to("/dev/zero"),
    "terminal.jpg": lambda path: path.symlink_to("/dev/tty"),
    "loop.jpg": lambda path: path.symlink_to(path.name),
    "gone.jpg": lambda path: path.symlink_to("/nowhere/at/all.jpg"),
    "through-a-file.jpg": lambda path: path.symlink_to("/etc/passwd/x.jpg"),
    "here": lambda path: path.symlink_to("."),
    "folder.jpg": Path.mkdir,
    "sparse.jpg": lambda path: (path.write_bytes(JPEG[:2]), os.truncate(path, 2 << 30)),
    "far-future.jpg": lambda path: _dated(path, 10_000_000_000),
    "long-ago.jpg": lambda path: _dated(path, -2_000_000_000),
    "unreadable.jpg": lambda path: (path.write_bytes(JPEG), path.chmod(0)),
}


@cache
def _contents() -> dict[str, bytes]:
    return dict([*_damaged(), *_jpegs(), *_pngs(), *_others(), *((name, JPEG) for name in NAMES)])


def write_hostile_files(folder: Path) -> dict[str, Path]:
    """Write each file into its own folder; returns paths by name."""
    contents, places = _contents(), {}
    for number, name in enumerate([*contents, *SPECIAL]):
        places[name] = folder / f"{number:03d}" / name
        places[name].parent.mkdir()
        if name in contents:
            places[name].write_bytes(contents[name])
        else:
            SPECIAL[name](places[name])
    return places
