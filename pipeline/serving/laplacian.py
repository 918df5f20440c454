"""The classical focus measure that verdicts state beside the probability."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def laplacian_variance(image: npt.NDArray[np.uint8]) -> float:
    """Variance of the four-neighbour Laplacian of a grey image, squared grey levels.

    As `cv2.Laplacian(image, cv2.CV_64F).var()`; its values are whole, so 16 bits hold them.
    """
    edges = cv2.Laplacian(image, cv2.CV_16S)
    # Ten times as fast as cv2.meanStdDev.
    mean = float(cv2.sumElems(edges)[0]) / edges.size
    return float(cv2.norm(edges, cv2.NORM_L2SQR)) / edges.size - mean**2
