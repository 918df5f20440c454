"""Working images: the one way from a file or an array to what every model sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blur_fusion.images.decode import decode, from_array, whole
from blur_fusion.images.resize import area_average, average_cells

EDGE = 0.09  # of height and width, cut at every side; captions are rarely taller
SMALLEST = 512  # pixels of the long side that remain: a small picture has none to spare

Pixels = npt.NDArray[np.uint8]


def middle(image: Pixels) -> Pixels:
    """`image` without the edge on which no verdict should rest.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        A working image.

    Returns
    -------
    ndarray of uint8
        A view; the whole image where its long side is at most `SMALLEST`.
    """
    longest = max(image.shape)
    share = min(EDGE, max(0.0, (longest - SMALLEST) / (2 * longest)))
    top, left = (int(share * extent) for extent in image.shape)
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


Source = str | Path | npt.NDArray[np.generic]


@dataclass(frozen=True)
class Opened:
    """A working image and the size of the picture it comes from.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w) or (h, w, 3)
    width, height : int
        Of the picture, oriented, at full size.
    """

    pixels: Pixels
    width: int
    height: int


def open_working(source: Source, long_side: int, colour: bool = False) -> Opened:
    """Turn a file or an array into what every model sees.

    Files are oriented by EXIF; the picture is shrunk by area averaging to at most `long_side`
    pixels and never enlarged, because enlarging makes sharp look blurred. A grey JPEG of at least
    6 times `long_side` is decoded at reduced scale; the difference is a few hundredths of the
    Laplacian variance (see `blur_fusion.images.resize`).

    Parameters
    ----------
    source : path or array
        An image file, or (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8 or uint16. One deep
        channel is stretched by percentiles; transparent pixels lie over white.
    long_side : int
        Largest height or width of the result, in pixels.
    colour : bool
        RGB instead of grey (ITU-R BT.601 luma).

    Raises
    ------
    BlurError
        The file is missing, empty or no image; the array has another type or shape.
    """
    if isinstance(source, np.ndarray):
        seen = whole(from_array(source, colour))
    else:
        seen = decode(Path(source), long_side, colour)
    full = seen.width, seen.height
    scale = long_side / max(full)
    photo = seen.photo or full
    if scale >= 1:
        return Opened(seen.pixels, *photo)
    size = max(1, round(full[0] * scale)), max(1, round(full[1] * scale))
    if seen.cell > 1:
        return Opened(average_cells(seen.pixels, seen.cell, full, size), *photo)
    return Opened(area_average(seen.pixels, size), *photo)


def working_image(source: Source, long_side: int, colour: bool = False) -> Pixels:
    """Pixels of :func:`blur_fusion.images.working.open_working`, without the picture's own size.

    Returns
    -------
    ndarray of uint8, shape (h, w) or (h, w, 3)
    """
    return open_working(source, long_side, colour).pixels
