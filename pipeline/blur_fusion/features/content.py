"""What a working image shows: where it is sharpest, how it is exposed, its Laplacian variance."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.features.tiles import SCALE, Plane
from blur_fusion.images.photo import center_crop
from blur_fusion.images.resize import SMALLEST_INPUT, pad_to
from blur_fusion.native.library import library

# Grey levels. Of rendered pictures without content (walls, clear skies, fogged lenses) a third lies
# below both; of 1,900 others three do: fog, and soft folds. An edge of 100 levels stays above the
# first up to a blur a third of the photo wide.
_SLOPE = 3.0  # from cell to cell, where it is steepest
_DETAIL = 14.0  # mean size of the Laplacian where it is largest: that of noise of 4 levels
_HALVINGS = 3  # from pixels to cells
_ROWS = 4  # every fourth row suffices for detail
_REACH = 2.0  # cells; standard deviation of one place, 2 % of a photo's long side

EXPOSURES = ("normal", "dark", "overexposed", "low-contrast")

# Grey levels. Of 81 real photos, many at night or in snow, they call 2 dark (one of the moon), 3
# low in contrast and none overexposed.
_DARK = 64  # 95 % of a dark photo's pixels are below
_CLIPPED, _LIGHT = 250, 170  # half of an overexposed one's are at least this, or 95 % at least that
_CONTRAST = 51  # from the 5th to the 95th percentile, a fifth of the range

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def _steepest(plane: Plane) -> float:
    """Slope from cell to cell, root mean square over 3 x 3 cells, where it is largest."""
    for _ in range(_HALVINGS):  # means of 2 x 2; an odd last row or column is left out
        height, width = (extent // 2 for extent in plane.shape)
        even = plane[: 2 * height, : 2 * width]
        half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        plane = np.asarray(half, np.int16)
    cells = plane.astype(np.float32)
    slopes = [
        cv2.Sobel(cells, cv2.CV_32F, across, 1 - across, ksize=1, scale=0.5 / SCALE)
        for across in (0, 1)
    ]
    return float(np.sqrt(cv2.blur(np.square(slopes).sum(axis=0), (3, 3)).max()))


def _detail(plane: Plane) -> Floats:
    """Mean size of the four-neighbour Laplacian around each cell."""
    above, rows, below = (plane[at : len(plane) - 2 + at : _ROWS] for at in range(3))
    bends = 4 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:] - above[:, 1:-1] - below[:, 1:-1]
    side = 2**_HALVINGS
    cells = plane.shape[1] // side, plane.shape[0] // side
    means = cv2.resize(np.abs(bends), cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(means.astype(np.float32) / SCALE, (9, 9), _REACH))


def sharpest_place(working: Pixels) -> tuple[float, float] | None:
    """Where the judged part of a working image (h, w) has the most detail: x and y, 0..1.

    None where there is nothing to judge: neither detail nor a slope that even the largest blur
    would leave, as with a lens cap, a wall or fog.

    >>> image = np.full((300, 400), 90, np.uint8)
    >>> sharpest_place(image)
    >>> image[50:70, 300:320:2] = 200
    >>> [round(place, 1) for place in sharpest_place(image)]
    [0.8, 0.2]
    """
    seen = center_crop(working)
    if min(seen.shape) < SMALLEST_INPUT:
        seen = pad_to(seen, SMALLEST_INPUT)
    plane = seen.astype(np.int16, order="C") * np.int16(SCALE)
    detail = _detail(plane)
    if detail.max() < _DETAIL and _steepest(plane) < _SLOPE:
        return None
    row, column = divmod(int(detail.argmax()), detail.shape[1])
    y, x = (
        ((whole - part) / 2 + (place + 0.5) * part / cells) / whole
        for whole, part, place, cells in zip(
            *(working.shape, seen.shape, (row, column), detail.shape), strict=True
        )
    )
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def exposure(working: Pixels) -> str:
    """One of `EXPOSURES` for a grey picture (h, w); "normal" if no other applies."""
    seen = np.ascontiguousarray(working[::4])  # every fourth row suffices
    histogram = cv2.calcHist([seen], [0], None, [256], [0, 256])
    below = np.cumsum(histogram.ravel()) / seen.size
    low, middle, high = (int(np.searchsorted(below, share)) for share in (0.05, 0.5, 0.95))
    if high < _DARK:
        return "dark"
    if middle >= _CLIPPED or low >= _LIGHT:
        return "overexposed"
    return "low-contrast" if high - low < _CONTRAST else "normal"


def laplacian_variance(image: Pixels) -> float:
    """Variance of the four-neighbour Laplacian of a grey image, squared grey levels.

    As `cv2.Laplacian(image, cv2.CV_64F).var()`; the Laplacian is integer, so its sums are exact.
    """
    image = np.ascontiguousarray(image)
    compiled = library()
    height, width = image.shape
    if compiled is None or min(height, width) < 2:
        edges = cv2.Laplacian(image, cv2.CV_16S)
        # Ten times as fast as cv2.meanStdDev; the norm comes from its own square root.
        total, squares = round(cv2.sumElems(edges)[0]), round(cv2.norm(edges, cv2.NORM_L2SQR))
    else:
        sums = np.empty(2, np.int64)
        compiled.blur_laplacian(image.ctypes.data, width, height, width, sums.ctypes.data)
        total, squares = int(sums[0]), int(sums[1])
    return squares / image.size - (total / image.size) ** 2
