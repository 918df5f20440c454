"""`python -m benchmarks.localisation`: explanations of photos rendered with known blur."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score

from blur_fusion.cli.options import model_option
from blur_fusion.errors import run
from blur_fusion.explain.explainer import Explainer
from blur_fusion.explain.extent import measure_defocus, measure_motion
from blur_fusion.images.photo import center_crop, working_image
from blur_fusion.model.classifier import load
from blur_fusion.parallel import progress_bar
from blur_fusion.sample.blur import Blur, Kernel, disk, gaussian, log_uniform, straight_motion
from blur_fusion.sample.camera import develop, draw_camera, expose
from blur_fusion.sample.photographs import EVALUATION_PHOTOGRAPHS, TRAINING_PHOTOGRAPHS, photograph
from blur_fusion.sample.scenes import FAMILIES, subject_mask
from blur_fusion.sample.shots import DARK
from blur_fusion.sample.textures import Field

LONG_SIDE = 768
SIZE = (768, 1024)  # rendered at, then shrunk to LONG_SIDE as photos are
PHOTOGRAPH = "photograph"
# Full of detail; the other families are mostly sky, night, snow or fog.
FILLED = ("leaves", "fine_texture", "text", "buildings", PHOTOGRAPH)
EMPTY = tuple(name for name in FAMILIES if name not in FILLED)
DEFOCUS, MOTION = "defocus", "motion"
DIRECTION, LENGTH, RADIUS = "direction of motion", "length of motion", "radius of defocus"
COMPOSITE_RADII, COMPOSITE_LENGTHS = (3.0, 20.0), (10.0, 40.0)
RADII, LENGTHS = (1.6, 22.0), (6.0, 48.0)  # as the generator's natural blurs, without the tails
_SEEN = 0.02  # weight below which a blurred layer is invisible
_PHOTOGRAPHS = (*TRAINING_PHOTOGRAPHS, *EVALUATION_PHOTOGRAPHS)

_MARGIN = 0.02  # pixels of the mask's soft edge do not count
SEED = 4100  # not one that the map was developed on

Pixels = npt.NDArray[np.uint8]
Mapper = Callable[[Pixels], npt.NDArray[np.float32]]

MEASURES: dict[str, Callable[[Pixels], float | None]] = {
    DIRECTION: lambda image: measure_motion(image).angle,
    LENGTH: lambda image: measure_motion(image).extent,
    RADIUS: lambda image: measure_defocus(image).extent,
}


def _scene(family: str, size: tuple[int, int], rng: np.random.Generator) -> Field:
    if family == PHOTOGRAPH:
        return photograph(str(rng.choice(_PHOTOGRAPHS)), size, rng)
    return FAMILIES[family][0](size, rng)


def _spread(light: Field, kernel: Kernel) -> Field:
    return Blur("", (kernel,)).apply(light)


def _layer(light: Field, mask: Field, kernel: Kernel) -> Field:
    """Blur only what `mask` shows, so that the rest does not bleed into it."""
    weight = _spread(mask, kernel)
    layer = _spread(np.asarray(light * mask, np.float32), kernel) / np.maximum(weight, _SEEN)
    return np.asarray(np.where(weight > _SEEN, layer, light), dtype=np.float32)


def _shot(light: Field, family: str, rng: np.random.Generator) -> Pixels:
    """Photograph `light` and encode it as JPEG; give the working image, grey."""
    dark = family in DARK
    camera = draw_camera(dark, max(1.0, max(light.shape) / LONG_SIDE), rng)
    luma = develop(expose(light, camera, dark), camera, rng)
    data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])[1]
    return working_image(data.tobytes(), LONG_SIDE)


def composite(
    family: str, subject_blurred: bool, seed: tuple[int, ...]
) -> tuple[Pixels, npt.NDArray[np.float32]]:
    """Render a sharp subject before blurred surroundings, or the reverse.

    Returns
    -------
    working : ndarray of uint8, shape (h, w)
    blurred : ndarray of float32, shape (h, w)
        The proportion (0..1) of each pixel that is blurred.
    """
    rng = np.random.default_rng(seed)
    light = _scene(family, SIZE, rng)
    while not 0.05 < (subject := subject_mask(SIZE, rng) > 0.5).mean() < 0.8:
        pass  # too small or too large
    blurred = np.asarray(subject if subject_blurred else ~subject, dtype=np.float32)
    if rng.random() < 0.7:
        kernel = disk(log_uniform(COMPOSITE_RADII, rng))
    else:
        kernel = straight_motion(log_uniform(COMPOSITE_LENGTHS, rng), rng.uniform(0, np.pi))
    sharp = _spread(light, gaussian(0.4))
    mixed = np.where(blurred > 0.5, _layer(light, blurred, kernel), sharp).astype(np.float32)
    working = _shot(mixed, family, rng)
    mask = cv2.resize(blurred, working.shape[::-1], interpolation=cv2.INTER_AREA)
    return working, np.asarray(mask, dtype=np.float32)


def evenly_blurred(family: str, kind: str, seed: tuple[int, ...]) -> tuple[Pixels, float, float]:
    """Render a scene blurred all over by a disk or a straight motion (DEFOCUS or MOTION).

    Returns
    -------
    working : ndarray of uint8, shape (h, w)
    extent : float
        Radius of the disk or length of the motion, in working pixels.
    angle : float
        Of the motion, in degrees counterclockwise from the horizontal.
    """
    rng = np.random.default_rng(seed)
    light = _scene(family, (SIZE[0] * 3 // 4, SIZE[1] * 3 // 4), rng)
    angle = float(rng.uniform(0, np.pi)) if kind == MOTION else 0.0
    extent = log_uniform(LENGTHS if kind == MOTION else RADII, rng)
    kernel = straight_motion(extent, angle) if kind == MOTION else disk(extent)
    working = _shot(_spread(_spread(light, kernel), gaussian(0.35)), family, rng)
    return working, extent, float(-np.degrees(angle) % 180)


@dataclass(frozen=True)
class Stated:
    """True and stated values, shape (n,), for those of `photos` that have a stated one."""

    what: str  # one of `MEASURES`
    true: npt.NDArray[np.float64]
    stated: npt.NDArray[np.float64]
    photos: int

    def __str__(self) -> str:
        line = f"  {self.what}: stated for {len(self.true)} of {self.photos}"
        if self.what == DIRECTION and len(self.true):
            middle, high = np.percentile(self.errors, [50, 90])
            line += f", median error {middle:.1f} degrees, 90 % below {high:.1f}"
        elif self.what != DIRECTION and len(self.true) >= 3:
            error = np.median(self.errors)
            line += f", Spearman {self.spearman:.3f}, median error {error:.0%}"
        return line

    @property
    def spearman(self) -> float:
        """Rank correlation of stated with true extents."""
        return float(spearmanr(self.true, self.stated)[0])

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """Angle between directions, 0..90 degrees; for extents |stated / true - 1|."""
        if self.what != DIRECTION:
            return np.abs(self.stated / self.true - 1)
        apart = np.abs(self.stated - self.true) % 180
        return np.minimum(apart, 180 - apart)


def pixel_auc(blurred: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> float:
    """AUC over the pixels of one map, without those where truth is mixed or the map is NaN."""
    inside = ((blurred < _MARGIN) | (blurred > 1 - _MARGIN)) & np.isfinite(values)
    return float(roc_auc_score(blurred[inside] > 0.5, values[inside]))


def pixel_aucs(
    mappers: dict[str, Mapper],
    families: Sequence[str],
    count: int,
    subject_blurred: bool,
    seed: int,
) -> dict[str, list[float]]:
    """Pixel AUC of each mapper on `count` composites, families in turn."""
    found: dict[str, list[float]] = {name: [] for name in mappers}
    for number in range(count):
        family = families[number % len(families)]
        working, blurred = composite(family, subject_blurred, (seed, int(subject_blurred), number))
        for name, mapper in mappers.items():
            found[name].append(pixel_auc(blurred, mapper(working)))
    return found


def stated(what: str, families: Sequence[str], count: int, seed: int) -> Stated:
    """Apply the measure `what` to `count` evenly blurred pictures, families in turn."""
    kind, pairs = DEFOCUS if what == RADIUS else MOTION, []
    for number in range(count):
        family = families[number % len(families)]
        working, extent, angle = evenly_blurred(family, kind, (seed, 2, number))
        if (value := MEASURES[what](working)) is not None:
            pairs.append((angle if what == DIRECTION else extent, value))
    true, found = np.array(pairs, np.float64).reshape(-1, 2).T
    return Stated(what, true, found, count)


def mappers_of(model: Path | None, grad_cam: bool) -> dict[str, Mapper]:
    """The blur map and, if asked for, Grad-CAM of the same network."""
    explainer = Explainer(load(model))

    def judged_part(image: Pixels) -> npt.NDArray[np.float32]:
        """Grad-CAM, and NaN at the outer edge, which the network does not see."""
        said = np.full(image.shape, np.nan, np.float32)
        center_crop(said)[:] = center_crop(explainer.grad_cam(image, image))
        return said

    mappers: dict[str, Mapper] = {"blur map": lambda image: explainer.blur_map(image).logit}
    return {**mappers, "Grad-CAM": judged_part} if grad_cam else mappers


@click.command()
@model_option
@click.option("--count", default=60, show_default=True, help="Pictures of each kind.")
@click.option("--grad-cam/--no-grad-cam", default=True, help="Measure Grad-CAM too (TensorFlow).")
def localisation_command(model: Path | None, count: int, grad_cam: bool) -> None:
    """Measure the blur map, Grad-CAM, and the stated directions and extents on rendered photos.

    Composites are one scene with a sharp subject and blurred surroundings, or the reverse. Pixel
    AUC is taken photo by photo.
    """
    mappers = mappers_of(model, grad_cam)
    for title, families in (("scenes full of detail", FILLED), ("sky, night, snow, fog", EMPTY)):
        click.echo(f"{title} ({', '.join(families)}):")
        with progress_bar(2 + len(MEASURES), title.split(",")[0], "figure") as bar:
            for reverse, name in ((False, "sharp subject"), (True, "blurred subject")):
                for mapper, values in pixel_aucs(mappers, families, count, reverse, SEED).items():
                    click.echo(
                        f"  {name}, pixel AUC of the {mapper}: mean {np.mean(values):.3f}, "
                        f"median {np.median(values):.3f}, lowest {min(values):.3f}"
                    )
                bar.update()
            for what in MEASURES:
                click.echo(stated(what, families, count, SEED))
                bar.update()


if __name__ == "__main__":
    run(localisation_command)
