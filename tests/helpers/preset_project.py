"""Presets for short runs."""

from dataclasses import replace

from blur_fusion.presets.params import Preset, known_presets, load_preset
from blur_fusion.presets.run import shortened
from trees import REPOSITORY

PRESETS = REPOSITORY / "presets"
NAMES = known_presets(PRESETS)
IMAGES = 40  # of a training run


def short_preset(name: str, images: int = IMAGES) -> Preset:
    """A preset of presets/, for one epoch on few images."""
    return shortened(load_preset(name, PRESETS), 1, images)


def narrow(preset: Preset) -> Preset:
    """The same system, but quick: small pictures, narrow dense layers; one batch for a backbone.

    With a smaller last batch Keras would trace the backbone a second time.
    """
    network, recipe = preset.network, preset.recipe
    dense, fused = (
        tuple(min(units, most) for units in layers)
        for layers, most in ((network.dense, 256), (network.fused_dense, 64))
    )
    side = min(preset.input.side, 96 if network.backbone else 64)
    return replace(
        preset,
        network=replace(network, dense=dense, fused_dense=fused),
        input=replace(preset.input, side=side),
        recipe=replace(recipe, batch=IMAGES) if network.backbone else recipe,
    )
