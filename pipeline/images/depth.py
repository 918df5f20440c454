"""Arrays of any depth and number of channels as 8-bit grey or RGB."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require

Pixels = npt.NDArray[np.uint8]

_SAMPLE = 1 << 20  # pixels that percentiles are taken from
_PERCENTILES = (0.1, 99.9)


def stretched(pixels: npt.NDArray[np.generic]) -> Pixels:
    """One deep channel, stretched between its percentiles .1 and 99.9 to 8 bits.

    Scanners, microscopes and depth maps use a part of the 16 bits; a shift would leave them black.
    """
    flat = pixels.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _PERCENTILES) if sample.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint((values - low) * scale), 0, 255).astype(np.uint8)


def over_white(pixels: Pixels) -> Pixels:
    """Lay (H, W, 4) over white, which is what viewers and paper show.

    The colours below transparent pixels are whatever the editor left there, often hard edges that
    nobody sees; they are not judged.
    """
    alpha = pixels[:, :, 3:]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    share = alpha.astype(np.float32) / 255
    mixed = pixels[:, :, :3].astype(np.float32) * share + 255 * (1 - share)
    return np.rint(mixed).astype(np.uint8)


def from_array(array: npt.NDArray[np.generic], colour: bool) -> Pixels:
    """A grey, RGB or RGBA array, 8 or 16 bits, as 8-bit grey or RGB.

    Raises
    ------
    BlurError
        Another type or shape.
    """
    pixels = np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    known = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    shape = f"array of shape {pixels.shape}: give (H, W) or (H, W, 3 or 4)"
    require(known and pixels.size > 0, shape)
    if pixels.dtype == np.uint16:
        deep = (pixels >> 8).astype(np.uint8) if pixels.ndim == 3 else stretched(pixels)
        pixels = deep
    require(pixels.dtype == np.uint8, f"array of {pixels.dtype}: give uint8 or uint16")
    eight: Pixels = pixels.astype(np.uint8, copy=False)
    if eight.ndim == 2:
        return np.repeat(eight[:, :, None], 3, axis=2) if colour else eight
    rgb = over_white(eight) if eight.shape[2] == 4 else np.ascontiguousarray(eight)
    return rgb if colour else np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
