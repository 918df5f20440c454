"""How a photo is exposed, from the histogram of its grey working image."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

EXPOSURES = ("normal", "dark", "overexposed", "low-contrast")

_ROWS = 4  # every fourth row will do

# Grey levels. Of 81 real photos, many at night or in snow, they call 2 dark (one of the moon), 3
# low in contrast and none overexposed.
_DARK = 64  # 95 % of a dark photo's pixels are below
_CLIPPED, _LIGHT = 250, 170  # half of an overexposed one's are at least this, or 95 % at least that
_CONTRAST = 51  # from the 5th to the 95th percentile, a fifth of the range

Pixels = npt.NDArray[np.uint8]


def exposure(working: Pixels) -> str:
    """One of `EXPOSURES`; where several hold, the first of them after "normal".

    Parameters
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey.
    """
    seen = np.ascontiguousarray(working[::_ROWS])
    histogram = cv2.calcHist([seen], [0], None, [256], [0, 256])
    below = np.cumsum(histogram.ravel()) / seen.size
    low, middle, high = (int(np.searchsorted(below, share)) for share in (0.05, 0.5, 0.95))
    if high < _DARK:
        return "dark"
    if middle >= _CLIPPED or low >= _LIGHT:
        return "overexposed"
    return "low-contrast" if high - low < _CONTRAST else "normal"
