"""The convolutional network: local logits on a coarse map, pooled with learned attention."""

from __future__ import annotations

import io
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers, ops

from blur_fusion.cnn.spectra import FLOOR, GAIN, OFFSET, SIDE, STRIDE, cosine_basis
from blur_fusion.errors import BlurError, one_line
from blur_fusion.params import CnnParams


class LogMagnitude(layers.Layer):
    """Logarithm of each response's magnitude: contrast becomes an offset."""

    def call(self, inputs: Any) -> Any:
        """Add about what 8-bit rounding leaves, so that zero is allowed."""
        return ops.log(ops.abs(inputs) + FLOOR)


class HalfSize(layers.Layer):
    """Means of 2 x 2 pixels of a grey image (batch, h, w, 1); means of two at an odd edge.

    For integer pixels the same as average pooling, bit for bit. TensorFlow's takes seven times as
    long on a single channel, a fifth of a training step.
    """

    def call(self, image: Any) -> Any:
        """Add rows, then columns, which are contiguous in memory."""
        odd = tf.shape(image)[1:3] % 2
        edge = tf.pad(odd[:, None], [[1, 1], [1, 0]])  # after height and width alone
        any_odd = tf.reduce_any(odd > 0)
        even = tf.cond(any_odd, lambda: tf.pad(image, edge, "SYMMETRIC"), lambda: image)
        count, height, width = (tf.shape(even)[axis] for axis in range(3))
        pairs = tf.reshape(even, (count, height // 2, 2, width // 2, 2))
        rows = pairs[:, :, 0] + pairs[:, :, 1]
        return (rows[..., :1] + rows[..., 1:]) / 4


class Blocks(layers.Conv2D):
    """Convolution of a grey image (batch, h, w, 1) by square kernels, padding "same".

    Groups of `stride` columns become channels, since TensorFlow is slow on a single one. The result
    is that of the plain convolution, except for rounding. The stride must divide the kernel's side.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve without bias; see the class."""
        (side, _), (stride, _) = self.kernel_size, self.strides
        extents = tf.unstack(tf.shape(inputs)[1:3])
        edges = [_same_padding(extent, side, stride) for extent in extents]
        padded = tf.pad(inputs, [[0, 0], *edges, [0, 0]])
        count, height, width = tf.unstack(tf.shape(padded)[:3])
        columns = tf.reshape(padded, (count, height, width // stride, stride))
        grouped = tf.reshape(kernel, (side, side // stride, stride, self.filters))
        return tf.nn.conv2d(columns, grouped, (stride, 1), "VALID")


def _same_padding(extent: Any, side: int, stride: int) -> tuple[Any, Any]:
    """Zeros before and after `extent` pixels for TensorFlow's "same"."""
    rest = (extent + stride - 1) // stride * stride - extent
    total = side - stride + rest
    return total // 2, total - total // 2


def local_spectrum(image: Any, count: int, name: str) -> Any:
    """Log magnitudes of a DCT of 8x8 blocks, four pixels apart, scaled to about -1..3.

    The patterns are fixed: the logarithm's gradient explodes near zero, and trained patterns did
    far worse (crop AUC 0.84 against 0.90 after 250 steps).
    """
    patterns = keras.initializers.Constant(cosine_basis(count))
    fixed = {"padding": "same", "use_bias": False, "trainable": False, "name": f"{name}_blocks"}
    blocks = Blocks(count, SIDE, STRIDE, kernel_initializer=patterns, **fixed)(image)
    logarithm = LogMagnitude(name=f"{name}_log")(blocks)
    return layers.Rescaling(GAIN, offset=OFFSET, name=f"{name}_rescale")(logarithm)


# Columns of the network's output; the last three are the kind.
LOGITS = ("blurred", "sharp", "defocus", "motion")
KINDS = LOGITS[1:]


class AttentionPooling(layers.Layer):
    """Average local logits, weighted by a softmax over all places.

    Input (batch, h, w, 1 + n): an attention score and n logits, the first that of blurred; output
    (batch, n). The sharper a place, the more it counts, so that a small sharp subject is not
    outvoted by its background. This is a soft minimum of the first logit where scores are equal.
    """

    slope = 0.5  # how fast the score falls with the logit of blurred

    def call(self, inputs: Any) -> Any:
        """Pool over height and width."""
        count = ops.shape(inputs)[1] * ops.shape(inputs)[2]
        places = ops.reshape(inputs, (-1, count, inputs.shape[-1]))
        weights = ops.softmax(places[:, :, :1] - self.slope * places[:, :, 1:2], axis=1)
        return ops.sum(weights * places[:, :, 1:], axis=1)


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    """3x3 convolution, batch normalisation, ReLU.

    Statistics cover some 50 batches: over 20, validation log-loss was .003 and .001 higher in two
    trainings, and the last epoch was not the best.
    """
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _in_context(x: Any) -> Any:
    """Add to each place what the whole picture shows: its noise, contrast, sharpest part.

    Squeeze-and-excitation (Hu, Shen and Sun, CVPR 2018), but added instead of multiplied.
    """
    filters = int(x.shape[-1])
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean_pool")(x)
    largest = layers.GlobalMaxPooling2D(keepdims=True, name="max_pool")(x)
    both = layers.Concatenate(name="pools")([mean, largest])
    squeezed = layers.ReLU(name="squeeze_relu")(layers.Conv2D(filters, 1, name="squeeze")(both))
    return layers.Add(name="context")([x, layers.Conv2D(filters, 1, name="excite")(squeezed)])


def build_network(params: CnnParams) -> keras.Model:
    """Build the network with random weights.

    Returns
    -------
    keras.Model
        Maps grey images (batch, H, W, 1) of any size, float32 0..255, to logits (batch, 4) in the
        order of `LOGITS`.
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
    x = _block(_in_context(x), params.filters[-1], 1, "head")
    x = layers.SpatialDropout2D(params.dropout, name="dropout")(x)
    # Attention starts where the local spectrum is strong, not on an empty sky.
    stride = 2 ** (len(params.filters) - 1)
    content = layers.AveragePooling2D(stride, padding="same", name="content")(coarse)
    prior = keras.initializers.Constant(2.0 / params.patterns)
    score = layers.Conv2D(1, 1, kernel_initializer=prior, name="content_score")(content)
    score = layers.Add(name="score")([score, layers.Conv2D(1, 1, name="head_score")(x)])
    logits = layers.Conv2D(len(LOGITS), 1, name="local_logits")(x)
    local = layers.Concatenate(name="local")([score, logits])
    return keras.Model(image, AttentionPooling(name="attention")(local), name="blur_cnn")


def layer_weights(model: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """All weights of a network, named "layer/number"."""
    return {
        f"{layer.name}/{place}": weight
        for layer in model.layers
        for place, weight in enumerate(layer.get_weights())
    }


def network_from(build: dict[str, Any], weights: bytes) -> keras.Model:
    """Rebuild the network of a model folder.

    Parameters
    ----------
    build : dict
        From model.json: patterns and filters.
    weights : bytes
        Of cnn.npz, see :func:`layer_weights`.

    Raises
    ------
    BlurError
        The weights are damaged, or do not fit.
    """
    try:
        model = build_network(CnnParams(build["patterns"], tuple(build["filters"])))
        with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
            for layer in model.layers:
                count = len(layer.get_weights())
                layer.set_weights([arrays[f"{layer.name}/{place}"] for place in range(count)])
    except Exception as error:  # zipfile, numpy and Keras each have their own
        raise BlurError(f"cnn.npz: damaged ({one_line(error)})") from None
    return model
