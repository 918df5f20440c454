"""From linear light to a finished picture: exposure, shot noise, denoising, tone, sharpening."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.sample.textures import Field, axes

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Camera:
    """One shot's settings; drawn by :func:`draw_camera`."""

    exposure: float
    electrons: float
    read_noise: float
    grain: float
    pattern: float
    denoise: float
    contrast: float
    sharpen: float
    sharpen_sigma: float
    vignette: float
    film: float
    film_sigma: float
    quality: int
    cast: tuple[float, float]


def draw_camera(dark: bool, scale: float, rng: np.random.Generator) -> Camera:
    """Draw settings; noise is strong in a `dark` scene. `scale`: see `blur.sharp_blur`."""
    low, high = (5.8, 9.0) if dark else (7.0, 11.5)
    high_key = 1.8 if rng.random() < 0.06 and not dark else 1.0
    return Camera(
        exposure=float(high_key * np.exp(rng.normal(0, 0.35))),
        electrons=float(np.exp(rng.uniform(low, high))),
        read_noise=float(rng.uniform(1, 6)),
        grain=float(rng.choice([0.0, 0.5, 0.8]) * max(1.0, scale)),
        pattern=float(rng.choice([0.0, 0.0, 1.0]) * rng.uniform(0.001, 0.004)),
        denoise=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        contrast=float(rng.uniform(0, 0.6)),
        # Compact cameras sharpen strongly, even what is blurred.
        sharpen=float(rng.choice([0.0, 0.3, 0.7, 1.2, 2.2])),
        sharpen_sigma=float(rng.uniform(0.6, 1.8) * max(1.0, scale)),
        vignette=float(rng.uniform(0, 0.4)),
        film=float(rng.uniform(5, 16) if rng.random() < 0.1 else 0.0),
        film_sigma=float(rng.uniform(0.5, 1.2) * max(1.0, scale)),
        quality=int(rng.integers(62, 98)),
        cast=(float(rng.normal(0, 4)), float(rng.normal(0, 4))),
    )


def untouched(camera: Camera) -> Camera:
    """Switch off all effects of `camera`, as in a screenshot."""
    quiet = replace(camera, electrons=np.inf, read_noise=0.0, grain=0.0, pattern=0.0, film=0.0)
    return replace(quiet, denoise=0.0, contrast=0.0, sharpen=0.0, vignette=0.0)


def expose(scene: Field, camera: Camera, dark: bool) -> Field:
    """Set the exposure: bright mid-tones reach a level, but a dark scene stays dark."""
    middle, bright = np.percentile(scene[::8, ::8], (85, 99))
    # A small bright subject before a dark background is not burnt out, but lamps are.
    level = max(float(middle if dark else max(middle, 0.4 * bright)), 1e-4)
    target = 0.45 * camera.exposure
    gain = min(target / level, 3.0 * camera.exposure) if dark else target / level
    rows, columns = axes(scene.shape)
    falloff = 1 - camera.vignette * 0.5 * (rows**2 + columns**2)
    return (scene * gain * falloff).astype(np.float32)


def _sensor(light: Field, camera: Camera, rng: np.random.Generator) -> Field:
    """Add shot and read noise, then clip; only here is light above white lost."""
    spread = np.clip(light, 0, 1)
    spread /= camera.electrons
    spread += (camera.read_noise / camera.electrons) ** 2
    np.sqrt(spread, out=spread)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    if camera.grain > 0:  # demosaicing spreads noise over its neighbours
        cv2.GaussianBlur(noise, (0, 0), camera.grain, dst=noise)
        noise *= 1 + 1.2 * camera.grain
    noise *= spread
    noise += light
    if camera.pattern > 0:
        noise += camera.pattern * _fixed_pattern(light.shape, rng)
    return np.clip(noise, 0, 1, out=noise)


def _fixed_pattern(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Pattern of a sensor's readout: odd and even columns differ, and rows form bands."""
    even = rng.normal() * (-1.0) ** np.arange(shape[1])
    columns, rows = even + 0.3 * rng.standard_normal(shape[1]), 0.3 * rng.standard_normal(shape[0])
    return (rows[:, None] + columns[None, :]).astype(np.float32)


def _tone(light: Field, contrast: float) -> Picture:
    """SRGB transfer curve and an S-shaped film curve, through a table of 4,096 levels."""
    level = np.linspace(0, 1, 4096)
    encoded = np.where(level < 0.0031308, 12.92 * level, 1.055 * level ** (1 / 2.4) - 0.055)
    curved = encoded + contrast * (encoded**2 * (3 - 2 * encoded) - encoded)
    table = np.round(255 * np.clip(curved, 0, 1)).astype(np.uint8)
    return table[(light * 4095 + 0.5).astype(np.uint16)]


def _film_grain(picture: Picture, camera: Camera, rng: np.random.Generator) -> Picture:
    """Add coarse grain of `camera.film` grey levels."""
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), camera.film_sigma), dtype=np.float32)
    grain *= camera.film / max(float(grain.std()), 1e-6)
    return np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)


def develop(light: Field, camera: Camera, rng: np.random.Generator) -> Picture:
    """Take the shot: from linear light on the sensor (1 is white) to luma before compression."""
    picture = _tone(_sensor(light, camera, rng), camera.contrast)
    if camera.denoise > 0:
        sigma = 40 * camera.denoise
        picture = np.asarray(cv2.bilateralFilter(picture, 5, sigma, 1.5), dtype=np.uint8)
    if camera.sharpen > 0:
        soft = cv2.GaussianBlur(picture, (0, 0), camera.sharpen_sigma)
        sharper = cv2.addWeighted(picture, 1 + camera.sharpen, soft, -camera.sharpen, 0)
        picture = np.asarray(sharper, dtype=np.uint8)
    return _film_grain(picture, camera, rng) if camera.film > 0 else picture


def colourise(luma: Picture, camera: Camera, rng: np.random.Generator) -> Picture:
    """Give `luma` plausible colour (BGR): smooth random chroma and the camera's cast.

    Blur is judged on luma alone; colour makes the files decode as real photos do.
    """
    height, width = luma.shape
    small = rng.normal(0, 6, (5, 7, 2)) + np.asarray(camera.cast)
    chroma = cv2.resize(small.astype(np.float32), (width // 2, height // 2))
    level = cv2.resize(luma, (width // 2, height // 2)).astype(np.float32)[:, :, None] / 255
    chroma = 128 + chroma * 4 * level * (1 - level) * np.array([1.0, 1.5], np.float32)
    planes = cv2.resize(np.clip(chroma, 0, 255).astype(np.uint8), (width, height))
    ycrcb = cv2.merge((luma, *cv2.split(planes)))
    return np.asarray(cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2BGR), dtype=np.uint8)
