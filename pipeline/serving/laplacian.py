"""The classical focus measure that verdicts state beside the probability."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.native import library


def laplacian_variance(image: npt.NDArray[np.uint8]) -> float:
    """Variance of the four-neighbour Laplacian of a grey image, squared grey levels.

    As `cv2.Laplacian(image, cv2.CV_64F).var()`; its values are whole, so their sums are exact.
    """
    total, squares = _sums(np.ascontiguousarray(image))
    return squares / image.size - (total / image.size) ** 2


def _sums(image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Sum and sum of squares of the Laplacian."""
    compiled = library()
    height, width = image.shape
    if compiled is None or min(height, width) < 2:
        edges = cv2.Laplacian(image, cv2.CV_16S)
        # Ten times as fast as cv2.meanStdDev; the norm comes from its own square root.
        return round(cv2.sumElems(edges)[0]), round(cv2.norm(edges, cv2.NORM_L2SQR))
    found = np.empty(2, np.int64)
    compiled.blur_laplacian(image.ctypes.data, width, height, width, found.ctypes.data)
    return int(found[0]), int(found[1])
