"""Take the shots of one scene; every scene has its own random stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.overlays import overlay
from blur_fusion.sample.blur import VIEWING_SIDE, natural_blur, sharp_blur
from blur_fusion.sample.camera import Picture, colourise, develop, draw_camera, expose, untouched
from blur_fusion.sample.digital import FILTERS, apply_filter, filter_kind
from blur_fusion.sample.scenes import render_scene
from blur_fusion.sample.textures import Field, Size

DARK = ("night", "moon")
OVERLAY_SHARE = 0.2
# Sizes of framings; distant ones end up smaller than the working image.
SHRINKS = (1, 1, 1, 0.85, 0.72, 0.4)


@dataclass(frozen=True)
class ScenePlan:
    """A scene to render: its number, which seeds it, its photograph, if any, and its shots.

    `shots` are (path, sort) with sort "sharp", "natural", "artificial" or "filters" (`<scene>.jpg`
    and all of CERTH's filters, with `{}` in `path` for the filter's name).
    """

    number: int
    scene: str
    photo: str
    shots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Written:
    """A written file: its path in the tree, scene and kind of blur."""

    path: str
    scene: str
    kind: str


def _frame(scene: Field, portrait: bool, shrink: float, rng: np.random.Generator) -> Field:
    """Reframe a scene: crop, mirror, rotate, step back."""
    height, width = scene.shape
    share = rng.uniform(0.88, 1.0)
    tall, wide = int(height * share), int(width * share)
    row, column = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    view = scene[row : row + tall, column : column + wide]
    if rng.random() < 0.5:
        view = view[:, ::-1]
    if portrait:
        view = view.T
    view = np.ascontiguousarray(view)
    if shrink < 1:
        small = cv2.resize(view, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        view = np.asarray(small, dtype=np.float32)
    return view


def _shoot(
    views: list[Field], family: str, blurred: bool, rng: np.random.Generator
) -> tuple[Picture, str, int]:
    """Take one photo (BGR); give its kind of blur and JPEG quality too."""
    light = views[-1] if len(views) > 1 and rng.random() < 0.75 else views[0]
    view = _frame(light, rng.random() < 0.25, float(rng.choice(SHRINKS)), rng)
    scale = max(1.0, max(view.shape) / VIEWING_SIDE)
    dark = family in DARK
    camera = draw_camera(dark, scale, rng)
    blur = natural_blur(scale, rng) if blurred else sharp_blur(scale, rng)
    if family == "screen" and rng.random() < 0.5:
        camera, exposed = untouched(camera), view
    else:
        exposed = expose(view, camera, dark)
    lens = sharp_blur(scale, rng).apply(exposed) if blurred else exposed
    luma = develop(blur.apply(lens), camera, rng)
    picture = colourise(luma, camera, rng)
    if rng.random() < OVERLAY_SHARE:
        picture = overlay(picture, rng)
    return picture, blur.kind, camera.quality


def _jpeg(picture: Picture, quality: int) -> npt.NDArray[np.uint8]:
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return np.asarray(data, np.uint8)


def take_shots(root: Path, plan: ScenePlan, size: Size, seed: int) -> list[Written]:
    """Render scene `plan` and write its shots below `root`."""
    rng = np.random.default_rng([seed, plan.number])
    family, views = render_scene(size, rng, plan.photo)
    written = []

    def write(path: str, picture: Picture, kind: str, quality: int) -> None:
        (root / path).write_bytes(_jpeg(picture, quality).tobytes())
        written.append(Written(path, plan.scene, kind))

    for path, sort in plan.shots:
        picture, kind, quality = _shoot(views, family, sort == "natural", rng)
        if sort in ("filters", "artificial"):
            # CERTH filtered finished JPEGs.
            stored = cv2.imdecode(_jpeg(picture, quality), cv2.IMREAD_COLOR)
            picture = np.asarray(stored, dtype=np.uint8)
        if sort == "filters":
            original = Path(path).with_name(f"{plan.scene}.jpg").as_posix()
            write(original, picture, "sharp", quality)
            for name in FILTERS:
                write(path.format(name), apply_filter(picture, name), filter_kind(name), quality)
            continue
        if sort == "artificial":
            name = str(rng.choice(FILTERS))
            picture, kind = apply_filter(picture, name), filter_kind(name)
        write(path, picture, kind, quality)
    return written
