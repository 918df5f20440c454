"""Files that a user's disk may hold, and damaged ones of each format."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from pictures import exif, noise, write_clip, write_dng

Make = Callable[[Path], object]  # makes the file of this name


def encoded(ending: str, image: np.ndarray, *flags: int) -> bytes:
    return cv2.imencode(ending, image, flags)[1].tobytes()


def photo(height: int = 180, width: int = 240) -> np.ndarray:
    """A picture with edges, always the same."""
    image = cv2.GaussianBlur(noise(height, width, 5), (0, 0), 2)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def pillow(name: str, image: np.ndarray | Image.Image, **more: object) -> bytes:
    """A picture encoded by Pillow."""
    from io import BytesIO

    buffer = BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, name, **more)
    return buffer.getvalue()


def heif(name: str = "heif") -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return pillow("AVIF" if name == "avif" else "HEIF", photo())


def dng() -> bytes:
    with TemporaryDirectory() as folder:
        bayer = photo(60, 80)[:, :, 0].astype(np.uint16) * 200
        return write_dng(Path(folder) / "camera.dng", bayer, 6).read_bytes()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, data: bytes, *more: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(number: int) -> bytes:
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


def tiff(entries: list[tuple[int, int, int, int]], rest: bytes = b"", next_ifd: int = 0) -> bytes:
    """Little-endian; entries are tag, type, count, value."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + body + struct.pack("<I", next_ifd) + rest


def patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """`data` with `value` written `offset` bytes after the first `mark`."""
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


JPEG = encoded(".jpg", photo())
PROGRESSIVE = encoded(".jpg", photo(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encoded(".jpg", photo(), cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
PNG = encoded(".png", photo())
FRAMES = [Image.fromarray(noise(40, 50, seed)) for seed in range(3)]
SOF = b"\xff\xc0"


def _jpegs() -> Iterator[tuple[str, bytes]]:
    yield "empty.jpg", b""
    yield "one-byte.jpg", b"\xff"
    yield "text.jpg", b"not a photo\n"
    yield "page.jpg", b"<html><script>alert(1)</script></html>"
    yield "start-only.jpg", b"\xff\xd8"
    yield "zeros.jpg", bytes(100_000)
    for share in (2, 10, 50, 60, 90):
        yield f"cut-at-{share}.jpg", JPEG[: len(JPEG) * share // 100]
        yield f"progressive-cut-at-{share}.jpg", PROGRESSIVE[: len(PROGRESSIVE) * share // 100]
    yield "lacks-22-bytes.jpg", JPEG[:-22]
    yield "zeros-from-70.jpg", JPEG[: len(JPEG) * 7 // 10].ljust(len(JPEG), b"\0")
    yield "more-behind.jpg", JPEG + b"<?php echo 1; ?>" * 500
    middle = len(JPEG) // 2
    yield "hole.jpg", JPEG[:middle] + bytes(500) + JPEG[middle + 500 :]
    yield "restarts-torn.jpg", RESTARTS.replace(b"\xff\xd3", b"\xff\xd6", 3)
    yield "promises-65535.jpg", patched(JPEG, SOF, 5, b"\xff\xff\xff\xff")
    yield "promises-nothing.jpg", patched(JPEG, SOF, 5, bytes(4))
    yield "nine-components.jpg", patched(JPEG, SOF, 9, b"\x09")
    yield "twelve-bits.jpg", patched(JPEG, SOF, 4, b"\x0c")
    for kind in (0xC3, 0xC5, 0xC9, 0xCB):  # lossless, hierarchical, arithmetic
        yield f"kind-{kind:x}.jpg", JPEG.replace(SOF, bytes((0xFF, kind)), 1)
    yield "no-tables.jpg", JPEG.replace(b"\xff\xc4", b"\xff\xfe")
    yield "turned-nine-times.jpg", JPEG[:2] + exif(9, "<") + JPEG[2:]
    yield "exif-lies.jpg", JPEG[:2] + exif(6, "<")[:-8] + b"\xff" * 8 + JPEG[2:]
    yield "exif-of-nothing.jpg", JPEG[:2] + b"\xff\xe1\x00\x02" + JPEG[2:]
    yield "exif-in-a-circle.jpg", JPEG[:2] + exif(6, "<")[:-4] + b"\x08\0\0\0" + JPEG[2:]
    yield "cmyk.jpg", pillow("JPEG", Image.fromarray(photo()).convert("CMYK"))
    yield "grey.jpg", encoded(".jpg", photo()[:, :, 0])
    for height, width in ((1, 1), (1, 5000), (5000, 1), (7, 9)):
        yield f"{width}-by-{height}.jpg", encoded(".jpg", photo(height, width))
    yield "black.jpg", encoded(".jpg", np.zeros((400, 600), np.uint8))
    yield "white.jpg", encoded(".jpg", np.full((400, 600), 255, np.uint8))
    yield "noise.jpg", encoded(".jpg", noise(400, 600))


def _pngs() -> Iterator[tuple[str, bytes]]:
    yield "cut.png", PNG[: len(PNG) // 2]
    yield "wrong-sum.png", PNG[:40] + b"\0\0\0\0" + PNG[44:]
    yield "no-data.png", png(100, 100, 8, 2, b"")
    yield "no-width.png", png(0, 100, 8, 2, zlib.compress(b""))
    yield "bomb.png", png(40_000, 40_000, 8, 2, zlib.compress(bytes(100)))
    yield "real-bomb.png", png(16_000, 16_000, 16, 6, zeros(16_000 * (8 * 16_000 + 1)))
    yield "grey-bomb.png", png(30_000, 30_000, 8, 0, zeros(30_000 * 30_001))
    palette = chunk(b"PLTE", b"\1\2\3")
    rows = zlib.compress((b"\0" + b"\xff" * 20) * 20)
    yield "beyond-palette.png", png(20, 20, 8, 3, rows, palette)
    yield "no-palette.png", png(20, 20, 8, 3, rows)
    yield "one-bit.png", png(160, 20, 1, 0, rows)
    profile = chunk(b"iCCP", b"x\0\0" + zeros(200_000_000))
    yield "profile-bomb.png", png(160, 20, 1, 0, rows, profile)
    yield "deep.png", encoded(".png", photo().astype(np.uint16) * 200)
    yield "clear.png", encoded(".png", np.zeros((300, 400, 4), np.uint8))
    yield "moving.png", pillow("PNG", FRAMES[0], save_all=True, append_images=FRAMES[1:])


def _others() -> Iterator[tuple[str, bytes]]:
    gif = pillow("GIF", FRAMES[0], save_all=True, append_images=FRAMES[1:])
    yield "moving.gif", gif
    yield "cut.gif", gif[:200]
    yield "head.gif", b"GIF89a"
    yield "huge-screen.gif", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    webp = encoded(".webp", photo())
    yield "cut.webp", webp[: len(webp) // 2]
    yield "head.webp", b"RIFF\xff\xff\xff\xffWEBPVP8X"
    moving = pillow("WEBP", FRAMES[0], save_all=True, append_images=FRAMES[1:])
    yield "moving.webp", moving
    yield "promises-16384.webp", patched(moving, b"VP8X", 12, b"\xff\x3f\0\xff\x3f\0")
    bmp = encoded(".bmp", photo())
    yield "upside-down.bmp", bmp[:22] + struct.pack("<i", -180) + bmp[26:]
    yield "far-away.bmp", bmp[:10] + b"\xff\xff\xff\x7f" + bmp[14:]
    yield "wide.bmp", bmp[:18] + b"\xff\xff\xff\x7f" + bmp[22:]
    yield "packed.bmp", bmp[:30] + b"\1\0\0\0" + bmp[34:]
    yield "cut.pgm", b"P5 4000 4000 255\n123"
    yield "huge.pgm", b"P5 999999999 999999999 255\n"
    yield "no-levels.ppm", b"P6 4 4 0\n" + bytes(48)
    yield "negative.pnm", b"P6 -4 -4 255\n" + bytes(48)
    jp2 = encoded(".jp2", photo())
    yield "cut.jp2", jp2[: len(jp2) // 2]
    yield "promises-much.jp2", patched(jp2, b"\xff\x51", 6, b"\x7f\xff\xff\xff\x7f\xff\xff\xff")
    yield "circle.tif", tiff([(256, 4, 1, 10), (257, 4, 1, 10)], next_ifd=8)
    yield "empty.tif", tiff([])
    strip = [(256, 4, 1, 60_000), (257, 4, 1, 60_000), (258, 3, 1, 8), (262, 3, 1, 1)]
    yield "floats-in-colour.tif", encoded(".tif", photo().astype(np.float32))
    yield "promises-much.tif", tiff([*strip, (273, 4, 1, 200), (279, 4, 1, 2**31 - 1)], bytes(99))
    yield "cut.tif", encoded(".tif", photo())[:3000]
    yield "floats.tif", encoded(".tif", photo().astype(np.float32) / 255)
    yield "not-numbers.tif", encoded(".tif", np.full((99, 99), np.nan, np.float32))
    yield "integers.tif", encoded(".tif", photo()[:, :, 0].astype(np.int32) * 9000)
    yield "pages.tif", pillow("TIFF", FRAMES[0], save_all=True, append_images=FRAMES[1:])
    yield "big.tif", pillow("TIFF", photo(), big_tiff=True)
    avif, heic = heif("avif"), heif()
    yield "cut.avif", avif[: len(avif) // 2]
    yield "other-brand.avif", patched(avif, b"ftyp", 4, b"mif1")
    yield "cut.heic", heic[: len(heic) // 2]
    yield "head.heic", b"\0\0\0\x18ftypheic" + bytes(12)
    yield "misnamed.heic", JPEG
    yield "misnamed.jpg", heic
    camera = dng()
    yield "whole.dng", camera
    yield "cut.dng", camera[: len(camera) // 2]
    yield "text.dng", b"not a photo"
    yield "empty.dng", tiff([])
    yield "misnamed.cr2", JPEG
    yield "zeros.nef", bytes(100_000)
    yield "head.raf", b"FUJIFILMCCD-RAW 0201FF389501"
    yield "future.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50)
    yield "promises-much.jxl", b"\xff\x0a" + b"\xf6\xff\xff\xff\xff\xff\xff\xff" * 4
    yield "layers.psd", b"8BPS\0\1" + bytes(50)


def _videos(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield "empty.mp4", b""
    yield "zeros.mov", bytes(50_000)
    yield "text.mkv", b"not a video"
    clip = write_clip(folder / "whole.avi").read_bytes()
    yield "whole.avi", clip
    yield "cut.avi", clip[: len(clip) // 2]


def _dated(seconds: int) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(JPEG)
        os.utime(path, (seconds, seconds))

    return make


def _listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(JPEG[:2])
        file.truncate(2 << 30)


SPECIAL: dict[str, Make] = {
    "pipe.jpg": os.mkfifo,
    "socket.jpg": _listening,
    "device.jpg": lambda path: path.symlink_to("/dev/zero"),
    "terminal.jpg": lambda path: path.symlink_to("/dev/tty"),
    "loop.jpg": lambda path: path.symlink_to(path.name),
    "gone.jpg": lambda path: path.symlink_to("/nowhere/at/all.jpg"),
    "through-a-file.jpg": lambda path: path.symlink_to("/etc/passwd/x.jpg"),
    "here": lambda path: path.symlink_to("."),
    "folder.jpg": Path.mkdir,
    "sparse.jpg": _sparse,
    "far-future.jpg": _dated(10_000_000_000),
    "long-ago.jpg": _dated(-2_000_000_000),
    "unreadable.jpg": lambda path: (path.write_bytes(JPEG), path.chmod(0)),
    "-rf.jpg": lambda path: path.write_bytes(JPEG),
    "<script>document.title='x'<.script>.jpg": lambda path: path.write_bytes(JPEG),
    '"><img src=x onerror=document.title=1>.jpg': lambda path: path.write_bytes(JPEG),
    "two\nlines.jpg": lambda path: path.write_bytes(JPEG),
    "\x1b[31mred\x07.jpg": lambda path: path.write_bytes(JPEG),
    os.fsdecode(b"not-utf-8-\xff\xfe.jpg"): lambda path: path.write_bytes(JPEG),
    "\u202egpj.exe.jpg": lambda path: path.write_bytes(JPEG),
    "clip.mp4#t=3.jpg": lambda path: path.write_bytes(JPEG),
    "=1+1.jpg": lambda path: path.write_bytes(JPEG),
    "n" * 251 + ".jpg": lambda path: path.write_bytes(JPEG),
}


def write_hostile_files(folder: Path) -> dict[str, Path]:
    """Write each file into its own folder; returns paths by name."""
    places = {}
    with_bytes = [*_jpegs(), *_pngs(), *_others(), *_videos(folder)]
    (folder / "whole.avi").unlink()
    for number, (name, data) in enumerate(with_bytes):
        places[name] = folder / f"{number:03d}" / name
        places[name].parent.mkdir()
        places[name].write_bytes(data)
    for number, (name, make) in enumerate(SPECIAL.items(), len(with_bytes)):
        places[name] = folder / f"{number:03d}" / name
        places[name].parent.mkdir()
        make(places[name])
    return places


def fuzz_seeds() -> dict[str, bytes]:
    """One small good file of each format that is decoded."""
    image = photo(60, 80)
    endings = (".jpg", ".png", ".webp", ".tif", ".bmp", ".jp2", ".ppm")
    seeds = {ending: encoded(ending, image) for ending in endings}
    seeds[".gif"] = pillow("GIF", FRAMES[0])
    seeds["progressive.jpg"] = encoded(".jpg", image, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    seeds["deep.png"] = encoded(".png", image.astype(np.uint16) * 200)
    seeds["moving.webp"] = pillow("WEBP", FRAMES[0], save_all=True, append_images=FRAMES[1:])
    seeds |= {".avif": heif("avif"), ".heic": heif(), ".dng": dng()}
    if find_spec("pillow_jxl"):
        import_module("pillow_jxl")
        seeds[".jxl"] = pillow("JXL", image)
    return seeds
