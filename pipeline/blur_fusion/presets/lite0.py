"""EfficientNet-Lite0, which `keras.applications` lacks: MBConv blocks with ReLU6, no attention.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019; its
Lite variants are Google's, of 2020, for devices without much arithmetic.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

# Of each stage: blocks, kernel, stride of the first block, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280  # channels
EPSILON = 1e-3


def _normalised(x: Any, convolution: layers.Layer, active: bool = True) -> Any:
    x = layers.BatchNormalization(epsilon=EPSILON)(convolution(x))
    return layers.ReLU(6.0)(x) if active else x


def _pointwise(channels: int) -> layers.Layer:
    return layers.Conv2D(channels, 1, padding="same", use_bias=False)


def _block(x: Any, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    """Expand, convolve each channel by itself, project; add the input where the shapes agree."""
    given, wide = x, x.shape[-1] * expansion
    if expansion > 1:
        x = _normalised(x, _pointwise(wide))
    each = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)
    x = _normalised(_normalised(x, each), _pointwise(channels), active=False)
    return layers.Add()([x, given]) if stride == 1 and given.shape[-1] == channels else x


def lite0(shape: tuple[int, ...], weights: str | None = None) -> keras.Model:
    """Build the network up to the maps that its classes would be told from.

    Parameters
    ----------
    shape : tuple of int
        (height, width, 3), of pictures 0..255.
    weights : str, optional
        File ending in .weights.h5; `python -m benchmarks.lite0` makes the one of ImageNet.

    Raises
    ------
    ValueError
        The weights are those of another network.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> lite0((64, 96, 3)).output_shape
    (None, 2, 3, 1280)
    """
    picture = layers.Input(shape)
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(picture)
    x = _normalised(x, layers.Conv2D(STEM, 3, 2, padding="same", use_bias=False))
    for blocks, kernel, stride, expansion, channels in STAGES:
        for number in range(blocks):
            x = _block(x, kernel, 1 if number else stride, expansion, channels)
    model = keras.Model(picture, _normalised(x, _pointwise(HEAD)), name="efficientnet_lite0")
    if weights:
        model.load_weights(weights)
    return model
