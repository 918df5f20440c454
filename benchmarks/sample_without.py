"""`python -m benchmarks.sample_without PART`: stage `sample` without a generator's part.

Run it in a folder with a params.yaml. Where a part can be left out without another draw of random
numbers it is, so that all else in the two data sets is alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.replaced import Replacement, replaced
from blur_fusion.data.overlays import overlay
from blur_fusion.errors import run
from blur_fusion.sample import blur as blurs
from blur_fusion.sample import camera, scenes, shots, tree
from blur_fusion.sample.blur import turned
from blur_fusion.sample.camera import Camera, draw_camera

HARD = ("night", "snow", "sky", "fog", "moon")
MILD_SHARPENING = 0.7
SMALL = 0.75  # framings below it end up smaller than the working image

_take = tree._take  # the original, whatever stands in its place later


def _ignored(function: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
    """`function`, called for its random draws alone; the argument at `place` is handed back."""

    def call(*arguments: Any) -> Any:
        function(*arguments)
        return arguments[place]

    return call


def _overlays() -> list[Replacement]:
    return [(shots, "overlay", _ignored(overlay))]


def _hard_scenes() -> list[Replacement]:
    """Plain scenes in their place, as often, so that the other scenes stay as they are."""
    easy = cycle([name for name in scenes.FAMILIES if name not in HARD])
    families = {}
    for name, (make, share) in scenes.FAMILIES.items():
        other = next(easy) if name in HARD else name
        key = f"{other} for {name}" if name in HARD else name
        families[key] = (scenes.FAMILIES[other][0] if name in HARD else make, share)
    return [(scenes, "FAMILIES", families)]


def _fixed_patterns() -> list[Replacement]:
    original = camera._fixed_pattern

    def blank(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
        return np.zeros_like(original(shape, rng))

    return [(camera, "_fixed_pattern", blank)]


def _strong_sharpening() -> list[Replacement]:
    def mild(*arguments: Any) -> Camera:
        drawn = draw_camera(*arguments)
        return dataclasses.replace(drawn, sharpen=min(drawn.sharpen, MILD_SHARPENING))

    return [(shots, "draw_camera", mild)]


def _shallow_focus() -> list[Replacement]:
    return [(scenes, "shallow_focus", _ignored(scenes.shallow_focus))]


def _small_framings() -> list[Replacement]:
    return [(shots, "SHRINKS", tuple(1 if s < SMALL else s for s in shots.SHRINKS))]


def _camera_roll() -> list[Replacement]:
    return [(blurs, "turned", _ignored(turned))]


PARTS: dict[str, Callable[[], list[Replacement]]] = {
    "overlays": _overlays,
    "hard scenes": _hard_scenes,
    "fixed patterns": _fixed_patterns,
    "strong sharpening": _strong_sharpening,
    "shallow focus": _shallow_focus,
    "small framings": _small_framings,
    "camera roll": _camera_roll,
}


def take_without(part: str, *arguments: Any) -> Any:
    """Render one scene without `part`, in whichever process it is called.

    Workers import modules anew: what the parent process changed in them does not reach them.
    """
    with replaced(PARTS[part]()):
        return _take(*arguments)


@click.command()
@click.argument("part", type=click.Choice(list(PARTS)))
def sample_without_command(part: str) -> None:
    """Render the embedded data set of the params.yaml here, without PART, to data/sample."""
    from blur_fusion.params import load_params

    params = load_params()
    take = partial(take_without, part)
    with replaced([(tree, "_take", take)]):
        count = tree.write_sample(
            Path("data/sample"), params.sample, params.seed, params.compute.workers
        )
    click.echo(f"data/sample without {part}: {count} images")


if __name__ == "__main__":
    run(sample_without_command)
