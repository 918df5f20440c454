"""Train the stack on out-of-fold logits and focus measures; calibrate on validation rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from joblib import Parallel, delayed
from keras import layers

from blur_fusion.cnn.crossfit import parallel_fits
from blur_fusion.cnn.fit import History, make_deterministic
from blur_fusion.errors import BlurError, require
from blur_fusion.fusion.calibration import (
    Model,
    RateTable,
    choose_threshold,
    doubt_band,
    fit_calibration,
)
from blur_fusion.fusion.stack import (
    BLURRED,
    JUDGES,
    LOGIT_NAMES,
    Calibration,
    Networks,
    Stack,
    Standardiser,
    motion_logit,
)
from blur_fusion.parallel import progress_bar
from blur_fusion.params import FuseParams, Params

Floats = npt.NDArray[np.float32]

FEWEST_KINDS = 20  # training images of each kind; with fewer, the model tells no kinds
RANK_MARGIN = 1.0
SURE = 4.0  # logits: above this, disagreement counts less and less


@dataclass(frozen=True)
class Table:
    """Training and validation rows; `blur_fusion.data.augment` makes the last three."""

    index: npt.NDArray[np.int64]  # (n,) row in the store, ascending
    labels: npt.NDArray[np.int64]  # (n,)
    train: npt.NDArray[np.bool_]  # (n,) the others are for validation
    kinds: npt.NDArray[np.str_]  # (n,) sharp, defocus, motion, or empty where unknown
    folds: npt.NDArray[np.int64]  # (n,) of the training rows, by scene
    names: tuple[str, ...]  # of the focus measures
    own: Floats  # (n, 4 + F) CNN logits, out of fold for training rows; focus measures
    ranked: Floats  # (r, steps, 4 + F) training images blurred further and further
    ranked_rows: npt.NDArray[np.int64]  # (r,) their rows in the store
    copied: Floats  # (t, 4 + F) the t training images, perturbed

    def __post_init__(self) -> None:
        for name, part in (("train", self.train), ("validation", ~self.train)):
            both = set(self.labels[part].tolist()) == {0, 1}
            require(both, f"fuse: the {name} rows contain only one class; both are needed")

    @property
    def raw(self) -> dict[str, Floats]:
        """Training rows, not standardised, under the names of :class:`Inputs`."""
        return {"values": self.own[self.train], "ranked": self.ranked, "copies": self.copied}

    @property
    def ranked_places(self) -> npt.NDArray[np.int64]:
        """Where in the other arrays the images of `ranked` are: int, shape (r,)."""
        return np.searchsorted(self.index, self.ranked_rows)

    def held_logits(self, stack: Stack) -> dict[str, npt.NDArray[np.float64]]:
        """What `stack` answers to the validation rows: see `Stack.logits`."""
        held, wide = self.own[~self.train], len(LOGIT_NAMES)
        return stack.logits(held[:, :wide], held[:, wide:])


def _arrays(path: Path, stage: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run the stage {stage}") from None


def read_table(
    cnn: Path,
    features: Path,
    labels: npt.NDArray[np.int64],
    splits: npt.NDArray[np.str_],
    kinds: npt.NDArray[np.str_],
    folds: npt.NDArray[np.int64],
) -> Table:
    """Join the outputs of the stages `cnn` and `features` by row of the store.

    BlurError if a file is missing, lacks a row, or has a test row.
    """
    network = _arrays(cnn / "logits.npz", "cnn")
    measured = _arrays(features / "features.npz", "features")
    index = np.flatnonzero(splits != "test")
    for path, found in ((cnn / "logits.npz", network), (features / "features.npz", measured)):
        same = np.array_equal(np.sort(found["index"]), index)
        require(same, f"{path}: other rows than train and validation; run 'dvc repro'")
    same = np.array_equal(network["ranked_index"], measured["ranked_index"])
    require(same, f"{features}: ranks other images than {cnn}; run 'dvc repro'")
    logits = network["logits"][np.argsort(network["index"])]
    values = measured["values"][np.argsort(measured["index"])]
    return Table(
        index=index,
        labels=labels[index],
        train=splits[index] == "train",
        kinds=kinds[index],
        folds=folds[index],
        names=tuple(str(name) for name in measured["names"]),
        own=np.concatenate([logits, values], axis=-1),
        ranked=np.concatenate([network["ranked_logits"], measured["ranked_values"]], axis=-1),
        ranked_rows=network["ranked_index"],
        copied=np.concatenate([network["copied_logits"], measured["copied_values"]], axis=-1),
    )


@dataclass(frozen=True)
class Inputs:
    """Rows for one dense network: d standardised and clipped columns, and a base logit.

    The network corrects the base: see :func:`prior` and :func:`kind_inputs`.
    """

    values: Floats  # (n, d + 1)
    labels: npt.NDArray[np.int64]  # (n,)
    ranked: Floats  # (r, steps, d + 1) series whose logits should grow
    copies: Floats  # (n, d + 1) the same images perturbed

    def without_logits(self) -> Inputs:
        """The same rows without the CNN's columns."""

        def part(rows: Floats) -> Floats:
            return rows[..., len(LOGIT_NAMES) :]

        return Inputs(part(self.values), self.labels, part(self.ranked), part(self.copies))

    def taken(self, rows: npt.NDArray[np.bool_], ranked: npt.NDArray[np.bool_]) -> Inputs:
        """Some of the rows, and of the series."""
        return Inputs(self.values[rows], self.labels[rows], self.ranked[ranked], self.copies[rows])

    def on_base(self, base: Callable[[str], Floats]) -> Inputs:
        """The same rows on another base: `base` of "values", "ranked" and "copies"."""

        def part(name: str) -> Floats:
            columns = getattr(self, name)[..., :-1]
            return np.concatenate([columns, base(name)[..., None].astype(np.float32)], axis=-1)

        return Inputs(part("values"), self.labels, part("ranked"), part("copies"))

    def pairs(self) -> Floats:
        """Neighbours (p, 2, d + 1) in the series, less blurred first."""
        both = np.stack([self.ranked[:, :-1], self.ranked[:, 1:]], axis=2)
        return both.swapaxes(0, 1).reshape(-1, *both.shape[2:])


def kind_inputs(rows: Inputs, table: Table) -> Inputs:
    """Blurred training rows and their copies, labelled 1 where the blur is motion.

    Series of images known to be sharp or defocused add defocus of every extent. The base is the
    CNN's own guess. `rows` are all training rows of `table`, standardised.
    """
    kinds = table.kinds[table.train]
    named = np.flatnonzero((kinds == "motion") | (kinds == "defocus"))
    series = np.isin(table.kinds[table.ranked_places], ("sharp", "defocus"))
    guessed = rows.on_base(lambda name: motion_logit(table.raw[name]).astype(np.float32))
    further = guessed.ranked[series][:, 1:].reshape(-1, guessed.ranked.shape[-1])
    labels = np.append(kinds[named] == "motion", np.zeros(len(further))).astype(np.int64)
    own, copied = (
        np.concatenate([part[named], further]) for part in (guessed.values, guessed.copies)
    )
    return Inputs(own, labels, rows.ranked[:0], copied)


def _logit(networks: Networks, rows: Floats) -> Floats:
    """Mean logit (...) of an ensemble without a base, on rows (..., d + 1)."""
    flat = rows.reshape(-1, rows.shape[-1])
    found = networks.logits(flat[:, :-1], flat[:, -1:]).mean(axis=0)
    return found.reshape(rows.shape[:-1]).astype(np.float32)


def prior(measures: Inputs, table: Table, by_fold: dict[int, Networks]) -> tuple[Any, Any, Any]:
    """The sum of both calibrated judges, the measures' logits out of fold too.

    `measures` are all training rows of `table`, standardised, without the CNN's logits; `by_fold`
    are networks on measures by the fold that they did not see. Returns a function that gives the
    sum for "values", "ranked" or "copies", and the calibrations of the CNN and of the measures.
    """
    own = table.folds[table.train]
    folds = {"values": own, "ranked": table.folds[table.ranked_places], "copies": own}

    def unseen(name: str) -> Floats:
        rows = getattr(measures, name)
        found = np.zeros(rows.shape[:-1], np.float32)
        for fold, networks in by_fold.items():
            found[folds[name] == fold] = _logit(networks, rows[folds[name] == fold])
        return found

    logits = {name: (table.raw[name][..., BLURRED], unseen(name)) for name in folds}
    cnn, features = (fit_calibration(measures.labels, part) for part in logits["values"])

    def base(name: str) -> Floats:
        network, measured = logits[name]
        return (cnn.scaled(network) + features.scaled(measured)).astype(np.float32)

    return base, cnn, features


class _Sum(layers.Layer):  # type: ignore[misc, unused-ignore]
    """Tower plus `gain` times base; the gain starts at 1, as if the CNN were right."""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(1,), initializer="ones", name="gain")

    def call(self, parts: Any) -> Any:
        tower, base = parts
        return tower + self.gain * base


def build_dense(width: int, params: FuseParams) -> keras.Model:
    """One untrained network on `width` inputs and a base; its answer is a logit, shape (n, 1).

    Dropout also falls on the inputs, so that no single measure dominates, and on the base, so that
    the measures can correct the CNN.
    """
    values = layers.Input((width,), name="values")
    base = layers.Input((1,), name="base")
    decay = keras.regularizers.L2(params.weight_decay)
    x = layers.Dropout(params.dropout)(values)
    for units in params.hidden:
        x = layers.Dense(units, "relu", kernel_regularizer=decay)(x)
        x = layers.Dropout(params.dropout)(x)
    tower = layers.Dense(1, kernel_regularizer=decay, kernel_initializer="zeros")(x)
    heard = layers.Dropout(params.base_dropout)(base)
    return keras.Model([values, base], _Sum(name="sum")([tower, heard]))


def side_by_side(members: Sequence[list[Floats]]) -> Networks:
    """Networks from the weights of several models of :func:`build_dense`; its gain comes last."""
    *stacked, gains = (np.stack(part).astype(np.float64) for part in zip(*members, strict=True))
    return Networks(tuple(stacked[::2]), tuple(b[:, None] for b in stacked[1::2]), gains)


def fit_dense(name: str, inputs: Inputs, params: FuseParams, seed: int) -> tuple[Networks, History]:
    """Train `params.members` networks that differ by seed, for a fixed number of epochs.

    CNN logits of the rows must come from networks that did not train on them. Returns networks with
    one base, and the history: model, member, epoch, loss.
    """
    members, history = [], []
    keras.utils.set_random_seed(seed)
    width, steps = inputs.values.shape[1] - 1, -(-len(inputs.labels) // params.batch)
    rate = keras.optimizers.schedules.CosineDecay(params.learning_rate, steps * params.epochs, 0.02)
    model, optimizer = build_dense(width, params), keras.optimizers.Adam(rate, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    run_epoch = _epoch(model, optimizer, inputs, params)  # traced once, which takes seconds
    with progress_bar(params.members * params.epochs, f"fuse {name}", "epoch") as bar:
        for number in range(params.members):
            keras.utils.set_random_seed(seed + number)
            model.set_weights(build_dense(width, params).get_weights())
            for variable in optimizer.variables:
                variable.assign(tf.zeros_like(variable))
            losses = _fit_one(run_epoch, inputs, params, seed + number, bar)
            members.append(model.get_weights())
            line = {"model": name, "member": number}
            history += [{**line, "epoch": n, "loss": loss} for n, loss in enumerate(losses)]
    keras.backend.clear_session()
    return side_by_side(members), history


def _fit_one(
    run_epoch: Any, inputs: Inputs, params: FuseParams, seed: int, bar: Any
) -> list[float]:
    """Train one member; mean loss of each epoch."""
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(params.epochs):
        order = rng.permutation(len(inputs.labels)).astype(np.int32)
        pairs = rng.permutation((inputs.ranked.shape[1] - 1) * len(inputs.ranked))
        total = run_epoch(tf.constant(order), tf.constant(pairs.astype(np.int32)))
        losses.append(float(total) / -(-len(inputs.labels) // params.batch))
        bar.update()
    return losses


def _epoch(model: keras.Model, optimizer: Any, inputs: Inputs, params: FuseParams) -> Any:
    """One epoch as one TensorFlow call: Python's overhead would dominate steps this small."""
    values, copies, ranked = (
        (tf.constant(rows[..., :-1]), tf.constant(rows[..., -1:]))
        for rows in (inputs.values, inputs.copies, inputs.pairs())
    )
    labels = tf.constant(inputs.labels[:, None], tf.float32)
    count, batch = len(inputs.labels), params.batch
    share = -(-len(ranked[0]) * batch // count)  # pairs per step: an epoch sees each once

    def answer(parts: Any, rows: Any) -> Any:
        return model([tf.gather(part, rows) for part in parts], training=True)

    def disorder(pairs: Any) -> Any:
        """How far the logits fail to grow by `RANK_MARGIN` along each of `pairs`."""
        both = [tf.reshape(tf.gather(part, pairs), (-1, part.shape[-1])) for part in ranked]
        logits = tf.reshape(model(both, training=True), (-1, 2))
        return tf.reduce_mean(tf.nn.softplus(RANK_MARGIN - logits[:, 1] + logits[:, 0]))

    @tf.function(reduce_retracing=True)
    def run(order: Any, pairs: Any) -> Any:
        total = tf.constant(0.0)
        for start in tf.range(0, count, batch):
            rows = order[start : start + batch]
            with tf.GradientTape() as tape:
                label = tf.gather(labels, rows)
                logit = answer(values, rows)
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(label, logit))
                loss += tf.add_n(model.losses)
                if params.copy_weight:
                    again = answer(copies, rows)
                    error = tf.nn.sigmoid_cross_entropy_with_logits(label, again)
                    loss += params.copy_weight * tf.reduce_mean(error)
                    apart = tf.tanh(logit / SURE) - tf.tanh(again / SURE)
                    loss += params.agreement_weight * tf.reduce_mean(tf.square(apart))
                if share and params.rank_weight:
                    part = pairs[start // batch * share : (start // batch + 1) * share]
                    loss += params.rank_weight * disorder(part)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            total += loss
        return total

    return run


def _fit(name: str, inputs: Inputs, params: Params) -> tuple[Networks, History]:
    """Train in a worker process."""
    make_deterministic(params.seed, params.compute.threads)
    fuse = params.fuse
    counts = {"features": fuse.members, "both": fuse.members, "kind": fuse.kind_members}
    wanted = dataclasses.replace(fuse, members=counts.get(name, fuse.fold_members))
    if name == "both":  # what is added to the sum is learned in its presence
        wanted = dataclasses.replace(wanted, base_dropout=0)
    return fit_dense(name, inputs, wanted, 100 * params.seed)


def _residual(both: Networks, share: float, cnn: Calibration, features: Calibration) -> Networks:
    """`both`, trained on the sum of calibrated logits, as a correction to the measures' logit.

    It goes `share` of the way from the sum to what it learned, in units of the measures' logit.
    """
    size = features.temperature * share / (1 - share + share * both.gains)
    kernels = *both.kernels[:-1], both.kernels[-1] * size[:, :, None]
    biases = *both.biases[:-1], both.biases[-1] * size[:, :, None]
    gains = np.full_like(both.gains, features.temperature / cnn.temperature)
    return Networks(tuple(map(_single, kernels)), tuple(map(_single, biases)), _single(gains))


def _single(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rounded to the precision of the model folder, so that what is calibrated is what ships."""
    return array.astype(np.float32).astype(np.float64)


def fit_stack(table: Table, params: Params) -> tuple[Stack, History]:
    """Train on the training rows alone: on measures, on all columns, and for the kind.

    On unfamiliar photos the plain sum of both judges beats a stack that learned to weigh them on
    rendered ones; so the network on all columns corrects that sum, and only partly.
    """
    own, kinds = table.own[table.train], table.kinds[table.train]
    standardiser = Standardiser.fit(own, params.fuse.clip)

    def rows(raw: Floats) -> Floats:
        standard = standardiser.apply(raw.reshape(-1, raw.shape[-1])).reshape(raw.shape)
        return np.concatenate([standard, np.zeros_like(standard[..., :1])], axis=-1)

    parts = {name: rows(raw) for name, raw in table.raw.items()}
    everything = Inputs(labels=table.labels[table.train], **parts)
    measures = everything.without_logits()
    wanted = {"features": measures}
    folds = np.unique(table.folds[table.train]).tolist()
    for fold in folds:
        inside = table.folds != fold
        part = inside[table.train], inside[table.ranked_places]
        wanted[f"fold_{fold}"] = measures.taken(*part)
    if min(int((kinds == kind).sum()) for kind in ("motion", "defocus")) >= FEWEST_KINDS:
        wanted["kind"] = kind_inputs(everything, table)
    run = Parallel(n_jobs=min(parallel_fits(params.compute), len(wanted)))
    fits = run(delayed(_fit)(name, inputs, params) for name, inputs in wanted.items())
    fitted, histories = zip(*fits, strict=True)
    found: dict[str, Networks] = dict(zip(wanted, fitted, strict=True))
    by_fold = {fold: found.pop(f"fold_{fold}") for fold in folds}
    base, cnn, features = prior(measures, table, by_fold)
    (both, losses) = run([delayed(_fit)("both", everything.on_base(base), params)])[0]
    found["both"] = _residual(both, params.fuse.residual, cnn, features)
    history = [line for lines in (*histories, losses) for line in lines]
    return Stack.join(table.names, standardiser, found), history


def calibrate(stack: Stack, table: Table, params: Params) -> tuple[Model, dict[str, Any]]:
    """Calibration, threshold and band of each judge, from the validation rows alone.

    Also returns the calibrated probabilities of the validation rows by judge.
    """
    labels, raw = table.labels[~table.train], table.held_logits(stack)
    calibrations = {judge: fit_calibration(labels, raw[judge]) for judge in JUDGES}
    validation = {judge: calibrations[judge].probability(raw[judge]) for judge in JUDGES}
    costs = params.threshold
    rate = costs.max_false_alarm_rate
    thresholds = {judge: choose_threshold(labels, validation[judge], rate) for judge in JUDGES}
    bands = {
        judge: doubt_band(labels, validation[judge], thresholds[judge], costs) for judge in JUDGES
    }
    rates = RateTable.fit(labels, validation["fused"])
    return Model(stack, calibrations, thresholds, rates, bands), validation
