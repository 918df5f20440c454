"""Fit one network on crops, and validate it on whole working images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from blur_fusion.cnn.network import KINDS, LOGITS, build_network
from blur_fusion.data.augment import Pixels, augment_crop, detailed_crop, ranked_pair
from blur_fusion.data.overlays import overlay
from blur_fusion.errors import BlurError
from blur_fusion.images.photo import center_crop
from blur_fusion.images.resize import SMALLEST_INPUT, pad_to
from blur_fusion.parallel import progress_bar
from blur_fusion.params import CnnParams


def make_deterministic(seed: int, threads: int) -> None:
    """Seed Keras and TensorFlow and fix the thread count: two runs give the same bytes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    cv2.setNumThreads(1)
    with suppress(RuntimeError):  # TensorFlow has already run in this process
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


class Network:
    """A network that judges the centre of whole working images."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        # Traced once for all sizes of image.
        signature = [tf.TensorSpec((None, None, None, 1), tf.float32)]
        call = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
        self._call: Callable[[Any], Any] = call

    @classmethod
    def load(cls, folder: Path | str, params: CnnParams, name: str = "final") -> Network:
        """Read the weights that the stage `cnn` wrote for the fit `name`.

        Raises
        ------
        BlurError
            There are no weights, or they belong to another network.
        """
        path = Path(folder) / f"{name}.weights.h5"
        model = build_network(params)
        try:
            model.load_weights(path)
        except FileNotFoundError:
            raise BlurError(f"{path}: no weights; run 'make repro' first") from None
        except (ValueError, OSError) as error:
            line = str(error).splitlines()[0]
            raise BlurError(f"{path}: do not fit cnn.filters in params.yaml ({line})") from None
        return cls(model)

    def logits(self, images: Iterable[Pixels]) -> npt.NDArray[np.float32]:
        """Judge grey images of any size, one at a time: logits (n, 4) in the order of `LOGITS`."""
        rows = []
        for image in images:
            batch = pad_to(center_crop(image), SMALLEST_INPUT)[None, :, :, None].astype(np.float32)
            rows.append(self._call(tf.constant(batch)).numpy()[0])
        return np.asarray(rows, np.float32).reshape(-1, len(LOGITS))


Floats = npt.NDArray[np.float32]
History = list[dict[str, Any]]  # a line for each epoch
RANK_MARGIN = 1.0  # the logit of the more blurred of a pair should be larger by this


@dataclass(frozen=True)
class Material:
    """Labelled images of one fit; `image(i)` is row i of the store."""

    image: Callable[[int], Pixels]
    labels: npt.NDArray[np.int64]
    kinds: tuple[str, ...]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def _targets(material: Material, rows: npt.NDArray[np.int64]) -> Floats:
    """Columns: label, one for each kind, and 1 if the kind is known."""
    target = np.zeros((len(rows), 2 + len(KINDS)), np.float32)
    target[:, 0] = material.labels[rows]
    for line, row in enumerate(rows):
        if (kind := material.kinds[row]) in KINDS:
            target[line, [1 + KINDS.index(kind), -1]] = 1
    return target


def _batch(
    material: Material, params: CnnParams, step: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw crops (n + r, side, side, 1) of training images, and targets (n, 2 + kinds).

    The last r crops are the first r, blurred further.
    """
    wide = step % params.wide_every == params.wide_every - 1
    side, count = params.crop_side, params.crops
    if wide:
        side, count = params.wide_crop_side, params.wide_crops
    rows = rng.choice(material.train, count, replace=len(material.train) < count)
    crops = []
    for row in rows:
        tries = int(rng.integers(1, 3)) if wide else int(rng.integers(1, 9))
        crop = detailed_crop(material.image(int(row)), side, tries, rng)
        if wide and rng.random() < params.overlays:
            crop = overlay(crop, rng)
        crops.append(augment_crop(crop, rng) if params.augment else crop)
    for place in range(0 if wide else min(params.ranked, count)):
        crops[place], further = ranked_pair(crops[place], rng)
        crops.append(further)
    return np.stack(crops)[..., None].astype(np.float32), _targets(material, rows)


def _losses(params: CnnParams, target: Any, logits: Any) -> Any:
    """Loss of blurred or not, of the kind if known, and of the order of pairs."""
    count = tf.shape(target)[0]
    further, logits = logits[count:, 0], logits[:count]
    growth = further - logits[: tf.shape(further)[0], 0]
    order = tf.reduce_sum(tf.nn.softplus(RANK_MARGIN - growth)) / tf.cast(count, tf.float32)
    smoothed = target[:, :1] * (1 - params.label_smoothing) + params.label_smoothing / 2
    blurred = tf.nn.sigmoid_cross_entropy_with_logits(smoothed, logits[:, :1])
    kind = tf.nn.softmax_cross_entropy_with_logits(target[:, 1:-1], logits[:, 1:])
    named = tf.reduce_mean(kind * target[:, -1])
    return tf.reduce_mean(blurred) + params.kind_weight * named + params.rank_weight * order


def _train_step(model: keras.Model, optimizer: Any, params: CnnParams) -> Callable[..., Any]:
    signature = [
        tf.TensorSpec((None, None, None, 1), tf.float32),
        tf.TensorSpec((None, 2 + len(KINDS)), tf.float32),
    ]

    @tf.function(input_signature=signature)
    def step(images: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _losses(params, target, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def fit_network(
    name: str, material: Material, params: CnnParams, seed: int
) -> tuple[keras.Model, History]:
    """Train one network from random weights.

    Returns
    -------
    model : keras.Model
        After the last epoch, when the learning rate is near 0; choosing an epoch by a few
        validation images was a matter of luck.
    history : list of dict
        For each epoch: fit, epoch, loss, validation_loss, validation_auc.
    """
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    model = build_network(params)
    total = params.epochs * params.steps_per_epoch
    peak, warmup = params.learning_rate, max(1, total // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 20, total - warmup, 0.01, warmup_target=peak, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay, clipnorm=1.0)
    optimizer.build(model.trainable_variables)  # inside the step it would be traced twice
    step = _train_step(model, optimizer, params)
    network = Network(model)
    history: History = []
    with progress_bar(total, f"cnn {name}", "step") as bar:
        for epoch in range(params.epochs):
            losses = []
            for index in range(params.steps_per_epoch):
                losses.append(float(step(*_batch(material, params, index, rng))))
                bar.update()
            line = {"fit": name, "epoch": epoch, "loss": float(np.mean(losses))}
            history.append(line | _check(network, material))
    return model, history


def _check(network: Network, material: Material) -> dict[str, float]:
    """Validate on whole images."""
    logits = network.logits(map(material.image, material.validation.tolist()))[:, 0].astype(float)
    labels = material.labels[material.validation]
    cross_entropy = np.logaddexp(0, logits) - labels * logits
    auc = float(roc_auc_score(labels, logits)) if len(set(labels.tolist())) > 1 else float("nan")
    return {"validation_loss": float(cross_entropy.mean()), "validation_auc": auc}
