"""Pictures as 8-bit grey or RGB from arrays and files; JPEGs at reduced scale where it suffices."""

from __future__ import annotations

import importlib
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import TOO_LARGE, BlurError, require
from blur_fusion.images import headers
from blur_fusion.images.formats import RAW
from blur_fusion.parallel import free_memory

Pixels = npt.NDArray[np.uint8]

_SAMPLE = 1 << 20  # pixels that percentiles are taken from
_PERCENTILES = (0.1, 99.9)
_MUCH = 1 << 28  # bytes; smaller requests are granted unchecked
_MUCH_AT_A_TIME = threading.RLock()
_TOO_MANY = "has more than 2^30 pixels; make it smaller first"
# Formats of which OpenCV cannot read all variants, and that Pillow decodes whole or not at all.
_PILLOW = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "PPM")


class Decoded(NamedTuple):
    """A picture, oriented by EXIF, whose pixels are means over `cell` x `cell` pixels of the file.

    `photo` is the size of the whole photo where it differs from `cell` times that of `pixels`: the
    last cells stick out, it is a RAW file's preview, or the JPEG is cut off.
    """

    pixels: Pixels  # (h, w) or (h, w, 3)
    cell: int = 1  # 1 at full size; 2, 4 or 8 at reduced scale
    photo: tuple[int, int] | None = None  # width and height
    note: str | None = None  # one line, where the file holds only part of the picture
    colours: Pixels | None = None  # RGB, where it was decoded before it became grey


def stretched(pixels: npt.NDArray[np.generic]) -> Pixels:
    """One deep channel, stretched from its percentiles 0.1 and 99.9 to 8 bits.

    Scanners, microscopes and depth maps use part of the 16 bits; a shift would leave them black.
    """
    flat = pixels.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _PERCENTILES) if sample.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint((values - low) * scale), 0, 255).astype(np.uint8)


def over_white(pixels: Pixels) -> Pixels:
    """Composite (H, W, 4) over white, as viewers do.

    The colours of transparent pixels are arbitrary, often with hard edges that nobody sees.
    """
    alpha = pixels[:, :, 3:]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    share = alpha.astype(np.float32) / 255
    mixed = pixels[:, :, :3].astype(np.float32) * share + 255 * (1 - share)
    return np.rint(mixed).astype(np.uint8)


def from_array(array: npt.NDArray[Any], colour: bool) -> Pixels:
    """A grey, RGB or RGBA array of 8 or 16 bits or of floats 0..1, as 8-bit grey or RGB.

    Raises BlurError for another type or shape.
    """
    pixels = np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    shape = f"array of shape {pixels.shape}: give (H, W) or (H, W, 3 or 4)"
    require(known and pixels.size > 0, shape)
    kind, octets = pixels.dtype.kind, pixels.dtype.itemsize  # of either byte order
    if (kind, octets) == ("u", 2):
        pixels = (pixels >> 8).astype(np.uint8) if pixels.ndim == 3 else stretched(pixels)
    elif kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        pixels = np.rint(pixels * 255).astype(np.uint8)
    types = "give uint8, uint16 or floats within 0..1"
    require(pixels.dtype == np.uint8, f"array of {pixels.dtype}: {types}")
    eight = np.ascontiguousarray(pixels)
    if eight.ndim == 2:
        return np.repeat(eight[:, :, None], 3, axis=2) if colour else eight
    rgb = over_white(eight) if eight.shape[2] == 4 else eight
    return rgb if colour else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _in_colour(array: npt.NDArray[Any], colour: bool) -> Decoded:
    """A picture whose decoder gives colours, which are kept for a thumbnail."""
    colours = from_array(array, True)
    return Decoded(colours if colour else from_array(colours, False), colours=colours)


def _from_pil(image: Any, colour: bool, turned: bool = True) -> Pixels:
    from PIL import ImageOps

    if turned:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "I"):  # one deep channel, in arbitrary units
        return from_array(stretched(np.asarray(image)), colour)
    if image.mode not in ("L", "RGB", "RGBA", "I;16", "I;16B"):
        clear = "A" in image.getbands() or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
    return from_array(np.asarray(image), colour)


def read_bytes(path: Path, count: int = -1) -> Pixels:
    """A file, or its first `count` bytes; cv2.imread fails silently, and on odd names."""
    try:
        about = path.stat()
        ordinary = stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)
        require(ordinary, f"{path}: is neither a file nor a folder")  # a pipe may never end
        with _room(about.st_size if count < 0 else count):
            data = np.fromfile(path, np.uint8, count)
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    require(data.size > 0, f"{path}: is an empty file")
    return data


@contextmanager
def _room(octets: int) -> Iterator[None]:
    """Reserve memory; large requests wait for one another.

    MemoryError if there is too little: the system would kill this process rather than refuse.
    """
    if octets < _MUCH:
        yield
        return
    with _MUCH_AT_A_TIME:
        if octets > free_memory():
            raise MemoryError
        yield


def _imdecode(data: Pixels, flag: int, name: str) -> npt.NDArray[Any] | None:
    """Decode with OpenCV; None where it cannot."""
    try:
        image = cv2.imdecode(data, flag)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # CV_IO_MAX_IMAGE_PIXELS, _WIDTH and _HEIGHT
            raise BlurError(f"{name}: {_TOO_MANY}") from None
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        return None
    return None if image is None else np.asarray(image)


def _odd(head: bytes) -> bool:
    """Whether a picture may hold alpha or one deep channel, which OpenCV drops or darkens."""
    if head[:8] == headers.PNG:
        # Bit depth, colour type: 0 grey, 3 palette (may be clear), 4 and 6 alpha.
        return head[25] in (4, 6) or (head[24] == 16 and head[25] == 0) or b"tRNS" in head
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 0x10) or head[12:16] == b"VP8L"
    return head[:3] != b"\xff\xd8\xff"


def _decode_odd(data: Pixels, name: str, flags: int) -> npt.NDArray[Any] | None:
    """The picture with all its channels; None where it turns out to be ordinary."""
    image = _imdecode(data, cv2.IMREAD_UNCHANGED, name)
    if image is None or image.ndim not in (2, 3):
        return None
    if image.ndim == 2 and image.dtype != np.uint8:
        # Decoded again, because only this honours EXIF; not every format then keeps its depth.
        again = image.dtype == np.uint16
        deep = _imdecode(data, cv2.IMREAD_ANYDEPTH | flags, name) if again else image
        return stretched(image if deep is None or deep.ndim != 2 else deep)
    if image.ndim == 3 and image.dtype not in (np.uint8, np.uint16):  # of floats, say
        colours = image[:, :, 2::-1]
        return colours if colours.min() >= 0 and colours.max() <= 1 else stretched(colours)
    if image.ndim == 3 and image.shape[2] == 4:
        turned = image if flags else headers.turned_by_exif(image, data.tobytes())
        return turned[:, :, [2, 1, 0, 3]]
    return None


def decode(
    source: Any, name: str, long_side: int, colour: bool = False, stored: bool = False
) -> Decoded:
    """A picture oriented by EXIF, as 8-bit grey or RGB.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        HEIC, JPEG XL and RAW files need extras.
    name : str
        Used in messages.
    long_side : int
        Of the working image, in pixels. Grey JPEGs that are large enough are decoded at reduced
        scale.
    colour : bool
    stored : bool
        Files as they are stored: not rotated, transparency ignored.

    Raises
    ------
    BlurError
        The file is missing, empty, damaged, too large or not an image, or needs an extra that is
        not installed; the array has another type or shape.
    """
    try:
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            if path.suffix.lower() in RAW:
                return _decode_raw(path, long_side, colour)
            data = read_bytes(path)
        elif isinstance(source, bytes):
            require(bool(source), f"{name}: is an empty file")
            data = np.frombuffer(source, np.uint8)
        else:
            pixels = from_array if isinstance(source, np.ndarray) else _from_pil
            return Decoded(pixels(source, colour))
        if data[:2].tobytes() == b"\xff\xd8":
            return _decode_jpeg(data, name, long_side, colour, stored)
        head = data[:4096].tobytes().ljust(64, b"\0")  # as long as any header
        with _room(headers.octets_needed(data, head)):
            if headers.brand(head) == "heic":
                return _decode_heic(data.tobytes(), name, colour)
            return Decoded(_decode_other(data, head, name, colour, stored))
    except MemoryError:
        raise BlurError(f"{name}: {TOO_LARGE}") from None


def _decode_jpeg(data: Pixels, name: str, long_side: int, colour: bool, stored: bool) -> Decoded:
    """Decode a JPEG, or what is left of it."""
    frame = headers.jpeg_frame(data)
    data, size = headers.without_zeros(data, frame), frame.size
    cell = 1 if colour else headers.reduction(size, long_side)
    flag = cv2.IMREAD_COLOR_RGB if colour else headers.REDUCED.get(cell, cv2.IMREAD_GRAYSCALE)
    if stored:
        flag |= cv2.IMREAD_IGNORE_ORIENTATION
    pixels = size[0] * size[1]
    needed = (6 if colour else 2) * pixels // cell**2
    if frame.progressive:  # all coefficients are kept in memory
        needed += 3 * pixels
    with _room(needed):
        image = _imdecode(data, flag, name)
    if image is not None:
        upright = image.shape[1] == -(-size[0] // cell)
        photo = (size if upright else size[::-1]) if size[0] else None
        return Decoded(from_array(image, colour), cell, photo)
    with _room(4 * pixels):
        part = headers.whole_rows(data)
    if part is None:
        return Decoded(_decode_with_pillow(data, name, colour, stored))
    share = int(100 * part.share)
    require(share >= 50, f"{name}: is cut off: only {share} % of it is whole; copy it again")
    seen = _decode_jpeg(part.data, name, long_side, colour, stored)
    photo = size if seen.photo == headers.jpeg_frame(part.data).size else size[::-1]  # turned
    return seen._replace(photo=photo, note=f"cut off: judged by the first {share} % of it")


def _decode_other(data: Pixels, head: bytes, name: str, colour: bool, stored: bool) -> Pixels:
    """Decode a file that is not a JPEG."""
    kind = headers.brand(head)
    if headers.is_jxl(head):
        _extra("pillow_jxl", name, "jxl")
        return _decode_with_pillow(data, name, colour, stored, "JXL")
    flags = cv2.IMREAD_IGNORE_ORIENTATION if stored or kind == "avif" else 0
    image = None if stored or not _odd(head) else _decode_odd(data, name, flags)
    if image is None:
        flag = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
        image = _imdecode(data, flag | flags, name)
    if image is None:
        return _decode_with_pillow(data, name, colour, stored)
    pixels = from_array(image, colour)
    return headers.turned_by_boxes(pixels, head) if kind == "avif" and not stored else pixels


def _decode_with_pillow(
    data: Pixels, name: str, colour: bool, stored: bool, *formats: str
) -> Pixels:
    """Decode what OpenCV cannot, where Pillow is installed."""
    problem = BlurError(f"{name}: is not an image that OpenCV can decode, or is damaged")
    try:
        from PIL import Image
    except ImportError:
        raise problem from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pictures that are merely large
            image = Image.open(BytesIO(data.tobytes()), formats=formats or _PILLOW)
            # Pillow's JPEG XL is turned already, unless it was made of a JPEG.
            return _from_pil(image, colour, not stored and getattr(image, "jpeg", True))
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise BlurError(f"{name}: {_TOO_MANY}") from None
    except Exception:  # each format of Pillow's raises its own
        raise problem from None


def _extra(module: str, name: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        line = f"{name}: {extra.upper()} needs an extra: pip install 'blur-fusion[{extra}]'"
        raise BlurError(line) from None


def _decode_heic(data: bytes, name: str, colour: bool) -> Decoded:
    """Decode the main picture, oriented."""
    pillow_heif = _extra("pillow_heif", name, "heic")
    try:
        array = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
    except MemoryError:
        raise
    except Exception:  # of many types
        raise BlurError(f"{name}: is not a HEIC picture, or is damaged") from None
    return _in_colour(array, colour)


def _preview(raw: Any, rawpy: Any, long_side: int, colour: bool) -> Decoded | None:
    """The embedded JPEG, if it is at least as large as the working image."""
    try:
        found = raw.extract_thumb()
        require(found.format == rawpy.ThumbFormat.JPEG, "not a JPEG")
        seen = decode(bytes(found.data), "preview", long_side, colour)
    except (rawpy.LibRawError, ValueError, BlurError):
        return None
    large = max(seen.pixels.shape[:2]) * seen.cell >= long_side
    return seen if large and seen.note is None else None


def _decode_raw(path: Path, long_side: int, colour: bool) -> Decoded:
    """Decode the embedded preview, or else develop the file."""
    rawpy = _extra("rawpy", str(path), "raw")
    read_bytes(path, 1)  # gives a reason if it fails; LibRaw reads what it needs
    try:
        with rawpy.imread(str(path)) as raw:
            photo = raw.sizes.iwidth, raw.sizes.iheight
            if raw.sizes.flip in (5, 6):  # LibRaw's sizes are from before rotation
                photo = photo[::-1]
            seen = _preview(raw, rawpy, long_side, colour)
            if seen is None:  # half the size needs no demosaicing
                half = max(photo) >= 2 * long_side
                array = raw.postprocess(half_size=half, use_camera_wb=True)
                seen = _in_colour(array, colour)
    except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError):
        raise MemoryError from None
    except (rawpy.LibRawError, OSError):
        raise BlurError(f"{path}: is not a RAW file that LibRaw can read, or is damaged") from None
    pixels = seen.pixels
    if (pixels.shape[1] > pixels.shape[0]) != (photo[0] > photo[1]):
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
    return seen._replace(pixels=pixels, photo=photo)
