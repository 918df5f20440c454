"""Export: ONNX answers as Keras does, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blur_fusion.cnn import spectra
from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.export import export_model
from blur_fusion.model.folder import FILES, MODEL, NETWORK, PROVENANCE, packed, read_folder
from blur_fusion.model.network import OnnxNetwork
from blur_fusion.params import load_params
from tiny_network import noise
from trees import REPOSITORY

SIZES = [(1, 1), (5, 200), (31, 33), (32, 32), (63, 129), (97, 254), (131, 67), (192, 256)]


IMAGES = [noise(*size, k) for k, size in enumerate(SIZES)]
IMAGES += [np.zeros((40, 50), np.uint8), np.full((50, 40), 255, np.uint8)]


def test_onnx_and_what_is_rebuilt_answer_as_the_trained_network(
    project: Path, exported: Path
) -> None:
    from blur_fusion.cnn.fit import Network
    from blur_fusion.cnn.network import network_from

    cnn, default = (load_params(root / "params.yaml").cnn for root in (project, REPOSITORY))
    # Or parity would be shown for one shape of network alone.
    assert cnn.filters != default.filters and cnn.patterns != default.patterns
    keras = Network.load(project / "artifacts" / "cnn", cnn)
    ours = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK).logits(IMAGES)
    theirs = keras.logits(IMAGES)
    assert ours.dtype == np.float32 and ours.shape == (10, 4)
    assert np.abs(ours - theirs).max() < 1e-3
    assert theirs.std(axis=0).min() > 0.01  # logits that differ, or nothing is compared
    contents, _ = read_folder(exported)
    again = network_from(contents.cnn, contents.weights)
    assert (Network(again).logits(IMAGES) == theirs).all()


def test_damaged_weights_of_the_network_are_one_line() -> None:
    from blur_fusion.cnn.network import network_from

    for weights in (b"", packed({}), packed({"fine_blocks/0": np.zeros(3)})):
        with pytest.raises(BlurError, match=r"cnn\.npz: damaged"):
            network_from({"patterns": 7, "filters": [5, 6, 4]}, weights)


@pytest.mark.parametrize("compiled", [True, False])
def test_maps_explain_the_logit(
    exported: Path, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(spectra, "library", lambda: None)
    onnx = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK)
    for size in SIZES:
        image = noise(*size)
        local, attention = onnx.maps(image)
        # The first step is 4 pixels, each block halves.
        assert local.shape == attention.shape == tuple(-(-max(s, 32) // 32) for s in size)
        assert attention.min() > 0 and attention.sum() == pytest.approx(1, abs=1e-5)
        whole = float(onnx.logits([image])[0, 0])
        assert float((local * attention).sum()) == pytest.approx(whole, abs=1e-4)


def test_export_is_what_the_stage_wrote_and_its_provenance(
    project: Path, exported: Path, tmp_path: Path
) -> None:
    export_model(tmp_path / "again", project / "artifacts", project / "params.yaml")
    names = {path.name for path in exported.iterdir()}
    assert names == {*FILES, MODEL, PROVENANCE}
    for name in names:
        content = (exported / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == content, name
        if name != PROVENANCE:
            assert (project / "artifacts" / "fuse" / name).read_bytes() == content, name
    assert BlurDetector(exported).digest == BlurDetector(project / "artifacts" / "fuse").digest


def test_a_layer_that_onnx_would_get_wrong_is_refused() -> None:
    import keras

    from blur_fusion.cnn.network import AttentionPooling
    from blur_fusion.model.onnx import network_onnx

    image = keras.layers.Input((None, None, 1))
    fine = keras.layers.Rescaling(0.6, name="fine_rescale")(keras.layers.Conv2D(5, 3)(image))
    grown = keras.layers.UpSampling2D(name="grow")(fine)
    with pytest.raises(BlurError, match="grow is a UpSampling2D"):
        network_onnx(keras.Model(image, AttentionPooling()(grown)))
    for last in (keras.layers.Conv2D(5, 3)(fine), AttentionPooling()(image)):
        with pytest.raises(BlurError, match="no network from local spectra to attention pooling"):
            network_onnx(keras.Model(image, last))
