"""The convolutional network on images of any size, and the crops that it is trained on."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.cnn.crossfit import parallel_fits
from blur_fusion.data.augment import augment_crop, detailed_crop
from blur_fusion.errors import BlurError
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


def test_detailed_crop_prefers_detail() -> None:
    image = np.full((200, 300), 120, np.uint8)
    image[:80, 220:] = noise(80, 80)
    rng = np.random.default_rng(0)
    for tries, rate in ((1, 0.5), (30, 0.95)):
        crops = [detailed_crop(image, 64, tries, rng) for _ in range(60)]
        assert all(crop.shape == (64, 64) and crop.dtype == np.uint8 for crop in crops)
        hit = np.mean([crop.std() > 1 for crop in crops])
        assert hit < rate if tries == 1 else hit >= rate
    best = detailed_crop(image, 64, 400, rng)
    assert (best != 120).mean() > 0.6


def test_crops_are_parts_of_the_picture_wherever_they_fall() -> None:
    image = noise(40, 50)  # no two crops alike
    windows = np.lib.stride_tricks.sliding_window_view(image, (36, 36))
    rng = np.random.default_rng(2)
    corners = set()
    for _ in range(300):
        crop = detailed_crop(image, 36, 1, rng)
        ((row, column),) = np.argwhere((windows == crop).all(axis=(2, 3)))
        corners.add((int(row), int(column)))
    assert {row for row, _ in corners} == set(range(5))  # the last row and column too
    assert {column for _, column in corners} == set(range(15))


@pytest.mark.parametrize("shape", [(20, 30), (64, 10), (1, 1), (31, 100)])
def test_crops_of_pictures_smaller_than_the_crop(shape: tuple[int, int]) -> None:
    crop = detailed_crop(noise(*shape), 64, 3, np.random.default_rng(0))
    assert crop.shape == (64, 64)


def test_augment_keeps_shape_type_and_the_crop_given() -> None:
    crop = noise(48, 48)
    before = crop.copy()
    rng = np.random.default_rng(1)
    seen = [augment_crop(crop, rng) for _ in range(60)]
    assert all(new.shape == (48, 48) and new.dtype == np.uint8 for new in seen)
    assert len({np.ascontiguousarray(new).tobytes() for new in seen}) > 50
    assert np.array_equal(crop, before)
    again = augment_crop(crop, np.random.default_rng(7))
    assert np.array_equal(again, augment_crop(crop, np.random.default_rng(7)))


def test_augment_leaves_blurred_crops_blurred() -> None:
    """Measured at a scale where its noise and JPEG blocks weigh little."""
    edges = ((np.indices((96, 96)) // 24).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    soft = cv2.GaussianBlur(edges, (0, 0), 4)

    def steepness(image: np.ndarray) -> float:
        levels = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1)
        across = np.abs(np.diff(levels, axis=1))
        return float(np.percentile(across, 99) / max(np.ptp(levels), 1))

    for seed in range(40):
        sharp = steepness(augment_crop(edges, np.random.default_rng(seed)))
        assert steepness(augment_crop(soft, np.random.default_rng(seed))) < 0.75 * sharp


@pytest.mark.parametrize("filters", [(4,), (4, 5, 6), (100, 4, 5)])
def test_filters_make_a_network(filters: tuple[int, ...]) -> None:
    from blur_fusion.cnn.network import build_network

    model = build_network(dataclasses.replace(TINY, filters=filters))
    answer = model(noise(45, 77)[None, :, :, None].astype(np.float32))
    assert np.isfinite(np.asarray(answer)).all()


def test_a_network_without_filters_is_refused() -> None:
    with pytest.raises(BlurError, match="cnn.filters"):
        dataclasses.replace(TINY, filters=())


def test_whole_images_of_any_size_are_judged_one_by_one() -> None:
    from blur_fusion.cnn.fit import Network
    from blur_fusion.cnn.network import LOGITS, build_network

    model = build_network(TINY)
    sizes = [(1, 1), (5, 300), (31, 31), (64, 80), (201, 99), (64, 80)]
    sizes += [(32, 32), (33, 47), (101, 64), (97, 193), (512, 35)]
    images = [noise(*size) for size in sizes]
    logits = Network(model).logits(iter(images))
    assert logits.shape == (len(sizes), len(LOGITS)) and logits.dtype == np.float32
    assert np.isfinite(logits).all() and np.array_equal(logits[3], logits[5])
    direct = model(images[4][None, :, :, None].astype(np.float32))
    assert np.asarray(direct)[0] == pytest.approx(logits[4], abs=1e-4)
    assert Network(model).logits([]).shape == (0, 4)


def test_attention_is_a_weighted_mean_of_local_logits() -> None:
    from blur_fusion.cnn.network import AttentionPooling

    local = np.random.default_rng(0).normal(0, 4, (3, 5, 7, 5)).astype(np.float32)
    local[1, 2, 3] = [90, 9, 8, 7, 6]  # all attention on one place
    places = local[..., 1:].reshape(3, 35, 4)
    weight = np.exp(local[..., 0].reshape(3, 35, 1).astype(np.float64))
    expected = (weight * places).sum(axis=1) / weight.sum(axis=1)
    pooled = np.asarray(AttentionPooling()(local))
    assert pooled.shape == (3, 4) and pooled == pytest.approx(expected, abs=1e-4)
    assert pooled[1] == pytest.approx([9, 8, 7, 6], abs=1e-4)


@pytest.mark.parametrize("shape", [(6, 4), (5, 8), (8, 5), (7, 7), (1, 1)])
def test_half_size_is_average_pooling_bit_for_bit(shape: tuple[int, int]) -> None:
    from keras import layers

    from blur_fusion.cnn.network import HalfSize

    image = np.random.default_rng(0).integers(0, 256, (3, *shape, 1)).astype(np.float32)
    pooled = np.asarray(layers.AveragePooling2D(2, padding="same")(image))
    assert np.array_equal(np.asarray(HalfSize()(image)), pooled)


@pytest.mark.parametrize("shape", [(32, 32), (33, 46), (63, 31), (56, 75)])
def test_blocks_are_a_plain_convolution(shape: tuple[int, int]) -> None:
    from keras import layers

    from blur_fusion.cnn.network import Blocks, cosine_basis

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
