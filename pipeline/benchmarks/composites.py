"""Photos whose blur is known: half in focus with a mask of the rest, or evenly blurred."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.images import working_image
from pipeline.synthesis.camera import develop, draw_camera, expose
from pipeline.synthesis.photographs import EVALUATION_PHOTOGRAPHS, TRAINING_PHOTOGRAPHS, photograph
from pipeline.synthesis.point_spread import Kernel, disk, gaussian, straight_motion
from pipeline.synthesis.scenes import FAMILIES, subject_mask
from pipeline.synthesis.shots import DARK
from pipeline.synthesis.textures import Field

LONG_SIDE = 768
SIZE = (768, 1024)  # rendered at, then shrunk to LONG_SIDE as photos are
PHOTOGRAPH = "photograph"
# Something is to be seen in most places; the other families are mostly sky, night, snow or fog.
FILLED = ("leaves", "fine_texture", "text", "buildings", PHOTOGRAPH)
EMPTY = tuple(name for name in FAMILIES if name not in FILLED)
DEFOCUS, MOTION = "defocus", "motion"
COMPOSITE_RADII, COMPOSITE_LENGTHS = (3.0, 20.0), (10.0, 40.0)
RADII, LENGTHS = (1.6, 22.0), (6.0, 48.0)  # as the generator's natural blurs, but for the tails
_SEEN = 0.02  # weight below which a blurred layer has nothing to show
_PHOTOGRAPHS = (*TRAINING_PHOTOGRAPHS, *EVALUATION_PHOTOGRAPHS)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Composite:
    """A working image, and for each of its pixels the share (0..1) that is blurred."""

    working: Pixels
    blurred: npt.NDArray[np.float32]


@dataclass(frozen=True)
class EvenlyBlurred:
    """A working image blurred alike all over.

    Attributes
    ----------
    working : ndarray of uint8, shape (h, w)
    extent : float
        Radius of the disk or length of the motion, working pixels.
    angle : float
        Of the motion, degrees counterclockwise from the horizontal.
    """

    working: Pixels
    extent: float
    angle: float


def _between(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _scene(family: str, size: tuple[int, int], rng: np.random.Generator) -> Field:
    if family == PHOTOGRAPH:
        return photograph(str(rng.choice(_PHOTOGRAPHS)), size, rng)
    return FAMILIES[family][0](size, rng)


def _spread(light: Field, kernel: Kernel) -> Field:
    return np.asarray(cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)


def _layer(light: Field, mask: Field, kernel: Kernel) -> Field:
    """Blur only what `mask` shows, so that the rest does not bleed into it."""
    weight = _spread(mask, kernel)
    layer = _spread(np.asarray(light * mask, np.float32), kernel) / np.maximum(weight, _SEEN)
    return np.asarray(np.where(weight > _SEEN, layer, light), dtype=np.float32)


def _shot(light: Field, family: str, rng: np.random.Generator) -> Pixels:
    """Camera and JPEG: the working image, grey."""
    dark = family in DARK
    camera = draw_camera(dark, max(1.0, max(light.shape) / LONG_SIDE), rng)
    luma = develop(expose(light, camera, dark), camera, rng)
    data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return working_image(decoded, LONG_SIDE)


def composite(family: str, subject_blurred: bool, seed: tuple[int, ...]) -> Composite:
    """A sharp subject before blurred surroundings, or the reverse.

    Parameters
    ----------
    family : str
        Of `FILLED` or `EMPTY`.
    subject_blurred : bool
    seed : tuple of int
    """
    rng = np.random.default_rng(seed)
    light = _scene(family, SIZE, rng)
    subject = subject_mask(SIZE, rng) > 0.5
    while not 0.05 < subject.mean() < 0.8:
        subject = subject_mask(SIZE, rng) > 0.5
    blurred = np.asarray(subject if subject_blurred else ~subject, dtype=np.float32)
    if rng.random() < 0.7:
        kernel = disk(_between(COMPOSITE_RADII, rng))
    else:
        kernel = straight_motion(_between(COMPOSITE_LENGTHS, rng), rng.uniform(0, np.pi))
    sharp = _spread(light, gaussian(0.4))
    mixed = np.where(blurred > 0.5, _layer(light, blurred, kernel), sharp).astype(np.float32)
    working = _shot(mixed, family, rng)
    size = (working.shape[1], working.shape[0])
    mask = cv2.resize(blurred, size, interpolation=cv2.INTER_AREA)
    return Composite(working, np.asarray(mask, dtype=np.float32))


def evenly_blurred(family: str, kind: str, seed: tuple[int, ...]) -> EvenlyBlurred:
    """A scene out of focus by a disk, or moved in a straight line; `kind` is DEFOCUS or MOTION."""
    rng = np.random.default_rng(seed)
    light = _scene(family, (SIZE[0] * 3 // 4, SIZE[1] * 3 // 4), rng)
    angle = float(rng.uniform(0, np.pi)) if kind == MOTION else 0.0
    extent = _between(LENGTHS if kind == MOTION else RADII, rng)
    kernel = straight_motion(extent, angle) if kind == MOTION else disk(extent)
    working = _shot(_spread(_spread(light, kernel), gaussian(0.35)), family, rng)
    return EvenlyBlurred(working, extent, float(-np.degrees(angle) % 180))
