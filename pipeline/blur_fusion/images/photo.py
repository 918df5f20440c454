"""A photo, decoded when it is first asked for; working images are what every model sees."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.images.decode import decode, from_array
from blur_fusion.images.resize import area_average, average_cells, pillow_nearest

EDGE = 0.09  # of height and width, cut at every side; captions are rarely taller
SMALLEST = 512  # pixels of the long side that remain: a small picture has none to spare

_WHOLE = 1_000_000  # a long side that no photo reaches: nothing is shrunk on opening
_SQUARES = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,  # without antialiasing, as in Keras and plain cv2.resize
    "area": cv2.INTER_AREA,
}
PILLOW = "pillow"
_SORTS = ((str, "path"), (os.PathLike, "path"), (bytes, "bytes"), (np.ndarray, "array"))

Pixels = npt.NDArray[np.uint8]
Source = Any  # a path, the bytes of a file, an array or a PIL image
Computed = TypeVar("Computed")


@dataclass(frozen=True)
class InputSpec:
    """What a classifier wants to see of a photo.

    Attributes
    ----------
    side : int
        Largest height or width in pixels, nothing is enlarged; of a square, its side.
    square : bool
        Resized to `side` x `side` whatever its aspect.
    colour : bool
        RGB instead of grey (ITU-R BT.601 luma).
    resampling : str
        "area"; of a square also OpenCV's "nearest" or "bilinear", and "pillow": Pillow's NEAREST
        on the file as stored, without EXIF's turn.
    """

    side: int
    square: bool = False
    colour: bool = False
    resampling: str = "area"

    def __post_init__(self) -> None:
        known = (*_SQUARES, PILLOW) if self.square else ("area",)
        require(
            self.resampling in known and self.side >= 1,
            f"input: side {self.side}, resampling '{self.resampling}'; known: {', '.join(known)}",
        )


def center_crop(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`image` without the edge on which no verdict should rest.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        A working image, or values on one.

    Returns
    -------
    ndarray
        A view; the whole image where its long side is at most `SMALLEST`.
    """
    longest = max(image.shape)
    share = min(EDGE, max(0.0, (longest - SMALLEST) / (2 * longest)))
    top, left = (int(share * extent) for extent in image.shape)
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _sort(source: Any) -> str:
    """One of "path", "bytes", "array" and "image"; empty of what is no picture."""
    pillow = sys.modules.get("PIL.Image")  # whoever has such an image has imported it
    if pillow is not None and isinstance(source, pillow.Image):
        return "image"
    return next((sort for kind, sort in _SORTS if isinstance(source, kind)), "")


class Photo:
    """One picture; each form of it is decoded once, and what is computed from it kept beside it.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        An image file or its content; (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, uint16 or
        floats 0..1. One deep channel is stretched by percentiles; transparent pixels lie over
        white.
    path : str, optional
        What to call it; by default the path, or "array", "bytes" or "image".

    Attributes
    ----------
    path : str
    size : tuple of int
        Width and height at full size, oriented by EXIF; (0, 0) until an image was asked for.
    note : str, optional
        One line, where the file holds less than the whole picture.

    Raises
    ------
    TypeError
        `source` is no picture.

    Examples
    --------
    >>> import numpy as np
    >>> photo = Photo(np.zeros((300, 400, 3), np.uint8))
    >>> photo.image(InputSpec(200)).shape, photo.size
    ((150, 200), (400, 300))
    """

    def __init__(self, source: Source, path: str | None = None) -> None:
        sort = _sort(source)
        if not sort:
            raise TypeError(
                f"{type(source).__name__} is no picture: give a path, the bytes of a file, an "
                "array, a PIL image, or an iterable of them"
            )
        self.path = path or (os.fspath(source) if sort == "path" else sort)
        self.size = (0, 0)
        self.note: str | None = None
        self._source = source
        self._kept: dict[Hashable, Any] = {}

    def image(self, spec: InputSpec) -> Pixels:
        """The picture as `spec` says; not to be written to.

        Returns
        -------
        ndarray of uint8, shape (h, w) or (h, w, 3)

        Raises
        ------
        BlurError
            The file is missing, empty or no image; the array has another type or shape.
        """
        return self.remember(spec, lambda: self._made(spec))

    def remember(self, key: Hashable, compute: Callable[[], Computed]) -> Computed:
        """What `compute` gave when it was first asked for under this key."""
        if key not in self._kept:
            self._kept[key] = compute()
        found: Computed = self._kept[key]
        return found

    def _made(self, spec: InputSpec) -> Pixels:
        pillow = spec.resampling == PILLOW
        reach = _WHOLE if spec.square else spec.side
        seen = decode(self._source, self.path, reach, spec.colour or pillow, stored=pillow)
        height, width = (extent * seen.cell for extent in seen.pixels.shape[:2])
        self.size, self.note = seen.photo or (width, height), seen.note
        if seen.cell > 1 and not seen.note:
            width, height = self.size
        if pillow:
            small = pillow_nearest(seen.pixels, spec.side)
            return small if spec.colour else from_array(small, colour=False)
        if spec.square:
            interpolation = _SQUARES[spec.resampling]
            resized = cv2.resize(seen.pixels, (spec.side, spec.side), interpolation=interpolation)
            return np.asarray(resized, dtype=np.uint8)
        scale = spec.side / max(self.size if seen.note else (width, height))
        if scale >= 1:
            return seen.pixels
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if seen.cell > 1:
            return average_cells(seen.pixels, seen.cell, size)
        return area_average(seen.pixels, size)


def as_photos(sources: Any) -> Iterator[Photo]:
    """Photos of one source, or of an iterable of sources and photos; an array is one picture.

    Raises
    ------
    TypeError
        One of them is no picture.
    """
    alone = isinstance(sources, Photo) or bool(_sort(sources))
    if not alone and (not isinstance(sources, Iterable) or hasattr(sources, "read")):
        sources = [sources]  # which is refused
    for number, source in enumerate([sources] if alone else sources):
        if isinstance(source, Photo):
            yield source
        else:
            sort = _sort(source)
            yield Photo(source, None if sort == "path" else f"{sort} {number}")


def working_image(source: Source, long_side: int, colour: bool = False) -> Pixels:
    """Turn a file or an array into what every model sees.

    Files are oriented by EXIF; the picture is shrunk by area averaging to at most `long_side`
    pixels and never enlarged, because enlarging makes sharp look blurred. A grey JPEG of at least
    4 times `long_side` is decoded at reduced scale; the difference is a few hundredths of the
    Laplacian variance (see `blur_fusion.images.resize`).

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        See :class:`Photo`.
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
    return Photo(source).image(InputSpec(long_side, colour=colour))
