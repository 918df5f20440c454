"""Synthetic pictures of full size that cost a decoder what photos cost it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from blur_fusion.sample.camera import Camera, Picture, colourise, develop, draw_camera, expose
from blur_fusion.sample.digital import apply_filter
from blur_fusion.sample.scenes import render_scene
from blur_fusion.sample.shots import DARK

SHARP, LENS_BLUR = "", "lens"
ENLARGED = 4  # a scene is rendered at a quarter of the size, which is fast, and then enlarged
PORTRAIT_EVERY = 5
QUALITY, FILTER_QUALITY = 92, 75  # a camera's; MATLAB's, with which CERTH's filters were saved
_LENS = "DiskR20"


def _render(
    images_side: int, seed: tuple[int, int], rng: np.random.Generator
) -> tuple[Picture, Camera]:
    """One scene without noise, (H, W), a quarter of the size; every fifth is upright."""
    side = max(16, images_side // ENLARGED)
    family, scene = render_scene((side * 3 // 4, side), rng)
    dark = family in DARK
    camera = draw_camera(dark, 1.0, rng)
    clean = replace(camera, electrons=1e9, read_noise=0.0, grain=0.0, denoise=0.0, sharpen=0.0)
    luma = develop(expose(scene.focused, clean, dark), clean, rng)
    upright = seed[1] % PORTRAIT_EVERY == PORTRAIT_EVERY - 1
    return np.ascontiguousarray(luma.T) if upright else luma, camera


def _enlarge(luma: Picture, images_side: int) -> Picture:
    height, width = luma.shape
    scale = images_side / max(height, width)
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _with_noise(luma: Picture, rng: np.random.Generator) -> Picture:
    """Sensor noise: most of what a photo's JPEG of this size spends its bytes on."""
    noise = rng.standard_normal(luma.shape, dtype=np.float32) * rng.uniform(2, 4)
    return np.asarray(np.clip(luma + noise, 0, 255), dtype=np.uint8)


def encode(
    luma: Picture, blur: str, images_side: int, camera: Camera, rng: np.random.Generator
) -> bytes:
    """A colour JPEG of `luma`, blurred by `blur` and enlarged.

    A lens blurs before the sensor adds noise; CERTH's filters blur the finished picture, noise
    and all, and leave small files.
    """
    if blur:
        luma = apply_filter(luma, _LENS if blur == LENS_BLUR else blur)
    filtered = blur not in (SHARP, LENS_BLUR)
    large = _enlarge(luma, images_side)
    picture = colourise(large if filtered else _with_noise(large, rng), camera, rng)
    quality = FILTER_QUALITY if filtered else QUALITY
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return data.tobytes()


def commented(jpeg: bytes, text: str) -> bytes:
    """`jpeg` with `text` as a comment segment (ITU-T T.81, B.2.4.5) after its first marker."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def write_pictures(
    root: Path, files: Sequence[tuple[str, str]], images_side: int, seed: tuple[int, int]
) -> int:
    """Render one scene and write all files that show it.

    Parameters
    ----------
    root : Path
    files : sequence of (path below root, blur)
        `blur` is `SHARP`, `LENS_BLUR` or one of CERTH's filters.
    images_side : int
        Long side in pixels.
    seed : (int, int)
        The run's seed and the scene's number.

    Returns
    -------
    int
        Number of files.
    """
    cv2.setNumThreads(1)  # the cores are taken by the workers
    rng = np.random.default_rng(seed)
    luma, camera = _render(images_side, seed, rng)
    encoded: dict[str, bytes] = {}
    for path, blur in files:
        if blur not in encoded:
            encoded[blur] = encode(luma, blur, images_side, camera, rng)
        (root / path).write_bytes(commented(encoded[blur], path))
    return len(files)
