"""What a detector judges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Picture:
    """A working image with what its verdict repeats.

    Attributes
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey, from `open_working` with the detector's `long_side`.
    path : str
    size : tuple of int
        Width and height of the photo it was made from, in pixels.
    """

    working: npt.NDArray[np.uint8]
    path: str
    size: tuple[int, int]
