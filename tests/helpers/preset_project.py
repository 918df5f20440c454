"""Presets for short runs."""

from dataclasses import replace

from blur_fusion.presets.params import Preset, known_presets, load_preset
from blur_fusion.presets.run import shortened
from trees import REPOSITORY

PRESETS = REPOSITORY / "presets"
NAMES = known_presets(PRESETS)
IMAGES = 40  # of a training run


def short_preset(name: str, images: int = IMAGES) -> Preset:
    """A preset as it is in presets/, for one epoch on few images."""
    return shortened(load_preset(name, PRESETS), 1, images)


def narrow(preset: Preset) -> Preset:
    """The same system, but quick: narrow dense layers; under a backbone small pictures, one batch.

    A smaller last batch would have Keras trace all of a backbone once more.
    """
    network = replace(
        preset.network,
        dense=tuple(min(units, 256) for units in preset.network.dense),
        fused_dense=tuple(min(units, 64) for units in preset.network.fused_dense),
    )
    preset = replace(preset, network=network)
    if not network.backbone:
        return preset
    recipe = replace(preset.recipe, batch=IMAGES)
    return replace(preset, input=replace(preset.input, side=96), recipe=recipe)
