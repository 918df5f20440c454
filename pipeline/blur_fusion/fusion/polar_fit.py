"""Train the networks on polar spectra with Keras; import this module only to train."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers, ops

from blur_fusion.fusion.stack import CIRCULAR, DENSE, REACH, Layers, PolarMember
from blur_fusion.fusion.train import PolarRows
from blur_fusion.params import FuseParams
from blur_fusion.progress import progress_bar

UNITS = {CIRCULAR: (24, 24), DENSE: (32, 1)}
RATE, DECAY, NOISE, SMOOTHING = 0.003, 0.001, 0.1, 0.02
DROPOUT, POOLED_DROPOUT = 0.1, 0.3


class _Neighbours(layers.Layer):  # type: ignore[misc, unused-ignore]
    """See `blur_fusion.fusion.stack.neighbours`."""

    def call(self, values: Any) -> Any:
        turned = [ops.roll(values, -step, axis=1) for step in range(-REACH, REACH + 1)]
        return ops.concatenate(turned, axis=2)


def build_polar(angles: int, channels: int) -> keras.Model:
    """One untrained member; answers with a logit, shape (n, 1)."""
    x = spectra = layers.Input((angles, channels))
    for depth, units in enumerate(UNITS[CIRCULAR]):
        x = layers.Dense(units, "relu", name=f"{CIRCULAR}{depth}")(_Neighbours()(x))
        x = layers.Dropout(DROPOUT)(x)
    pooled = [layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)]
    x = layers.Dropout(POOLED_DROPOUT)(layers.Concatenate()(pooled))
    *inner, last = UNITS[DENSE]
    for depth, units in enumerate(inner):
        x = layers.Dense(units, "relu", name=f"{DENSE}{depth}")(x)
    return keras.Model(spectra, layers.Dense(last, name=f"{DENSE}{len(inner)}")(x))


def as_polar_member(model: keras.Model) -> PolarMember:
    """The weights of a Keras member, for numpy."""

    def taken(sort: str) -> Layers:
        found = [model.get_layer(f"{sort}{depth}") for depth in range(len(UNITS[sort]))]
        pairs = [layer.get_weights() for layer in found]
        return tuple((np.asarray(kernel), np.asarray(bias)) for kernel, bias in pairs)

    return PolarMember(taken(CIRCULAR), taken(DENSE))


def fit_polar_member(
    rows: PolarRows, params: FuseParams, seed: int, number: int
) -> tuple[PolarMember, list[dict[str, object]]]:
    """Train one of the networks, which differ by `number`, for `params.polar_steps` steps.

    Returns
    -------
    member : PolarMember
    history : list of dict
        model, member, epoch (a tenth of the steps), loss.
    """
    keras.utils.set_random_seed(seed + number)
    model = build_polar(*rows.own.shape[1:])
    rng = np.random.default_rng(seed + number)
    with progress_bar(params.polar_steps, f"fuse polar {number}", "step") as bar:
        losses = _fit_one(model, rows, params.polar_steps, rng, bar)
    member = as_polar_member(model)
    keras.backend.clear_session()
    parts = np.array_split(losses, min(10, len(losses)))
    return member, [
        {"model": "polar", "member": number, "epoch": epoch, "loss": float(part.mean())}
        for epoch, part in enumerate(parts)
    ]


def _fit_one(
    model: keras.Model, rows: PolarRows, steps: int, rng: np.random.Generator, bar: Any
) -> npt.NDArray[np.float64]:
    """Train `model`; the loss of each step."""
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=DECAY)
    optimizer.build(model.trainable_variables)
    shape = (None, *rows.own.shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape), tf.TensorSpec((None, 1))])
    def step(spectra: Any, labels: Any) -> Any:
        smoothed = labels * (1 - SMOOTHING) + SMOOTHING / 2
        with tf.GradientTape() as tape:
            logits = model(spectra, training=True)
            errors = tf.nn.sigmoid_cross_entropy_with_logits(smoothed, logits)
            loss = tf.reduce_mean(errors)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    losses = np.empty(steps)
    for number in range(steps):
        spectra, labels = rows.draw(rng)
        # Drawn here, because TensorFlow takes twice as long for it.
        spectra += NOISE * rng.standard_normal(spectra.shape, dtype=np.float32)
        losses[number] = float(step(spectra, labels))
        bar.update()
    return losses
