"""Grad-CAM and verdicts of presets: every network that people start from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from blur_fusion.explain.drawing import figure
from blur_fusion.explain.explainer import open_explainer
from blur_fusion.presets.networks import build, build_fused
from blur_fusion.presets.params import Preset, known_presets, load_preset
from blur_fusion.presets.trained import Trained
from trees import REPOSITORY, write_photo

FOLDER = REPOSITORY / "presets"


def _small(preset: Preset) -> Preset:
    """Dense layers that a test can afford; the convolutions stay as they are."""
    dense = tuple(min(16, units) for units in preset.network.dense)
    fused = tuple(min(16, units) for units in preset.network.fused_dense)
    network = dataclasses.replace(preset.network, dense=dense, fused_dense=fused)
    return dataclasses.replace(preset, network=network)


@pytest.mark.parametrize("name", known_presets(FOLDER))
def test_every_preset_is_explained(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(7)
    preset = _small(load_preset(name, FOLDER))
    fused = build_fused(preset) if preset.network.fused_dense else None
    trained = Trained(preset, build(preset, "random")[0], fused)
    (tmp_path / "model").mkdir()
    trained.save(tmp_path / "model")
    photo = write_photo(tmp_path / "a.jpg", 1, size=(300, 420))
    explainer = open_explainer(tmp_path / "model")
    found = explainer.explain(photo, grad_cam=True)
    expected = trained.blurred(trained.classes([photo]))[0][0]
    assert found.verdict.probability == pytest.approx(expected, abs=1e-5)
    assert found.verdict.blurred == (found.verdict.probability >= 0.5)
    assert found.grad_cam is not None and found.grad_cam.shape == found.map.logit.shape
    assert np.isfinite(found.grad_cam).all() and found.grad_cam.max() <= 1
    assert found.contributions == []
    assert figure(found).shape[2] == 3
