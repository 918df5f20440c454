"""The one way from a file or an array to what every model sees."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError, require
from pipeline.images.averaging import area_average

Pixels = npt.NDArray[np.uint8]


def _decode(path: Path, colour: bool) -> Pixels:
    """Read `path` oriented by EXIF, as 8-bit grey or RGB."""
    try:
        data = np.fromfile(path, dtype=np.uint8)  # cv2.imread fails silently, and on odd names
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None
    require(data.size > 0, f"{path}: is an empty file")
    flag = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
    try:
        image = cv2.imdecode(data, flag)
    except cv2.error:
        image = None
    if image is None:
        raise BlurError(f"{path}: is no image that OpenCV can decode, or is damaged")
    return np.asarray(image, dtype=np.uint8)


def _from_array(array: npt.NDArray[np.generic], colour: bool) -> Pixels:
    """An RGB, RGBA or grey array, 8 or 16 bits, as 8-bit grey or RGB."""
    pixels = np.asarray(array)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    require(pixels.dtype == np.uint8, f"array of {pixels.dtype}: give uint8 or uint16")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    grey = pixels.ndim == 2
    known = grey or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    shape = f"array of shape {pixels.shape}: give (H, W) or (H, W, 3 or 4)"
    require(known and pixels.size > 0, shape)
    if grey:
        return np.repeat(pixels[:, :, None], 3, axis=2) if colour else pixels
    rgb = np.ascontiguousarray(pixels[:, :, :3])
    return rgb if colour else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def working_image(
    source: str | Path | npt.NDArray[np.generic], long_side: int, colour: bool = False
) -> Pixels:
    """Turn a file or an array into what every model sees.

    Files are oriented by EXIF and decoded at full size; the picture is shrunk by area averaging to
    at most `long_side` pixels and never enlarged, because enlarging makes sharp look blurred.

    Parameters
    ----------
    source : path or array
        An image file, or (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8 or uint16.
    long_side : int
        Largest height or width of the result, in pixels.
    colour : bool
        RGB instead of grey (ITU-R BT.601 luma).

    Returns
    -------
    ndarray of uint8, shape (h, w) or (h, w, 3)

    Raises
    ------
    BlurError
        The file is missing, empty or no image; the array has another type or shape.
    """
    is_array = isinstance(source, np.ndarray)
    image = _from_array(source, colour) if is_array else _decode(Path(source), colour)  # type: ignore[arg-type]
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    return area_average(image, (max(1, round(width * scale)), max(1, round(height * scale))))
