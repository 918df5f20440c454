"""Names of before, until all rooms import `blur_fusion.images.photo`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blur_fusion.images.photo import EDGE, SMALLEST, InputSpec, Photo, Source, working_image
from blur_fusion.images.photo import center_crop as middle

__all__ = ["EDGE", "SMALLEST", "Opened", "Source", "middle", "open_working", "working_image"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Opened:
    """A working image and the size of the picture it comes from."""

    pixels: Pixels
    width: int
    height: int


def open_working(source: Source, long_side: int, colour: bool = False) -> Opened:
    """`working_image` with the picture's size."""
    photo = Photo(source)
    pixels = photo.image(InputSpec(long_side, colour=colour))
    return Opened(pixels, *photo.size)
