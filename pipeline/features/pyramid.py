"""Pyramid of a grey image with the derivatives and energies that the focus measures share."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.features.planes import FALLING, HORIZONTAL, RISING, SCALE, VERTICAL, Plane, Scratch
from pipeline.features.spectrum import common_spectrum
from pipeline.features.tiles import Grid, Tiles, Tiling, lowest_tenth

SMALLEST = 16  # pixels; a smaller level is extended by its own mirror image
ROUNDING = 1 / 12  # variance of rounding to whole grey levels: no energy below it means anything
LARGEST_NOISE = 4.0  # grey levels; where all tiles hold fine texture, texture passes for noise
REBLUR_SIGMA = 1.0  # pixels


def _extended(plane: Plane) -> Plane:
    """`plane`, mirrored to at least `SMALLEST` pixels and to even height and width."""
    height, width = plane.shape
    below = max(SMALLEST, height + height % 2) - height
    beside = max(SMALLEST, width + width % 2) - width
    if not below and not beside:
        return plane
    extended = cv2.copyMakeBorder(plane, 0, below, 0, beside, cv2.BORDER_REFLECT)
    return np.asarray(extended, dtype=np.int16)


class Level:
    """One level: planes, and energies (mean squares in each tile), each made when first asked for.

    Energies are in squared grey levels and still hold noise.
    """

    def __init__(self, plane: Plane, number: int, tiling: Tiling) -> None:
        self.plane = _extended(plane)
        self.number = number
        self.tiling = tiling
        self.scratch = tiling.scratch
        self.rounding = ROUNDING / 4**number

    def _name(self, name: str) -> str:
        return f"{name}{self.number}"  # two small levels may have one shape

    @cached_property
    def horizontal(self) -> Plane:
        """g(x + 1) - g(x - 1)."""
        return self.scratch.difference(self.plane, HORIZONTAL, self._name("horizontal"))

    @cached_property
    def vertical(self) -> Plane:
        """g(y + 1) - g(y - 1)."""
        return self.scratch.difference(self.plane, VERTICAL, self._name("vertical"))

    @cached_property
    def bent(self) -> tuple[Plane, Plane]:
        """Horizontal and vertical second differences."""
        across = self.scratch.curvature(self.plane, HORIZONTAL, self._name("across"))
        return across, self.scratch.curvature(self.plane, VERTICAL, self._name("down"))

    @cached_property
    def laplacian(self) -> Plane:
        """Four-neighbour Laplacian."""
        return self.scratch.add(*self.bent, self._name("laplacian"))

    @cached_property
    def straight_slopes(self) -> tuple[Tiles, Tiles]:
        """Energies of the central differences along 0 and 90 degrees."""
        return self.tiling.energy(self.horizontal), self.tiling.energy(self.vertical)

    @cached_property
    def slopes(self) -> Tiles:
        """Energies of the central differences along 0, 90, 45 and 135 degrees, (4, tiles)."""
        energies = list(self.straight_slopes)
        for step in (FALLING, RISING):
            energies.append(self.tiling.energy(self.scratch.difference(self.plane, step)))
        return np.array(energies)

    @cached_property
    def bends(self) -> Tiles:
        """Energies of the second differences along 0, 90, 45 and 135 degrees, (4, tiles)."""
        energies = [self.tiling.energy(plane) for plane in self.bent]
        for step in (FALLING, RISING):
            energies.append(self.tiling.energy(self.scratch.curvature(self.plane, step)))
        return np.array(energies)

    @cached_property
    def gradient(self) -> Tiles:
        """Energy of the gradient: horizontal plus vertical."""
        return self.straight_slopes[0] + self.straight_slopes[1]

    @cached_property
    def laplacian_energy(self) -> Tiles:
        """Energy of the Laplacian."""
        return self.tiling.energy(self.laplacian)

    @cached_property
    def reblurred(self) -> tuple[Plane, Plane]:
        """Sizes of the central differences of this level, blurred once more by a Gaussian."""
        again = self.scratch.take("blurred", self.plane.shape)
        cv2.GaussianBlur(self.plane, (5, 5), REBLUR_SIGMA, dst=again)
        across = self.scratch.distance(again, HORIZONTAL, self._name("reblurred across"))
        return across, self.scratch.distance(again, VERTICAL, self._name("reblurred down"))

    @cached_property
    def common_spectrum(self) -> npt.NDArray[np.float32]:
        """Mean log power spectrum of its parts; see `pipeline.features.spectrum`."""
        return common_spectrum(self.plane, self.rounding, self.scratch)

    @cached_property
    def haar(self) -> Tiles:
        """Energy of the three Haar detail bands: mean square that one halving takes away."""
        even, odd = self.plane[0::2], self.plane[1::2]
        total = self.scratch.add(even, odd, "ahead")
        height, width = total.shape[0], total.shape[1] // 2
        columns = (
            self.scratch.take("left", (height, width)),
            self.scratch.take("right", (height, width)),
        )
        cv2.split(total.reshape(height, width, 2), columns)
        # Two of the bands share one plane: (a + b)^2 + (a - b)^2 = 2 (a^2 + b^2).
        first = self.tiling.energy(self.scratch.subtract(even, odd)) / 4
        return first + self.tiling.energy(self.scratch.subtract(*columns)) / 16


class Pyramid:
    """Levels 0 (the working image), 1 (half its size by area averaging), ...

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
    levels : int
        Levels to measure; one more is made, because bands are compared with their neighbour.
    tiles : int
        Tiles along the long side.
    scratch : Scratch, optional
        Memory to use; it must serve no other pyramid that is still in use.
    """

    def __init__(
        self, image: npt.NDArray[np.uint8], levels: int, tiles: int, scratch: Scratch | None = None
    ) -> None:
        self.image = image
        self.scratch = Scratch() if scratch is None else scratch
        self.scratch.begin(*image.shape)
        self.tiling = Tiling(Grid.over(image.shape[0], image.shape[1], tiles), self.scratch)
        plane = self.scratch.take("image", image.shape)
        np.copyto(plane, image)
        plane *= SCALE
        self.levels = [Level(plane, 0, self.tiling)]
        for number in range(1, levels + 1):
            last = self.levels[-1].plane
            half = self.scratch.take(f"level{number}", (last.shape[0] // 2, last.shape[1] // 2))
            cv2.resize(last, half.shape[::-1], dst=half, interpolation=cv2.INTER_AREA)
            self.levels.append(Level(half, number, self.tiling))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise, grey levels: that of the calmest tiles.

        Immerkaer, "Fast noise variance estimation", CVIU 64 (1996): the mean answer of a mask that
        is blind to edges and planes.
        """
        across = self.levels[0].bent[0]
        # Every other row will do.
        above, middle, below = across[:-2:2], across[1:-1:2], across[2::2]
        rise = self.scratch.subtract(below, middle, "ahead")
        mask = self.scratch.subtract(rise, self.scratch.subtract(middle, above, "behind"))
        deviations = self.tiling.magnitude(mask) * np.sqrt(np.pi / 2) / 6
        return min(lowest_tenth(deviations), LARGEST_NOISE)

    def noise_variance(self, level: int) -> float:
        """Variance of white noise on `level`, rounding included.

        Area averaging quarters it at each step.
        """
        return float(max(self.noise**2, ROUNDING) / 4**level)

    @cached_property
    def content(self) -> Tiles:
        """Gradient of each tile above the noise, grey levels (root mean square, second level)."""
        level = self.levels[1]
        # A quarter more than noise of that level leaves: other tiles may hold more of it.
        clean = level.gradient - 5 * self.noise_variance(1)
        return np.asarray(np.sqrt(np.maximum(clean, 0)))
