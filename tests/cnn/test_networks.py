"""The convolutional network on images of any size, and the crops that it is trained on."""

from pathlib import Path

import numpy as np
import pytest
from keras import layers

from blur_fusion.cnn.crossfit import parallel_fits
from blur_fusion.cnn.fit import Network
from blur_fusion.cnn.network import (
    LOGITS,
    AttentionPooling,
    Blocks,
    HalfSize,
    build_network,
    cosine_basis,
)
from blur_fusion.images.resize import pad_to
from blur_fusion.params import ComputeParams
from tiny_network import TINY, noise


def test_padding_mirrors_and_never_enlarges() -> None:
    image = noise(20, 50)
    padded = pad_to(image, 32)
    assert padded.shape == (32, 50)
    assert np.array_equal(padded[:20], image)
    assert np.array_equal(padded[20:], image[7:19][::-1])
    assert pad_to(image, 20) is image
    for shape in ((1, 1), (3, 200), (2, 2)):
        assert pad_to(noise(*shape), 40).shape == (40, max(40, shape[1]))


def test_whole_images_of_any_size_are_judged_one_by_one() -> None:
    model = build_network(TINY)
    sizes = [(1, 1), (5, 300), (31, 31), (64, 80), (201, 99), (64, 80), (32, 32), (512, 35)]
    images = [noise(*size) for size in sizes]
    logits = Network(model).logits(iter(images))
    assert logits.shape == (len(sizes), len(LOGITS)) and logits.dtype == np.float32
    assert np.isfinite(logits).all() and np.array_equal(logits[3], logits[5])
    direct = model(images[4][None, :, :, None].astype(np.float32))
    assert np.asarray(direct)[0] == pytest.approx(logits[4], abs=1e-4)
    assert Network(model).logits([]).shape == (0, 4)


def test_the_pooled_logit_is_a_mean_weighted_by_attention_and_sharpness() -> None:
    local = np.random.default_rng(0).normal(0, 4, (3, 5, 7, 5)).astype(np.float32)
    local[1, 2, 3] = [90, 9, 8, 7, 6]  # all attention on one place
    places = local[..., 1:].reshape(3, 35, 4)
    score = local[..., 0].reshape(3, 35, 1).astype(np.float64)
    weight = np.exp(score - 0.5 * places[..., :1])
    expected = (weight * places).sum(axis=1) / weight.sum(axis=1)
    pooled = np.asarray(AttentionPooling()(local))
    assert pooled.shape == (3, 4) and pooled == pytest.approx(expected, abs=1e-4)
    assert pooled[1] == pytest.approx([9, 8, 7, 6], abs=1e-4)


def test_a_small_sharp_subject_is_not_outvoted_by_its_background() -> None:
    local = np.zeros((1, 20, 20, 2), np.float32)
    local[..., 1] = 6  # blurred
    local[0, 8:12, 8:12, 1] = -6  # but for 4 % of the frame
    assert float(np.asarray(AttentionPooling()(local))[0, 0]) < 0


@pytest.mark.parametrize("shape", [(6, 4), (5, 8), (8, 5), (7, 7), (1, 1)])
def test_half_size_is_average_pooling_bit_for_bit(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, *shape, 1)).astype(np.float32)
    pooled = np.asarray(layers.AveragePooling2D(2, padding="same")(image))
    assert np.array_equal(np.asarray(HalfSize()(image)), pooled)


@pytest.mark.parametrize("shape", [(32, 32), (33, 46), (63, 31), (56, 75)])
def test_blocks_are_a_plain_convolution(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, *shape, 1)).astype(np.float32)
    settings = {"strides": 4, "padding": "same", "use_bias": False}
    found = [kind(12, 8, **settings) for kind in (layers.Conv2D, Blocks)]
    for layer in found:
        layer.build(image.shape)
        layer.set_weights([cosine_basis(12)])
    plain, blocks = (np.asarray(layer(image)) for layer in found)
    # Processors differ in the order of their sums: of 64 products of up to 255.
    assert plain.std() > 10
    np.testing.assert_allclose(blocks, plain, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("workers", "threads", "fits"), [(6, 1, 6), (6, 4, 1), (1, 4, 1)])
def test_fits_share_the_cores(workers: int, threads: int, fits: int) -> None:
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    assert parallel_fits(ComputeParams(threads, workers)) == (1 if gpu else fits)
