"""A photo, decoded when first asked for, and the working images that models see."""

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
from blur_fusion.images.resize import area_average, average_cells, pillow_nearest, shrunk

EDGE = 0.09  # of height and width, cut at every side; captions are rarely taller
SMALLEST = 512  # pixels of the long side that remain

_WHOLE = 1_000_000  # longer than any photo, so nothing is shrunk on opening
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

    `resampling` is "area"; for squares also OpenCV's "nearest" and "bilinear", and "pillow":
    Pillow's NEAREST on the file as stored, ignoring EXIF orientation.
    """

    side: int  # largest height or width in pixels, never enlarged; of a square, its side
    square: bool = False  # resize to `side` x `side` whatever the aspect ratio
    colour: bool = False  # RGB instead of grey (ITU-R BT.601 luma)
    resampling: str = "area"

    def __post_init__(self) -> None:
        known = (*_SQUARES, PILLOW) if self.square else ("area",)
        require(
            self.resampling in known and self.side >= 1,
            f"input: side {self.side}, resampling '{self.resampling}'; known: {', '.join(known)}",
        )


def center_crop(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view of `image` (h, w) without its edge, which is not judged.

    All of it where its long side is at most `SMALLEST`.
    """
    longest = max(image.shape)
    share = min(EDGE, max(0.0, (longest - SMALLEST) / (2 * longest)))
    top, left = (int(share * extent) for extent in image.shape)
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _sort(source: Any) -> str:
    """One of "path", "bytes", "array" and "image"; empty for anything else."""
    pillow = sys.modules.get("PIL.Image")  # imported if there is such an image
    if pillow is not None and isinstance(source, pillow.Image):
        return "image"
    return next((sort for kind, sort in _SORTS if isinstance(source, kind)), "")


class Photo:
    """One picture; each form of it is decoded once, and what is computed from it is kept.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        An image file or its content; (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, uint16 or
        floats 0..1. One deep channel is stretched by percentiles; transparency lies over white.
    path : str, optional
        Its name; by default the path, or "array", "bytes" or "image".
    thumbnail : int
        Side of the thumbnail to keep, if decoding gives colours anyway.

    Attributes
    ----------
    size : tuple of int
        Width and height at full size, oriented by EXIF; (0, 0) until an image was asked for.
    note : str, optional
        One line, where the file holds only part of the picture.
    small : ndarray of uint8, shape (h, w, 3), optional
        The thumbnail, RGB.

    Raises
    ------
    TypeError
        `source` is not a picture.

    Examples
    --------
    >>> import numpy as np
    >>> photo = Photo(np.zeros((300, 400, 3), np.uint8))
    >>> photo.image(InputSpec(200)).shape, photo.size
    ((150, 200), (400, 300))
    """

    def __init__(self, source: Source, path: str | None = None, thumbnail: int = 0) -> None:
        sort = _sort(source)
        if not sort:
            raise TypeError(
                f"{type(source).__name__} is not a picture: give a path, the bytes of a file, an "
                "array, a PIL image, or an iterable of them"
            )
        self.path = path or (os.fspath(source) if sort == "path" else sort)
        self.size = (0, 0)
        self.note: str | None = None
        self.small: Pixels | None = None
        self._source, self._side = source, thumbnail
        self._kept: dict[Hashable, Any] = {}

    def image(self, spec: InputSpec) -> Pixels:
        """The picture as `spec` says: uint8, (h, w) or (h, w, 3), not to be written to.

        BlurError if the file is missing, empty or not an image, or the array has another type or
        shape.
        """
        return self.remember(spec, lambda: self._made(spec))

    def remember(self, key: Hashable, compute: Callable[[], Computed]) -> Computed:
        """What `compute` returned when first called for this key."""
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
        if self._side and seen.colours is not None:
            self.small = shrunk(seen.colours, self._side)
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

    Raises TypeError for anything else.
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
    """What every model sees of a file or array, shape (h, w) or (h, w, 3): see :meth:`Photo.image`.

    At most `long_side` pixels, by area averaging, and never enlarged, which would make sharp photos
    look blurred. A grey JPEG of at least 4 times `long_side` is decoded at reduced scale, which
    changes the Laplacian variance by a few hundredths.
    """
    return Photo(source).image(InputSpec(long_side, colour=colour))
