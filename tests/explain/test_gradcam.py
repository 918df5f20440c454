"""Grad-CAM of any network with a convolution."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from blur_fusion.cnn.network import build_network
from blur_fusion.errors import BlurError
from blur_fusion.explain.gradcam import grad_cam
from tiny_model import PARAMS

IMAGE = (64, 64, 3)


def _sequential() -> keras.Model:
    stack = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(8, 3)]
    stack += [layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    return keras.Sequential([layers.Input(IMAGE), *stack, layers.Dense(2, activation="softmax")])


def _nested() -> keras.Model:
    inner_image, image = layers.Input(IMAGE), layers.Input(IMAGE)
    inner = keras.Model(inner_image, layers.Conv2D(6, 3, 2, activation="relu")(inner_image))
    pooled = layers.GlobalAveragePooling2D()(inner(layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(pooled))


def _pooled(convolution: layers.Layer, dense: layers.Layer) -> keras.Model:
    image = layers.Input(IMAGE)
    return keras.Model(image, dense(layers.GlobalAveragePooling2D()(convolution(image))))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, IMAGE).astype(np.float32)


@pytest.mark.parametrize(
    "make",
    [
        *(_sequential, _nested, lambda: _pooled(layers.Conv2D(4, 1), layers.Dense(3))),
        lambda: build_network(dataclasses.replace(PARAMS.cnn, filters=(6, 8), patterns=8)),
    ],
)
def test_any_model_with_a_convolution(make: Callable[[], Any], picture: np.ndarray) -> None:
    keras.utils.set_random_seed(4)
    model = make()
    image = picture[..., : model.inputs[0].shape[-1]]
    heat = np.array([grad_cam(model, image, towards=sign) for sign in (1.0, -1.0)])
    assert heat.ndim == 3 and min(heat[0].shape) > 1
    assert np.isfinite(heat).all() and heat.min() >= 0 and heat.max() == 1
    assert not np.array_equal(*heat)


def test_heat_lies_where_the_answer_comes_from() -> None:
    mean = keras.initializers.Constant(1 / 27)
    bright = layers.Conv2D(1, 3, padding="same", kernel_initializer=mean)
    spot = np.zeros(IMAGE, np.float32)
    spot[8:16, 40:48] = 255
    heat = grad_cam(_pooled(bright, layers.Dense(1, kernel_initializer="ones")), spot)
    assert heat[12, 44] == 1 and heat[40:, :].max() == 0


def test_a_saturated_answer_has_heat(picture: np.ndarray) -> None:
    gain = keras.initializers.Constant(50.0)
    steep = layers.Dense(1, "sigmoid", kernel_initializer=gain)
    model = _pooled(layers.Conv2D(4, 3, activation="relu"), steep)
    assert float(model(picture[None])[0, 0]) == 1.0  # its own gradient is nothing
    assert grad_cam(model, picture).max() == 1


def test_a_network_without_convolution_is_refused(picture: np.ndarray) -> None:
    dense = keras.Sequential([layers.Input(IMAGE), layers.Flatten(), layers.Dense(1)])
    with pytest.raises(BlurError, match="no convolution"):
        grad_cam(dense, picture)
