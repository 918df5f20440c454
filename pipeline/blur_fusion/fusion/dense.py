"""Training of the stack's dense networks with Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from blur_fusion.fusion.stack import Networks
from blur_fusion.params import FuseParams
from blur_fusion.progress import progress_bar

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """Rows for one dense network.

    Attributes
    ----------
    values : ndarray of float32, shape (n, d)
        Standardised and clipped.
    base : ndarray of float32, shape (n,)
        The CNN's logit, or zeros.
    labels : ndarray of int, shape (n,)
    ranked : ndarray of float32, shape (r, steps, d)
        Series of images of growing blur; their logits should grow. May be empty.
    ranked_base : ndarray of float32, shape (r, steps)
    copies : ndarray of float32, shape (n, d)
        The same images perturbed: see `blur_fusion.data.augment`.
    copies_base : ndarray of float32, shape (n,)
    """

    values: Floats
    base: Floats
    labels: npt.NDArray[np.int64]
    ranked: Floats
    ranked_base: Floats
    copies: Floats
    copies_base: Floats

    def without_logits(self, count: int) -> Inputs:
        """The same rows without their first `count` columns, the CNN's, and without a base."""
        return Inputs(
            self.values[:, count:],
            np.zeros_like(self.base),
            self.labels,
            self.ranked[:, :, count:],
            np.zeros_like(self.ranked_base),
            self.copies[:, count:],
            np.zeros_like(self.copies_base),
        )

    @classmethod
    def plain(cls, values: Floats, base: Floats, labels: npt.NDArray[np.int64]) -> Inputs:
        """Rows without any series, each its own copy."""
        width = values.shape[1]
        none, no_base = np.zeros((0, 1, width), np.float32), np.zeros((0, 1), np.float32)
        return cls(values, base, labels, none, no_base, values, base)

    def pairs(self) -> tuple[Floats, Floats]:
        """Values (p, 2, d) and bases (p, 2) of neighbours in the series, less blurred first."""
        steps = range(self.ranked.shape[1] - 1)
        values = [self.ranked[:, step : step + 2] for step in steps]
        bases = [self.ranked_base[:, step : step + 2] for step in steps]
        if not values:
            width = self.values.shape[1]
            return np.zeros((0, 2, width), np.float32), np.zeros((0, 2), np.float32)
        return np.concatenate(values), np.concatenate(bases)


RANK_MARGIN = 1.0
SURE = 4.0  # logits: between verdicts surer than this, disagreement counts less and less


class _Sum(layers.Layer):  # type: ignore[misc, unused-ignore]
    """Tower plus `gain` times base; the gain starts at 1, as if the CNN were right."""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(1,), initializer="ones", name="gain")

    def call(self, parts: Any) -> Any:
        tower, base = parts
        return tower + self.gain * base


def build_dense(width: int, params: FuseParams) -> keras.Model:
    """One untrained member on `width` inputs and a base; answers with a logit, shape (n, 1).

    Dropout also falls on the inputs, so that no single measure is leant on, and on the base, so
    that the measures can do without the CNN where it errs.
    """
    values = layers.Input((width,), name="values")
    base = layers.Input((1,), name="base")
    decay = keras.regularizers.L2(params.weight_decay)
    x = layers.Dropout(params.dropout)(values)
    for depth, units in enumerate(params.hidden):
        x = layers.Dense(units, "relu", kernel_regularizer=decay, name=f"dense{depth}")(x)
        x = layers.Dropout(params.dropout)(x)
    tower = layers.Dense(
        1, kernel_regularizer=decay, kernel_initializer="zeros", name=f"dense{len(params.hidden)}"
    )(x)
    heard = layers.Dropout(params.base_dropout)(base)
    return keras.Model([values, base], _Sum(name="sum")([tower, heard]))


def weights_of(model: keras.Model) -> list[Floats]:
    """Kernel and bias of each layer in turn, at last the gain."""
    depth = sum(isinstance(layer, layers.Dense) for layer in model.layers)
    names = [*(f"dense{number}" for number in range(depth)), "sum"]
    return [weight for name in names for weight in model.get_layer(name).get_weights()]


def side_by_side(members: Sequence[list[Floats]]) -> Networks:
    """Networks of the weights of several Keras models, from :func:`weights_of`."""
    *stacked, gains = (np.stack(part).astype(np.float64) for part in zip(*members, strict=True))
    return Networks(tuple(stacked[::2]), tuple(b[:, None] for b in stacked[1::2]), gains)


def fit_dense(
    name: str, inputs: Inputs, params: FuseParams, seed: int
) -> tuple[Networks, list[dict[str, object]]]:
    """Train `params.members` networks that differ by seed, for a fixed number of epochs.

    Parameters
    ----------
    name : str
        Shown by the progress bar and written into the history.
    inputs : Inputs
        Training rows; their CNN logits must come from networks that did not train on them.
    params : FuseParams
    seed : int

    Returns
    -------
    networks : Networks
        With one base.
    history : list of dict
        model, member, epoch, loss.
    """
    members, history = [], []
    with progress_bar(params.members * params.epochs, f"fuse {name}", "epoch") as bar:
        for number in range(params.members):
            keras.utils.set_random_seed(seed + number)
            model = build_dense(inputs.values.shape[1], params)
            losses = _fit_one(model, inputs, params, seed + number, bar)
            members.append(weights_of(model))
            history += [
                {"model": name, "member": number, "epoch": epoch, "loss": loss}
                for epoch, loss in enumerate(losses)
            ]
            keras.backend.clear_session()
    return side_by_side(members), history


def _fit_one(
    model: keras.Model, inputs: Inputs, params: FuseParams, seed: int, bar: Any
) -> list[float]:
    """Train `model`; mean loss of each epoch."""
    steps = -(-len(inputs.labels) // params.batch)
    rate = keras.optimizers.schedules.CosineDecay(params.learning_rate, steps * params.epochs, 0.02)
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    run_epoch = _epoch(model, optimizer, inputs, params)
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(params.epochs):
        order = rng.permutation(len(inputs.labels)).astype(np.int32)
        pairs = rng.permutation((inputs.ranked.shape[1] - 1) * len(inputs.ranked))
        total = run_epoch(tf.constant(order), tf.constant(pairs.astype(np.int32)))
        losses.append(float(total) / steps)
        bar.update()
    return losses


def _epoch(model: keras.Model, optimizer: Any, inputs: Inputs, params: FuseParams) -> Any:
    """One epoch as one TensorFlow call: steps this small would drown in those of Python."""
    values, base = tf.constant(inputs.values), tf.constant(inputs.base[:, None], tf.float32)
    copies, copies_base = tf.constant(inputs.copies), tf.constant(inputs.copies_base[:, None])
    labels = tf.constant(inputs.labels[:, None], tf.float32)
    pair_values, pair_base = (tf.constant(part) for part in inputs.pairs())
    count, batch, width = len(inputs.labels), params.batch, inputs.values.shape[1]
    share = -(-len(pair_base) * batch // count)  # pairs of a step, so that an epoch sees each once

    def disorder(pairs: Any) -> Any:
        """How far the logits fail to grow by `RANK_MARGIN` along each of `pairs`."""
        both = tf.reshape(tf.gather(pair_values, pairs), (-1, width))
        bases = tf.reshape(tf.gather(pair_base, pairs), (-1, 1))
        logits = tf.reshape(model([both, bases], training=True), (-1, 2))
        return tf.reduce_mean(tf.nn.softplus(RANK_MARGIN - logits[:, 1] + logits[:, 0]))

    @tf.function(reduce_retracing=True)
    def run(order: Any, pairs: Any) -> Any:
        total = tf.constant(0.0)
        for start in tf.range(0, count, batch):
            rows = order[start : start + batch]
            with tf.GradientTape() as tape:
                label = tf.gather(labels, rows)
                logit = model([tf.gather(values, rows), tf.gather(base, rows)], training=True)
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(label, logit))
                loss += tf.add_n(model.losses)
                if params.copy_weight:
                    again = model(
                        [tf.gather(copies, rows), tf.gather(copies_base, rows)], training=True
                    )
                    error = tf.nn.sigmoid_cross_entropy_with_logits(label, again)
                    loss += params.copy_weight * tf.reduce_mean(error)
                    loss += params.agreement_weight * tf.reduce_mean(
                        tf.square(tf.tanh(logit / SURE) - tf.tanh(again / SURE))
                    )
                if share and params.rank_weight:
                    part = pairs[start // batch * share : (start // batch + 1) * share]
                    loss += params.rank_weight * disorder(part)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            total += loss
        return total

    return run
