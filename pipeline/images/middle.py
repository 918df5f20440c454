"""The part of a working image that is judged: all but its outer edge.

What lies there is often no part of the photo (captions, date stamps, frames) or says little of its
focus (soft corners of lenses), and people put what they photograph further inside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
