"""Working images: what every model sees of a file or an array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.images.opened import Source, open_working

Pixels = npt.NDArray[np.uint8]


def working_image(source: Source, long_side: int, colour: bool = False) -> Pixels:
    """Pixels of :func:`pipeline.images.opened.open_working`, without the picture's own size.

    Returns
    -------
    ndarray of uint8, shape (h, w) or (h, w, 3)
    """
    return open_working(source, long_side, colour).pixels
