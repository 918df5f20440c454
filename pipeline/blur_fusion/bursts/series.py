"""Series to be left alone: exposure brackets, focus stacks, panoramas."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from blur_fusion.bursts.capture import Capture
from blur_fusion.bursts.groups import Floats, Shift
from blur_fusion.bursts.ranking import MEAN, SLOPES, Tiles, contrast_variance, held_by_all

BRACKET, STACK, PANORAMA = "exposure bracket", "focus stack", "panorama"

_STEP = 0.3  # log 2: cameras bracket by a third or more
_SEEN_STEP = 0.5  # the same, judged by the pictures alone
_STILL = 0.03  # of width or height: a tripod, or a steady hand
_ALIKE = 0.6  # likeness
_GAMMA = 2.2  # from grey levels to light

_MOVED = 0.15  # of width or height, from one photo of a panorama to the next
_FAR = 0.45  # ... and from its first to its last
_STRAIGHT = 0.7  # cosine between one step and the next
_SECONDS = 0.4  # from one photo of a panorama to the next; following a subject is faster

_CLEAR = np.log(2.0)  # of energy, between a tile at its sharpest and at its least sharp
_SLIGHT = 0.02  # of the energy of the best tiles: a tile with less says nothing
_MANY = 0.3  # share of tiles that change by that much
_SHARE = 0.08  # of these, the fewest that make a photo the sharpest somewhere
_RISES = 0.8  # share of tiles that grow sharper up to their best photo, and less sharp after it
_EVERYWHERE = 0.5  # share of all tiles; more than a passing subject changes
_FADES = 0.45  # see `_fades`
_SAME = 25.0  # grey levels by which the mean of a tile may differ if nothing has moved there


def _stepwise(values: Sequence[float], step: float) -> bool:
    """Whether values mostly change from one to the next, by at least `step`."""
    return float(np.median(np.abs(np.diff(values)))) >= step


def _is_bracket(
    captures: Sequence[Capture], tiles: Sequence[Tiles], shifts: Sequence[Shift]
) -> bool:
    """Whether the exposure varies, by the headers or, if they say nothing, by the pictures."""
    if all(capture.bracket for capture in captures):
        return True
    known = False
    for values in ([c.exposure for c in captures], [c.bias for c in captures]):
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values):
            known = True
            if _stepwise(numbers, _STEP - 0.01):
                return True
    still = all(one.size <= _STILL and one.likeness >= _ALIKE for one in shifts)
    if known or not still:
        return False
    held = held_by_all(np.asarray(tiles, np.float64))
    light = [float(((one[MEAN][held] / 255) ** _GAMMA).mean()) for one in tiles]
    return bool(held.any()) and _stepwise(np.log2(np.maximum(light, 1e-4)).tolist(), _SEEN_STEP)


def _is_panorama(captures: Sequence[Capture], steps: Sequence[Shift]) -> bool:
    """Whether each photo shows a part of the one before, and more on one side."""
    times = [capture.time for capture in captures if capture.fine and capture.time is not None]
    if len(times) == len(captures) and np.median(np.diff(times)) < _SECONDS:
        return False
    ways = np.array([(step.right, step.down) for step in steps])
    if not all(step.size >= _MOVED and step.likeness >= _ALIKE for step in steps):
        return False
    units = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    straight = all(float(one @ other) >= _STRAIGHT for one, other in pairwise(units))
    return straight and float(np.abs(ways.sum(axis=0)).max()) >= _FAR


def _is_stack(tiles: Sequence[Tiles]) -> bool:
    """Whether each tile grows sharper up to some photo and less sharp after it, not all up to one.

    Tiles whose mean changes are left out: something moves there.
    """
    planes = np.asarray(tiles, np.float64)
    used = held_by_all(planes)
    if len(planes) < 3 or not used.any():
        return False
    variance = [contrast_variance(one, used) for one in planes]
    energy = np.array([one[SLOPES][used] / v for one, v in zip(planes, variance, strict=True)])
    mean = np.array([one[MEAN][used] for one in planes])
    mean -= mean.mean(axis=1, keepdims=True)
    best = energy.max(axis=0)
    textured = (best > _SLIGHT * np.percentile(best, 95)) & (np.ptp(mean, axis=0) <= _SAME)
    level = np.log(np.maximum(energy, 1e-3 * best.max()))
    changes = textured & (np.ptp(level, axis=0) >= _CLEAR)
    if changes.sum() < max(_MANY * textured.sum(), 12):
        return False
    level = level[:, changes]
    peak = level.argmax(axis=0)
    shares = np.bincount(peak, minlength=len(planes)) / peak.size
    if (shares >= _SHARE).sum() < 3:
        return False
    towards = np.sign(peak - np.arange(len(planes) - 1)[:, None] - 0.5)
    slack = 0.1 * np.ptp(level, axis=0)  # noise and what is blurred beyond measure
    rises = (np.diff(level, axis=0) * towards >= -slack).all(axis=0)
    everywhere = changes.sum() >= _EVERYWHERE * changes.size
    return float(rises.mean()) >= _RISES and (everywhere or _fades(level, peak, slack) >= _FADES)


def _fades(level: Floats, peak: npt.NDArray[np.intp], slack: Floats) -> float:
    """Share of tiles and sides on which the second photo from the best is less sharp than the next.

    A passing subject is in one photo and leaves nothing in the others.
    """
    found: list[npt.NDArray[np.bool_]] = []
    for way in (1, -1):
        inside = np.flatnonzero((peak + 2 * way >= 0) & (peak + 2 * way < len(level)))
        near, far = (level[peak[inside] + step * way, inside] for step in (1, 2))
        found.append(near - far >= slack[inside])
    return float(np.concatenate(found).mean())


def recognise(
    captures: Sequence[Capture],
    tiles: Sequence[Tiles],
    shifts: Sequence[Shift],
    steps: Sequence[Shift],
) -> str | None:
    """Whether photos of one scene, in order, are a `BRACKET`, `STACK` or `PANORAMA`; else None.

    Parameters
    ----------
    captures : sequence of Capture
    tiles : sequence of ndarray, shape (4, rows, columns)
        From :meth:`blur_fusion.bursts.ranking.Cells.tiles`, aligned to the first photo.
    shifts : sequence of Shift
        Of each photo against the first.
    steps : sequence of Shift
        Of each photo but the first against the one before.
    """
    if _is_bracket(captures, tiles, shifts):
        return BRACKET
    if _is_panorama(captures, steps):
        return PANORAMA
    return STACK if _is_stack(tiles) else None
