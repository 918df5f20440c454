"""Grad-CAM: where a network looks, for any Keras model with a convolution.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017. TensorFlow is needed here, and nowhere else in `blur_fusion.explain`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import PRESET_WEIGHTS

Floats = npt.NDArray[np.float32]

_CONVOLUTIONS = (layers.Conv2D, layers.SeparableConv2D, layers.DepthwiseConv2D)
_ACTIVATIONS = (
    *(layers.BatchNormalization, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU),
    *(layers.PReLU, layers.SpatialDropout2D, layers.Dropout),
)


def _holds(layer: Any, wide: bool) -> bool:
    """Whether a layer is a convolution or a model with one; a `wide` one sees neighbours."""
    if isinstance(layer, keras.Model):
        return any(_holds(inner, wide) for inner in layer.layers)
    return isinstance(layer, _CONVOLUTIONS) and (not wide or max(layer.kernel_size) > 1)


def _inputs(layer: Any) -> list[Any]:
    return [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)


def _answer_of(model: keras.Model, layer: Any) -> Any:
    """The output of `layer` inside `model`; a nested model's own output is not part of it."""
    for consumer in model.layers:
        for tensor in _inputs(consumer):
            if tensor._keras_history.operation is layer:
                return tensor
    return layer.output


def _map_of(model: keras.Model) -> Any:
    """The last map of a convolution, after its normalisation and activation.

    Convolutions of a single pixel, which only mix channels, count only if there are no others. A
    nested model, such as a pretrained backbone, counts as one layer.
    """
    for wide in (True, False):
        for layer in reversed(model.layers):
            if not _holds(layer, wide):
                continue
            found = _answer_of(model, layer)
            if len(found.shape) == 4 and tuple(found.shape[1:3]) != (1, 1):
                return _activated(model, found)
    raise BlurError(f"{model.name}: has no convolution, and Grad-CAM needs one")


def _activated(model: keras.Model, found: Any) -> Any:
    """`found` after its activations, as long as nothing else uses it."""
    while True:
        users = [layer for layer in model.layers if any(t is found for t in _inputs(layer))]
        if len(users) != 1 or not isinstance(users[0], _ACTIVATIONS):
            return found
        found = users[0].output


def _score(model: keras.Model) -> Any:
    """The model's output before a last sigmoid or softmax, whose gradients may vanish."""
    last, answer = model.layers[-1], model.outputs[0]
    squashed = getattr(getattr(last, "activation", None), "__name__", "") in ("sigmoid", "softmax")
    if not (isinstance(last, layers.Dense) and squashed and last.output is answer):
        return answer
    twin = layers.Dense(last.units, use_bias=last.use_bias)
    score = twin(last.input)
    twin.set_weights(last.get_weights())
    return score


def preset_network(folder: Path) -> keras.Model:
    """The network of a trained preset, from pictures (1, h, w, channels) to its output.

    Keras's safe mode runs no foreign code, and nothing is unpickled. Raises a BlurError if it is
    missing or damaged.
    """
    path = folder / PRESET_WEIGHTS
    try:
        with np.load(path, allow_pickle=False) as arrays:
            model = keras.models.model_from_json(str(arrays["description"]))
            model.set_weights([arrays[f"arr_{place}"] for place in range(len(arrays) - 1)])
    except Exception as error:  # zipfile, numpy and Keras raise all sorts
        reason = " ".join(str(error).split())[:200]
        raise BlurError(f"{path}: no network for Grad-CAM ({reason})") from None
    return model


def grad_cam(
    model: keras.Model, image: npt.NDArray[np.generic], column: int = 0, towards: float = 1.0
) -> Floats:
    """Heat of one picture.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential, built.
    image : ndarray, shape (h, w, channels)
        The model's input.
    column : int
        Of the model's output, the one to explain.
    towards : float
        -1 explains what speaks against.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        On the map of the last convolution, 0..1; all 0 where nothing spoke for the column.

    Raises
    ------
    BlurError
        There is no convolution.
    """
    both = keras.Model(model.inputs, [_map_of(model), _score(model)])
    batch = tf.constant(np.asarray(image, np.float32)[None])
    with tf.GradientTape() as tape:
        tape.watch(batch)  # records all that follows, trainable or not
        activations, answer = both(batch, training=False)
        score = towards * answer[:, column]
    gradient = tape.gradient(score, activations)
    if gradient is None:
        raise BlurError(f"{model.name}: the answer does not depend on that map")
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * activations, axis=-1))[0].numpy()
    top = float(heat.max())
    return np.asarray(heat / top if top > 0 else heat, dtype=np.float32)
