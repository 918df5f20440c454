"""Point spread functions and digital filters of the embedded data set."""

import cv2
import numpy as np
import pytest

from blur_fusion.sample import blur
from blur_fusion.sample.blur import Kernel, disk, gaussian, polygon, straight_motion
from blur_fusion.sample.digital import FILTERS, apply_filter, certh_kernel


def moments(kernel: Kernel) -> np.ndarray:
    """Covariance (2, 2) of the kernel's light in (x, y)."""
    rows, columns = np.indices(kernel.shape)
    places = np.stack([columns.ravel(), rows.ravel()]).astype(float)
    return np.cov(places, aweights=kernel.ravel().astype(float), ddof=0)


def spread(kernel: Kernel) -> float:
    return float(np.trace(moments(kernel)))


def kernels() -> list[Kernel]:
    rng = np.random.default_rng(3)
    made = [disk(r) for r in (0.2, 0.5, 1.9, 7.3, 20)]
    made += [polygon(r, blades, 0.4) for r in (0.6, 5.5) for blades in (5, 8)]
    made += [gaussian(s) for s in (0.3, 1, 4.2)]
    made += [straight_motion(length, 0.7) for length in (1.5, 6, 31.4)]
    made += [blur.shaken_motion(extent, rng, worry) for extent in (3, 40) for worry in (0.1, 1)]
    made += [certh_kernel(name, scale) for name in FILTERS for scale in (0.05, 0.31, 1)]
    made += [blur.double_exposure(distance, 0.4, rng) for distance in (5, 30) for _ in range(4)]
    for scale in (0.2, 1.0, 1.7):
        made += [k for _ in range(30) for k in blur.natural_blur(scale, rng).kernels]
        made += [k for _ in range(5) for k in blur.sharp_blur(scale, rng).kernels]
    return made


def test_kernels_keep_light_and_have_a_middle() -> None:
    for kernel in kernels():
        assert kernel.dtype == np.float32
        assert kernel.sum() == pytest.approx(1, abs=1e-4)
        assert np.isfinite(kernel).all() and kernel.min() >= 0
        assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1


def test_kernels_do_not_shift_the_picture() -> None:
    made = [disk(5.3), gaussian(2), straight_motion(9.5, 1.1), polygon(6, 6, 0.2)]
    for kernel in [*made, *(certh_kernel(name, 0.3) for name in FILTERS)]:
        rows, columns = np.indices(kernel.shape)
        middle = [(kernel * places).sum() for places in (rows, columns)]
        assert middle == pytest.approx([side // 2 for side in kernel.shape], abs=0.1)


def test_disks_and_gaussians_spread_as_they_do() -> None:
    for sigma in (1.0, 2.5, 5.0):
        assert spread(gaussian(sigma)) == pytest.approx(2 * sigma**2, rel=0.06)
    for radius in (6.0, 9.5, 16.0):  # a disk's second moment about its centre is r^2 / 2
        assert spread(disk(radius)) == pytest.approx(radius**2 / 2, rel=0.05)
    across, along = moments(disk(8))[0, 0], moments(disk(8))[1, 1]
    assert across == pytest.approx(along, rel=0.02)
    grow = [disk(1), disk(2), disk(4), polygon(8, 5, 0), polygon(8, 8, 0), disk(8), disk(16)]
    assert (np.diff([spread(kernel) for kernel in grow]) > 0).all()


@pytest.mark.parametrize("angle", [0.0, 0.5, np.pi / 4, np.pi / 2, 2.4])
def test_straight_motion_has_extent_and_direction(angle: float) -> None:
    for length in (6.0, 24.0):
        values, vectors = np.linalg.eigh(moments(straight_motion(length, angle)))
        assert values[1] == pytest.approx(length**2 / 12, rel=0.1)  # of an even line
        assert values[0] < 0.4  # a line is thin
        direction = np.array([np.cos(angle), np.sin(angle)])
        assert abs(vectors[:, 1] @ direction) > 0.99


def test_shaken_paths_have_their_extent_and_differ() -> None:
    rng = np.random.default_rng(8)
    paths = [blur.shaken_motion(20, rng, 0.8) for _ in range(8)]
    assert all(19 <= np.ptp(np.nonzero(path > 0), axis=1).max() <= 23 for path in paths)
    assert len({path.tobytes() for path in paths}) == 8
    assert np.array_equal(blur.shaken_motion(20, np.random.default_rng(8), 0.8), paths[0])


def test_a_bent_path_turns_back() -> None:
    def reach(bend: float) -> float:
        rows, columns = np.nonzero(blur.shaken_motion(40, np.random.default_rng(2), 0, bend) > 0)
        return float(min(np.ptp(rows), np.ptp(columns)) / max(np.ptp(rows), np.ptp(columns)))

    assert reach(2 * np.pi) > 0.9 > reach(0)


@pytest.mark.parametrize("distance", [5.0, 12.0, 30.0])
def test_a_double_exposure_has_separate_rests(distance: float) -> None:
    for seed in range(10):
        kernel = blur.double_exposure(distance, 0.5, np.random.default_rng(seed))
        count, owners = cv2.connectedComponents((kernel > 0.02 * kernel.max()).astype(np.uint8))
        assert count - 1 in (2, 3)
        for owner in range(1, count):
            assert kernel[owners == owner].sum() > 0.2


def test_certh_has_fifteen_filters() -> None:
    assert len(set(FILTERS)) == 15
    picture = np.random.default_rng(1).integers(0, 256, (96, 1024, 3), dtype=np.uint8)
    for blurred in (apply_filter(picture, name) for name in FILTERS):
        assert blurred.shape == picture.shape and blurred.dtype == np.uint8
        before, after = (cv2.Laplacian(one, cv2.CV_64F).var() for one in (picture, blurred))
        assert after < before
    along = {name: moments(certh_kernel(name, 0.3)) for name in FILTERS}
    (across, slant), (_, down) = along["MotionL100Th0"]
    assert across > 50 * down and slant == pytest.approx(0, abs=0.1)
    assert along["MotionL50Th90"][1, 1] > 50 * along["MotionL50Th90"][0, 0]
    assert certh_kernel("GaussianH1x50S250", 0.3).shape[0] == 1
    assert along["MotionL100Th45"][0, 1] < 0  # MATLAB turns against the clock, rows run down
