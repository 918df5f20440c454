"""Pictures as 8-bit grey or RGB, from arrays and files; JPEGs at the scale that is needed."""

from __future__ import annotations

import importlib
import os
import stat
from pathlib import Path
from struct import unpack_from
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.images.formats import RAW

Pixels = npt.NDArray[np.uint8]

_SAMPLE = 1 << 20  # pixels that percentiles are taken from
_PERCENTILES = (0.1, 99.9)


class Decoded(NamedTuple):
    """A picture whose pixels are means over `cell` x `cell` pixels of the file's.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w) or (h, w, 3)
        Oriented by EXIF.
    cell : int
        1 at full size; 2, 4 or 8 at reduced scale.
    photo : tuple of int, optional
        Width and height of the photo where something smaller was decoded: a RAW file's preview.
    note : str, optional
        One line, where the file holds less than the whole picture.
    """

    pixels: Pixels
    cell: int = 1
    photo: tuple[int, int] | None = None
    note: str | None = None


def stretched(pixels: npt.NDArray[np.generic]) -> Pixels:
    """One deep channel, stretched between its percentiles .1 and 99.9 to 8 bits.

    Scanners, microscopes and depth maps use a part of the 16 bits; a shift would leave them black.
    """
    flat = pixels.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _PERCENTILES) if sample.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint((values - low) * scale), 0, 255).astype(np.uint8)


def over_white(pixels: Pixels) -> Pixels:
    """Lay (H, W, 4) over white, which is what viewers and paper show.

    The colours below transparent pixels are whatever the editor left there, often hard edges that
    nobody sees; they are not judged.
    """
    alpha = pixels[:, :, 3:]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    share = alpha.astype(np.float32) / 255
    mixed = pixels[:, :, :3].astype(np.float32) * share + 255 * (1 - share)
    return np.rint(mixed).astype(np.uint8)


def from_array(array: npt.NDArray[Any], colour: bool) -> Pixels:
    """A grey, RGB or RGBA array of 8 or 16 bits or of floats 0..1, as 8-bit grey or RGB.

    Raises
    ------
    BlurError
        Another type or shape.
    """
    pixels = np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    shape = f"array of shape {pixels.shape}: give (H, W) or (H, W, 3 or 4)"
    require(known and pixels.size > 0, shape)
    kind, octets = pixels.dtype.kind, pixels.dtype.itemsize  # in whichever order these are
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


def _from_pil(image: Any, colour: bool) -> Pixels:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "I"):  # one deep channel, in units of its own
        return from_array(stretched(np.asarray(image)), colour)
    if image.mode not in ("L", "RGB", "RGBA", "I;16", "I;16B"):
        clear = "A" in image.getbands() or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
    return from_array(np.asarray(image), colour)


# Frame headers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}
_BARE = frozenset(range(0xFFD0, 0xFFD8)) | {0xFF01}  # markers without a length

# What is left must be this much larger than the working image. Measured on 85 real JPEGs of 6 to
# 20 MP at 768 px with the shipped model: from 3.0 on the probability moves by at most .017, below
# by up to .05 (no verdict turned).
MARGIN = 3.0

_REDUCED = {n: getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{n}") for n in (8, 4, 2)}


def jpeg_size(data: bytes | Pixels) -> tuple[int, int] | None:
    """Width and height as stored, before EXIF turns them; None where `data` is no JPEG.

    Parameters
    ----------
    data : bytes, or ndarray of uint8
        The file, or its beginning up to the frame header.
    """
    view: Any = data  # whose type mypy does not know as a buffer
    if len(data) < 2 or unpack_from(">H", view) != (0xFFD8,):
        return None
    place = 2
    while place + 9 <= len(data):
        marker, length = unpack_from(">HH", view, place)
        if marker == 0xFFFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            height, width = unpack_from(">HH", view, place + 5)
            return (width, height) if width and height else None
        elif marker < 0xFF00:
            return None
        else:
            place += 2 + length
    return None


def reduction(size: tuple[int, int], long_side: int) -> int:
    """Largest of 8, 4, 2, 1 that divides both sides and leaves `MARGIN` times the working image.

    Cameras' sides are whole multiples. A cell that stuck out would shift what EXIF turns.
    """
    fits = (factor for factor in _REDUCED if max(size) >= factor * MARGIN * long_side)
    return next((factor for factor in fits if not size[0] % factor and not size[1] % factor), 1)


_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG = b"\x89PNG\r\n\x1a\n"


def read_bytes(path: Path) -> Pixels:
    """Content of a file; cv2.imread fails silently, and on odd names."""
    try:
        mode = path.stat().st_mode
        ordinary = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        require(ordinary, f"{path}: is neither a file nor a folder")  # a pipe may never end
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    require(data.size > 0, f"{path}: is an empty file")
    return data


def _imdecode(data: Pixels, flag: int, name: str) -> npt.NDArray[Any]:
    """Let OpenCV decode; whatever it dislikes is one line."""
    try:
        image = cv2.imdecode(data, flag)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # CV_IO_MAX_IMAGE_PIXELS, _WIDTH and _HEIGHT
            raise BlurError(f"{name}: has more than 2^30 pixels; make it smaller first") from None
        image = None
    if image is None:
        raise BlurError(f"{name}: is no image that OpenCV can decode, or is damaged")
    return np.asarray(image)


def _odd(head: bytes) -> bool:
    """Whether a picture may hold alpha or one deep channel, which OpenCV drops or darkens."""
    if head[:8] == _PNG:  # bit depth, colour type: 0 grey, 3 palette (may be clear), 4 and 6 alpha
        return head[25] in (4, 6) or (head[24] == 16 and head[25] == 0) or b"tRNS" in head
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 0x10) or head[12:16] == b"VP8L"
    return head[:3] != b"\xff\xd8\xff"


def _decode_odd(data: Pixels, name: str) -> npt.NDArray[Any] | None:
    """The picture with all its channels; None where it turns out to be plain."""
    image = _imdecode(data, cv2.IMREAD_UNCHANGED, name)
    if image.ndim == 2 and image.dtype != np.uint8:
        # Decoded again, because only this honours EXIF; not every format then keeps its depth.
        deep = _imdecode(data, cv2.IMREAD_ANYDEPTH, name) if image.dtype == np.uint16 else image
        return stretched(deep if deep.ndim == 2 else image)
    if image.ndim == 3 and image.shape[2] == 4 and image.dtype in (np.uint8, np.uint16):
        return image[:, :, [2, 1, 0, 3]]
    return None


def decode(
    source: Any, name: str, long_side: int, colour: bool = False, stored: bool = False
) -> Decoded:
    """A picture oriented by EXIF, as 8-bit grey or RGB.

    Grey JPEGs that are large enough are decoded at reduced scale. HEIC and RAW need extras.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
    name : str
        What messages call it.
    long_side : int
        Of the working image, in pixels.
    colour : bool
    stored : bool
        Files as they are stored: not turned, transparency left out of account.

    Raises
    ------
    BlurError
        The file is missing, empty, damaged, too large or no image, or its extra is not installed;
        the array has another type or shape.
    """
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
    head = data[:4096].tobytes()
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return _decode_heic(data.tobytes(), name, colour)
    if not stored and _odd(head) and (special := _decode_odd(data, name)) is not None:
        return Decoded(from_array(special, colour))
    size = None if colour else jpeg_size(data)
    cell = reduction(size, long_side) if size else 1
    plain = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
    flag = _REDUCED.get(cell, plain)
    if stored:
        flag |= cv2.IMREAD_IGNORE_ORIENTATION
    return Decoded(_imdecode(data, flag, name), cell)


def _extra(module: str, name: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        line = f"{name}: {extra.upper()} needs an extra: pip install 'blur-fusion[{extra}]'"
        raise BlurError(line) from None


def _decode_heic(data: bytes, name: str, colour: bool) -> Decoded:
    """Decode the main picture, turned as the file says."""
    pillow_heif = _extra("pillow_heif", name, "heic")
    try:
        array = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
    except (ValueError, RuntimeError, OSError, EOFError, SyntaxError):
        raise BlurError(f"{name}: is no HEIC picture, or is damaged") from None
    return Decoded(from_array(array, colour))


def _preview(raw: Any, rawpy: Any, long_side: int, colour: bool) -> Decoded | None:
    """The embedded JPEG, where it is at least as large as the working image."""
    try:
        found = raw.extract_thumb()
        require(found.format == rawpy.ThumbFormat.JPEG, "another preview")
        seen = decode(bytes(found.data), "preview", long_side, colour)
    except (rawpy.LibRawError, ValueError, BlurError):
        return None
    return seen if max(seen.pixels.shape[:2]) * seen.cell >= long_side else None


def _decode_raw(path: Path, long_side: int, colour: bool) -> Decoded:
    """Decode the camera's own preview, else develop the file."""
    rawpy = _extra("rawpy", str(path), "raw")
    read_bytes(path)  # says why where it cannot
    try:
        with rawpy.imread(str(path)) as raw:
            photo = raw.sizes.iwidth, raw.sizes.iheight
            if raw.sizes.flip in (5, 6):  # LibRaw's sizes are those before it turns the picture
                photo = photo[::-1]
            seen = _preview(raw, rawpy, long_side, colour)
            if seen is None:  # half the size needs no demosaicing
                half = max(photo) >= 2 * long_side
                array = raw.postprocess(half_size=half, use_camera_wb=True)
                seen = Decoded(from_array(array, colour))
    except (rawpy.LibRawError, OSError):
        raise BlurError(f"{path}: is no RAW file that LibRaw can read, or is damaged") from None
    pixels = seen.pixels
    if (pixels.shape[1] > pixels.shape[0]) != (photo[0] > photo[1]):
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
    return Decoded(pixels, seen.cell, photo)
