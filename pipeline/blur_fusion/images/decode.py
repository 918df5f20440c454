"""Files and arrays as 8-bit grey or RGB pictures; JPEGs at the scale that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.images.formats import RAW

Pixels = npt.NDArray[np.uint8]

_SAMPLE = 1 << 20  # pixels that percentiles are taken from
_PERCENTILES = (0.1, 99.9)


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


def from_array(array: npt.NDArray[np.generic], colour: bool) -> Pixels:
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
    eight = np.ascontiguousarray(_eight_bits(pixels))
    if eight.ndim == 2:
        return np.repeat(eight[:, :, None], 3, axis=2) if colour else eight
    rgb = over_white(eight) if eight.shape[2] == 4 else eight
    return rgb if colour else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _eight_bits(pixels: npt.NDArray[Any]) -> Pixels:
    kind, octets = pixels.dtype.kind, pixels.dtype.itemsize  # whichever the order of its octets
    if (kind, octets) == ("u", 2):
        return (pixels >> 8).astype(np.uint8) if pixels.ndim == 3 else stretched(pixels)
    if kind == "f":
        within = bool(pixels.min() >= 0 and pixels.max() <= 1)  # refuses NaN, too
        require(within, f"array of {pixels.dtype}: floats must lie within 0..1")
        return np.rint(pixels * 255).astype(np.uint8)
    require(
        (kind, octets) == ("u", 1), f"array of {pixels.dtype}: give uint8, uint16 or floats 0..1"
    )
    return pixels


def from_source(source: Any, colour: bool) -> Decoded:
    """An array or a PIL image, oriented by EXIF, as 8-bit grey or RGB."""
    if isinstance(source, np.ndarray):
        return whole(from_array(source, colour))
    from PIL import ImageOps

    image = ImageOps.exif_transpose(source)
    if image.mode in ("F", "I"):  # one deep channel, in units of its own
        return whole(from_array(stretched(np.asarray(image)), colour))
    if image.mode not in ("L", "RGB", "RGBA", "I;16", "I;16B"):
        clear = "A" in image.getbands() or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
    return whole(from_array(np.asarray(image), colour))


Octets = bytes | npt.NDArray[np.uint8]

# Frame headers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset(range(0xD0, 0xD8)) | {0x01}  # markers without a length

# What is left must be this much larger than the working image. Measured on 85 real JPEGs of 6 to
# 20 MP at 768 px with the shipped model: from 3.0 on the probability moves by at most .017, below
# by up to .05 (no verdict turned).
MARGIN = 3.0

GREY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def _number(data: Octets, place: int) -> int:
    """Two octets, the larger first."""
    return int(data[place]) << 8 | int(data[place + 1])


def jpeg_size(data: Octets) -> tuple[int, int] | None:
    """Width and height as stored, before EXIF turns them; None where `data` is no JPEG.

    Parameters
    ----------
    data : bytes, or ndarray of uint8
        The file, or its beginning up to the frame header.
    """
    if len(data) < 2 or data[0] != 0xFF or data[1] != 0xD8:
        return None
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            height, width = _number(data, place + 5), _number(data, place + 7)
            return (width, height) if width and height else None
        else:
            place += 2 + _number(data, place + 2)
    return None


def reduction(size: tuple[int, int], long_side: int) -> int:
    """Largest of 8, 4, 2, 1 that divides both sides and leaves `MARGIN` times the working image.

    Cameras' sides are whole multiples. A cell that stuck out would shift what EXIF turns.
    """
    fits = (factor for factor in (8, 4, 2) if max(size) >= factor * MARGIN * long_side)
    return next((factor for factor in fits if not size[0] % factor and not size[1] % factor), 1)


_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Decoded:
    """A picture whose pixels are means over `cell` x `cell` pixels of the file's.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w) or (h, w, 3)
        Oriented by EXIF.
    cell : int
        1 at full size; 2, 4 or 8 at reduced scale.
    width, height : int
        Of the picture that was decoded, oriented, at full size.
    photo : tuple of int, optional
        Width and height of the photo where something smaller was decoded: a RAW file's preview.
    """

    pixels: Pixels
    cell: int
    width: int
    height: int
    photo: tuple[int, int] | None = None


def whole(pixels: Pixels) -> Decoded:
    """A picture at full size."""
    return Decoded(pixels, 1, pixels.shape[1], pixels.shape[0])


def read_bytes(path: Path) -> npt.NDArray[np.uint8]:
    """Content of a file; cv2.imread fails silently, and on odd names."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    require(data.size > 0, f"{path}: is an empty file")
    return data


def _imdecode(data: Pixels, flag: int, path: Path) -> npt.NDArray[np.generic]:
    """Let OpenCV decode; whatever it dislikes is one line."""
    try:
        image = cv2.imdecode(data, flag)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # CV_IO_MAX_IMAGE_PIXELS, _WIDTH and _HEIGHT
            raise BlurError(f"{path}: has more than 2^30 pixels; make it smaller first") from None
        image = None
    if image is None:
        raise BlurError(f"{path}: is no image that OpenCV can decode, or is damaged")
    return np.asarray(image)


def _odd(head: bytes) -> bool:
    """Whether a picture may hold alpha or one deep channel, which OpenCV drops or darkens."""
    if head[:8] == _PNG:  # bit depth, colour type: 0 grey, 3 palette (may be clear), 4 and 6 alpha
        return head[25] in (4, 6) or (head[24] == 16 and head[25] == 0) or b"tRNS" in head
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 0x10) or head[12:16] == b"VP8L"
    return head[:3] != b"\xff\xd8\xff"


def _decode_odd(data: Pixels, path: Path) -> npt.NDArray[np.generic] | None:
    """The picture with all its channels; None where it turns out to be plain."""
    image = _imdecode(data, cv2.IMREAD_UNCHANGED, path)
    if image.ndim == 2 and image.dtype != np.uint8:
        # Decoded again, because only this honours EXIF; not every format then keeps its depth.
        deep = _imdecode(data, cv2.IMREAD_ANYDEPTH, path) if image.dtype == np.uint16 else image
        return stretched(deep if deep.ndim == 2 else image)
    if image.ndim == 3 and image.shape[2] == 4 and image.dtype in (np.uint8, np.uint16):
        return np.asarray(image[:, :, [2, 1, 0, 3]])
    return None


def decode_data(data: Pixels, path: Path, long_side: int, colour: bool = False) -> Decoded:
    """Decode the content of a file that OpenCV knows; see :func:`decode`."""
    head = data[:4096].tobytes()
    if _odd(head) and (special := _decode_odd(data, path)) is not None:
        return whole(from_array(special, colour))
    size = None if colour else jpeg_size(data)
    cell = reduction(size, long_side) if size else 1
    if size is None or cell == 1:
        flag = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
        return whole(np.asarray(_imdecode(data, flag, path), dtype=np.uint8))
    pixels = np.asarray(_imdecode(data, GREY[cell], path), dtype=np.uint8)
    return Decoded(pixels, cell, pixels.shape[1] * cell, pixels.shape[0] * cell)


def decode(path: Path, long_side: int, colour: bool = False) -> Decoded:
    """Read a file oriented by EXIF, as 8-bit grey or RGB.

    Grey JPEGs that are large enough are decoded at reduced scale (see `blur_fusion.images.decode`).
    HEIC and RAW need extras.

    Raises
    ------
    BlurError
        The file is missing, empty, damaged, too large or no image, or its extra is not installed.
    """
    if path.suffix.lower() in RAW:
        return decode_raw(path, long_side, colour)
    return decode_content(read_bytes(path), path, long_side, colour)


def decode_content(data: Pixels, path: Path, long_side: int, colour: bool = False) -> Decoded:
    """Decode the content of a file of any sort but RAW; see :func:`decode`."""
    if data[4:8].tobytes() == b"ftyp" and data[8:12].tobytes() in _HEIC_BRANDS:
        return decode_heic(data.tobytes(), path, colour)
    return decode_data(data, path, long_side, colour)


def decode_stored(path: Path, long_side: int, colour: bool) -> Decoded:
    """Decode a file in 8-bit RGB as it is stored: not turned, transparency left out of account."""
    data = read_bytes(path)
    try:
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        return whole(np.asarray(_imdecode(data, flags, path), dtype=np.uint8))
    except BlurError:  # HEIC and RAW, which OpenCV does not know
        return decode(path, long_side, colour)


def decode_heic(data: bytes, path: Path, colour: bool) -> Decoded:
    """Decode the main picture, turned as the file says.

    Raises
    ------
    BlurError
        The extra is not installed, or the file is damaged.
    """
    try:
        import pillow_heif
    except ImportError:
        raise BlurError(f"{path}: HEIC needs an extra: pip install 'blur-fusion[heic]'") from None
    try:
        array = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
    except (ValueError, RuntimeError, OSError, EOFError, SyntaxError):
        raise BlurError(f"{path}: is no HEIC picture, or is damaged") from None
    return whole(from_array(array, colour))


def _preview(raw: Any, rawpy: Any, path: Path, long_side: int, colour: bool) -> Decoded | None:
    """The embedded JPEG, where it is at least as large as the working image."""
    try:
        found = raw.extract_thumb()
    except (rawpy.LibRawError, ValueError):
        return None
    if found.format != rawpy.ThumbFormat.JPEG:
        return None
    try:
        seen = decode_data(np.frombuffer(found.data, np.uint8), path, long_side, colour)
    except BlurError:
        return None
    return seen if max(seen.width, seen.height) >= long_side else None


def _developed(raw: Any, long_side: int, colour: bool) -> Decoded:
    """Developed at half size, which needs no demosaicing, or in full where that is too small."""
    half = max(raw.sizes.iwidth, raw.sizes.iheight) >= 2 * long_side
    return whole(from_array(raw.postprocess(half_size=half, use_camera_wb=True), colour))


def decode_raw(path: Path, long_side: int, colour: bool) -> Decoded:
    """Decode the camera's own preview, else develop the file.

    Raises
    ------
    BlurError
        The extra is not installed, or the file is missing or damaged.
    """
    try:
        import rawpy
    except ImportError:
        raise BlurError(f"{path}: RAW needs an extra: pip install 'blur-fusion[raw]'") from None
    read_bytes(path)  # says why where it cannot
    try:
        with rawpy.imread(str(path)) as raw:
            width, height = raw.sizes.iwidth, raw.sizes.iheight
            if raw.sizes.flip in (5, 6):  # LibRaw's sizes are those before it turns the picture
                width, height = height, width
            seen = _preview(raw, rawpy, path, long_side, colour) or _developed(
                raw, long_side, colour
            )
    except (rawpy.LibRawError, OSError):
        raise BlurError(f"{path}: is no RAW file that LibRaw can read, or is damaged") from None
    photo = width, height
    if (seen.width > seen.height) == (width > height):
        return Decoded(seen.pixels, seen.cell, seen.width, seen.height, photo)
    turned = np.asarray(cv2.rotate(seen.pixels, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
    return Decoded(turned, seen.cell, seen.height, seen.width, photo)
