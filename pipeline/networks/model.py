"""The convolutional network: local logits on a coarse map, pooled with learned attention.

Fully convolutional, so that it trains on crops and judges whole working images. It begins with a
fixed local spectrum at full resolution, where mild blur survives. Attention-based pooling after
Ilse, Tomczak and Welling, "Attention-based deep multiple instance learning", ICML 2018: what
matters is the most telling place, not the average one.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from pipeline.config.sections import CnnParams
from pipeline.networks.local_spectrum import HalfSize, local_spectrum

# Columns of the network's answer; the last three name the kind.
LOGITS = ("blurred", "sharp", "defocus", "motion")
KINDS = LOGITS[1:]


@keras.saving.register_keras_serializable("blur_fusion")
class AttentionPooling(layers.Layer):
    """Average local logits with weights from a softmax over all places.

    Input (batch, h, w, 1 + n): an attention score and n logits; output (batch, n).
    """

    def call(self, inputs: Any) -> Any:
        """Pool over height and width."""
        count = ops.shape(inputs)[1] * ops.shape(inputs)[2]
        places = ops.reshape(inputs, (-1, count, inputs.shape[-1]))
        weights = ops.softmax(places[:, :, :1], axis=1)
        return ops.sum(weights * places[:, :, 1:], axis=1)


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    """3x3 convolution, batch normalisation, rectifier.

    Statistics of some 50 batches: of 20, they left log-loss on validation images .003 and .001
    higher in two trainings, and the last epoch was not the best.
    """
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _surroundings(x: Any, filters: int) -> Any:
    """What the whole picture says to each place: its noise, its contrast, its sharpest part.

    After the squeeze-and-excitation of Hu, Shen and Sun, CVPR 2018, but added rather than
    multiplied.
    """
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    most = layers.GlobalMaxPooling2D(keepdims=True, name="most")(x)
    both = layers.Concatenate(name="summary")([mean, most])
    told = layers.Conv2D(filters, 1, name="told")(both)
    return layers.Conv2D(filters, 1, name="telling")(layers.ReLU(name="told_relu")(told))


def build_network(params: CnnParams) -> keras.Model:
    """Build the network with random weights.

    Returns
    -------
    keras.Model
        Maps grey images (batch, H, W, 1), float32 of 0..255, H and W free, to logits (batch, 4)
        in the order of `LOGITS`.
    """
    image = layers.Input((None, None, 1), name="image")
    # At half size noise counts less and wide blur fits into a block.
    half = HalfSize(name="half")(image)
    coarse = local_spectrum(half, params.patterns, "coarse")
    x = local_spectrum(image, params.patterns, "fine")
    for index, filters in enumerate(params.filters):
        x = _block(x, filters, 2, f"block{index}")
        if index == 0:
            x = layers.Concatenate(name="scales")([x, coarse])
    x = layers.Add(name="informed")([x, _surroundings(x, int(x.shape[-1]))])
    x = _block(x, params.filters[-1], 1, "context")
    x = layers.SpatialDropout2D(params.dropout, name="dropout")(x)
    # Attention starts out where the local spectrum is strong: an empty sky tells nothing.
    stride = 2 ** (len(params.filters) - 1)
    content = layers.AveragePooling2D(stride, padding="same", name="content")(coarse)
    prior = keras.initializers.Constant(2.0 / params.patterns)
    score = layers.Conv2D(1, 1, kernel_initializer=prior, name="content_score")(content)
    score = layers.Add(name="score")([score, layers.Conv2D(1, 1, name="context_score")(x)])
    logits = layers.Conv2D(len(LOGITS), 1, name="local_logits")(x)
    local = layers.Concatenate(name="local")([score, logits])
    return keras.Model(image, AttentionPooling(name="attention")(local), name="blur_cnn")
