"""What a preset's network sees: pictures made small as its authors did, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.split import Row
from blur_fusion.errors import require
from blur_fusion.images.photo import working_image
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.presets.params import InputParams, LayoutParams, Preset

WHOLE = 1_000_000  # a long side that no photo reaches: nothing is shrunk on opening
_RESIZE = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,  # without antialiasing, as in Keras and plain cv2.resize
    "area": cv2.INTER_AREA,
}

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Example:
    """A picture to learn from: a file, its class, and by how much it is blurred on the way."""

    path: Path
    target: int
    sigma: float = 0.0


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """`picture` under a Gaussian of standard deviation `sigma` pixels; 0 leaves it as it is."""
    if sigma <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


def small(picture: Pixels, given: InputParams) -> Pixels:
    """`picture` as the network takes it: uint8, shape (side, side, 1 or 3); aspect is not kept."""
    size = (given.side, given.side)
    resized = cv2.resize(picture, size, interpolation=_RESIZE[given.resize])
    shrunk = np.asarray(resized, dtype=np.uint8)
    return shrunk if given.colour else shrunk[..., None]


def whole(path: Path, given: InputParams) -> Pixels:
    """The picture of a file at its own size, oriented: uint8, (h, w) or (h, w, 3).

    Raises
    ------
    BlurError
        It cannot be read.
    """
    return working_image(path, WHOLE, given.colour)


def read_example(example: Example, preset: Preset) -> Pixels:
    """Pixels of one example, uint8, shape (side, side, 1 or 3)."""
    picture, at_source = whole(example.path, preset.input), preset.layout.pairs == "source"
    if at_source:
        picture = blurred(picture, example.sigma)
    pixels = small(picture, preset.input)
    if not at_source and example.sigma:
        pixels = blurred(pixels, example.sigma).reshape(pixels.shape)
    return pixels


def read_examples(examples: Sequence[Example], preset: Preset, workers: int, what: str) -> Pixels:
    """Pixels of all examples, uint8, shape (n, side, side, 1 or 3), over threads."""
    side, channels = preset.input.side, 3 if preset.input.colour else 1
    pixels = np.empty((len(examples), side, side, channels), np.uint8)
    answers = ordered_map(lambda example: read_example(example, preset), examples, workers)
    for place, picture in enumerate(shown(answers, len(examples), what)):
        pixels[place] = picture
    return pixels


def _labelled(row: Row, layout: LayoutParams, three: bool) -> Example:
    if three:
        return Example(row.path, layout.classes.index(row.name.split("/")[0]))
    place = layout.classes.index(layout.blurred)
    return Example(row.path, place if row.label else 1 - place)


def _pairs(row: Row, layout: LayoutParams, rng: np.random.Generator) -> list[Example]:
    """A sharp picture in every class: blurred in the one, as it is in the others."""
    sigma = float(rng.uniform(layout.sigma[0], layout.sigma[1]))
    return [
        Example(row.path, target, sigma if name == layout.blurred else 0.0)
        for target, name in enumerate(layout.classes)
    ]


def _drawn(labels: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """`count` places, in order, drawn so that each label keeps its share."""
    place = np.zeros(len(labels))
    for label in set(labels):
        held = np.flatnonzero(np.array(labels) == label)
        place[rng.permutation(held)] = (np.arange(len(held)) + 0.5) / len(held)
    return [int(index) for index in np.sort(np.argsort(place, kind="stable")[:count])]


def examples(rows: Sequence[Row], preset: Preset, three: bool, seed: int) -> list[Example]:
    """What `preset` learns from `rows`.

    Parameters
    ----------
    rows : sequence of Row
    preset : Preset
        At most `recipe.images` pictures are drawn, before pairs are made of them; each class keeps
        its share.
    three : bool
        See `blur_fusion.presets.layouts.Source`.
    seed : int

    Raises
    ------
    BlurError
        Nothing is left to learn from, or one class only.
    """
    layout, rng = preset.layout, np.random.default_rng([seed, 7])
    made = layout.pairs != "none" and not three
    usable = [row for row in rows if not (made and row.label)]
    limit = preset.recipe.images * (3 if three else 1)
    if limit and len(usable) > limit:
        usable = [usable[place] for place in _drawn([row.label for row in usable], limit, rng)]
    found: list[Example] = []
    for row in usable:
        found += _pairs(row, layout, rng) if made else [_labelled(row, layout, three)]
    there = {example.target for example in found}
    lacking = [name for place, name in enumerate(layout.classes) if place not in there]
    require(not lacking, f"preset {preset.name}: no picture of class {', '.join(lacking)} to learn")
    return found
