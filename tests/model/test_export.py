"""Export: ONNX answers as Keras does, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import working_image
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.export import export_model
from blur_fusion.model.folder import MODEL, NETWORK, REST, STACK
from blur_fusion.model.network import OnnxNetwork
from blur_fusion.model.onnx import rest_onnx
from blur_fusion.native.library import library
from blur_fusion.params import load_params
from export_project import make_project, tiny_params
from tiny_model import tiny_network
from trees import REPOSITORY

SIZES = [(1, 1), (5, 200), (31, 33), (32, 32), (63, 129), (97, 254), (131, 67), (192, 256)]


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    target = project / "model"
    assert export_model(target, project / "artifacts", project / "params.yaml") == []
    return target


def test_onnx_answers_as_keras(project: Path, exported: Path) -> None:
    from blur_fusion.cnn.fit import Network

    cnn = load_params(project / "params.yaml").cnn
    keras = Network.load(project / "artifacts" / "cnn", cnn)
    onnx = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK)
    images = [noise(size, k) for k, size in enumerate(SIZES)]
    images += [np.zeros((40, 50), np.uint8), np.full((50, 40), 255, np.uint8)]
    ours, theirs = onnx.logits(images), keras.logits(images)
    assert ours.dtype == np.float32 and ours.shape == (10, 4)
    assert np.abs(ours - theirs).max() < 1e-3
    assert theirs.std(axis=0).min() > 0.01  # logits that differ, or nothing is compared


def test_the_rest_answers_as_the_whole(exported: Path) -> None:
    if library() is None:
        pytest.skip("nothing was compiled here")
    network, rest = ((exported / name).read_bytes() for name in (NETWORK, REST))
    # What is given as the whole is no network: it is not even loaded.
    whole, parts = OnnxNetwork(network, NETWORK), OnnxNetwork(b"", REST, rest=rest)
    images = [noise(size, k) for k, size in enumerate(SIZES)]
    images += [np.zeros((40, 50), np.uint8), np.full((50, 40), 255, np.uint8)]
    assert np.abs(whole.logits(images) - parts.logits(images)).max() < 1e-4
    for image in images:
        for first, second in zip(whole.maps(image), parts.maps(image), strict=True):
            assert np.abs(first - second).max() < 1e-3


def test_another_network_has_no_rest() -> None:
    assert rest_onnx(tiny_network()) is None


@pytest.mark.parametrize("whole", [True, False])
def test_maps_explain_the_logit(exported: Path, whole: bool) -> None:
    rest = None if whole else (exported / REST).read_bytes()
    onnx = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK, rest=rest)
    for size in SIZES:
        image = noise(size)
        local, attention = onnx.maps(image)
        # The first step is 4 pixels, each block halves.
        assert local.shape == attention.shape == tuple(-(-max(s, 32) // 32) for s in size)
        assert attention.min() > 0 and attention.sum() == pytest.approx(1, abs=1e-5)
        whole = float(onnx.logits([image])[0, 0])
        assert float((local * attention).sum()) == pytest.approx(whole, abs=1e-4)


def test_detector_answers_as_the_trained_one(project: Path, exported: Path) -> None:
    from blur_fusion.model.scores import Detector

    params = load_params(project / "params.yaml")
    artifacts = project / "artifacts"
    trained = Detector.load(artifacts / "cnn", artifacts / "fuse", params)
    ours = BlurDetector(exported)
    assert ours.spec.side == 200 and ours.threshold == trained.model.thresholds["fused"]
    images = [working_image(noise(size, k), 200) for k, size in enumerate(SIZES)]
    scores = trained.predict(images)
    for k, image in enumerate(images):
        (verdict,) = ours.predict(image)
        assert verdict.probability == pytest.approx(scores.fused[k], abs=1e-3)
        assert verdict.logit == pytest.approx(scores.logit[k], abs=1e-3)
        assert (verdict.kind, verdict.blurred) == (
            *(scores.kind[k], bool(scores.fused[k] >= ours.threshold)),
        )


def test_export_gives_the_same_bytes(project: Path, exported: Path, tmp_path: Path) -> None:
    export_model(tmp_path / "again", project / "artifacts", project / "params.yaml")
    names = sorted(path.name for path in exported.iterdir())
    assert names == sorted((NETWORK, REST, STACK, MODEL))
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes(), name


def test_a_layer_that_onnx_would_get_wrong_is_refused() -> None:
    import keras

    from blur_fusion.cnn.network import AttentionPooling
    from blur_fusion.model.onnx import network_onnx

    image = keras.layers.Input((None, None, 1))
    grown = keras.layers.UpSampling2D(name="grow")(keras.layers.Conv2D(5, 3)(image))
    with pytest.raises(BlurError, match="grow is a UpSampling2D"):
        network_onnx(keras.Model(image, AttentionPooling()(grown)))
    with pytest.raises(BlurError, match="does not end in attention pooling"):
        network_onnx(keras.Model(image, keras.layers.Conv2D(5, 3)(image)))


def test_tiny_params_differ_from_the_default() -> None:
    """Or parity would be shown for one shape of network alone."""
    default = load_params(REPOSITORY / "params.yaml").cnn
    assert tuple(tiny_params()["cnn"]["filters"]) != default.filters
    assert tiny_params()["cnn"]["patterns"] != default.patterns
