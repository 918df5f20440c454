"""Every preset's network as ONNX: the same answers as Keras, without Keras."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.explain.explainer import Explainer
from blur_fusion.explain.gradcam import preset_network
from blur_fusion.model.classifier import load
from blur_fusion.presets.export import preset_onnx, write_model
from blur_fusion.presets.networks import build, build_fused, stacked, with_classes
from blur_fusion.presets.params import load_preset
from preset_project import NAMES, PRESETS, narrow


def _shaken(model: keras.Model) -> None:
    """Set batch statistics other than 0 and 1, so that a mistake in writing them shows."""
    rng = np.random.default_rng(4)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            gain, offset, mean, variance = (rng.uniform(0, 0.1, w.shape) for w in layer.weights)
            layer.set_weights([1 + gain, offset, mean, 0.1 + variance])


@pytest.mark.parametrize(
    ("name", "backbone"), [*((name, "") for name in NAMES), ("transfer", "EfficientNetB0")]
)
def test_onnx_answers_as_keras(name: str, backbone: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    preset = narrow(load_preset(name, PRESETS))
    if backbone:
        preset = replace(preset, network=replace(preset.network, backbone=backbone))
    model = build(preset, "random")[0]
    _shaken(model)
    model = with_classes(model)
    rng, side, channels = np.random.default_rng(0), preset.input.side, model.input_shape[-1]
    pictures = rng.integers(0, 256, (3, side, side, channels), dtype=np.uint8)
    pictures[1] //= 4
    given: list[np.ndarray] = [pictures.astype(np.float32)]
    asked = {"image": pictures}
    if preset.network.fused_dense:
        judged = stacked(model, 5.0, 2.0)
        model = with_classes(keras.Model(judged.inputs, build_fused(preset)(judged.outputs[0])))
        asked["laplacian_512"] = np.array([[0.0], [30.0], [9000.0]], np.float32)
        given.append(asked["laplacian_512"])
    expected = np.asarray(model(given if len(given) > 1 else given[0], training=False))
    write_model(model, preset, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(["classes"], asked)
    assert found.shape == (3, len(preset.layout.classes))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-4  # it looks at the picture
    about = json.loads((tmp_path / "model.json").read_text("utf-8"))
    content = (tmp_path / "model.onnx").read_bytes()
    assert about["network"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert about["classes"][about["blurred"]] == preset.layout.blurred
    if backbone:
        return  # the rest is asked of each preset as it is
    assert preset_onnx(model) == content
    seen = preset_network(tmp_path)  # for Grad-CAM: all but the fused part
    if len(given) == 1:
        np.testing.assert_allclose(with_classes(seen)(given[0], training=False), expected, 1e-4)
    photo = np.random.default_rng(5).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    heat = Explainer(load(tmp_path)).explain(photo, grad_cam=True).grad_cam
    assert heat is not None and heat.shape == (90, 130)
    assert np.isfinite(heat).all() and heat.min() >= 0 and heat.max() <= 1
    (tmp_path / "network.npz").write_bytes(b"")
    with pytest.raises(BlurError, match=r"network\.npz: no network for Grad-CAM"):
        preset_network(tmp_path)


def test_a_layer_without_onnx_is_named() -> None:
    given = keras.layers.Input((8, 8, 1))
    for layer in (keras.layers.LayerNormalization(name="odd"), keras.layers.ReLU(2, 0.1, 0)):
        with pytest.raises(BlurError, match=rf"layer {layer.name}: .* cannot be written as ONNX"):
            preset_onnx(keras.Model(given, layer(given)))
