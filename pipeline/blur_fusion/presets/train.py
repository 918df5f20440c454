"""Fit a preset's network once, without folds, as its authors did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.presets.params import NetworkParams, RecipeParams
from blur_fusion.progress import progress_bar

Array = npt.NDArray[np.generic]
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Material:
    """Inputs (n, ...) and class numbers (n,) to fit to, and others to watch."""

    inputs: Array
    targets: npt.NDArray[np.int64]
    watched: Array
    watched_targets: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv; `phase` is fit, fine-tune or fused."""

    phase: str
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


class Batches(keras.utils.PyDataset):
    """Batches of arrays, turned into floats one batch at a time; a new order for each epoch."""

    def __init__(self, inputs: Array, targets: Array, batch: int, seed: int | None) -> None:
        super().__init__()
        self._inputs, self._targets, self._batch = inputs, targets, batch
        self._rng = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(targets))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        rows = self._order[index * self._batch : (index + 1) * self._batch]
        return self._inputs[rows].astype(np.float32), self._targets[rows].astype(np.float32)

    def on_epoch_end(self) -> None:
        """Shuffle, where there is a seed."""
        if self._rng is not None:
            self._rng.shuffle(self._order)


class _Watch(keras.callbacks.Callback):
    """History with seconds, progress, and a checkpoint for each epoch where asked for."""

    def __init__(self, phase: str, bar: Any, folder: Path | None) -> None:
        super().__init__()
        self.epochs: list[Epoch] = []
        self._phase, self._bar, self._folder = phase, bar, folder
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note down the epoch."""
        now, logs = time.perf_counter(), logs or {}
        values = {
            "loss": logs["loss"],
            "accuracy": logs["accuracy"],
            "validation_loss": logs["val_loss"],
            "validation_accuracy": logs["val_accuracy"],
            "seconds": now - self._began,
        }
        numbers = {name: float(value) for name, value in values.items()}
        self.epochs.append(Epoch(self._phase, epoch + 1, **numbers))
        self._began = now
        if self._folder is not None:
            self.model.save_weights(checkpoint(self._folder, self._phase, epoch + 1))
        self._bar.update()


def checkpoint(folder: Path, phase: str, epoch: int) -> Path:
    """Where the weights of an epoch lie below `folder`."""
    return folder / CHECKPOINTS / f"{phase}_{epoch:02d}.weights.h5"


def fit_phase(
    model: keras.Model,
    material: Material,
    recipe: RecipeParams,
    phase: tuple[str, int, float],
    seed: int,
    folder: Path | None = None,
) -> list[Epoch]:
    """Fit `model` by Adam.

    Parameters
    ----------
    model : keras.Model
        Ends in a sigmoid (batch, 1) or a softmax (batch, classes).
    material : Material
    recipe : RecipeParams
    phase : tuple
        Name, epochs and learning rate.
    seed : int
        Of the order of batches.
    folder : Path, optional
        Where a checkpoint of each epoch is written; the one of least validation loss is restored.

    Returns
    -------
    list of Epoch

    Raises
    ------
    BlurError
        The loss is no longer finite.
    """
    name, epochs, rate = phase
    binary = int(model.output_shape[-1]) == 1
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    if folder is not None:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    with progress_bar(epochs, f"{model.name} {name}", "epoch") as bar:
        watch = _Watch(name, bar, folder)
        model.fit(
            Batches(material.inputs, material.targets, recipe.batch, seed),
            validation_data=Batches(material.watched, material.watched_targets, recipe.batch, None),
            epochs=epochs,
            shuffle=False,  # Batches does
            callbacks=[watch],
            verbose=0,
        )
    sound = all(np.isfinite([one.loss, one.validation_loss]).all() for one in watch.epochs)
    require(sound, f"{model.name}: the loss is not finite; lower recipe.learning_rate")
    if folder is not None:
        best = min(watch.epochs, key=lambda one: one.validation_loss)
        model.load_weights(checkpoint(folder, name, best.epoch))
    return watch.epochs


def fit_network(
    model: keras.Model,
    backbone: keras.Model | None,
    material: Material,
    recipe: RecipeParams,
    seed: int,
    folder: Path,
) -> list[Epoch]:
    """Fit the network; where it has a frozen backbone, that too afterwards, at a lower rate."""
    kept = folder if recipe.checkpoints else None
    first = ("fit", recipe.epochs, recipe.learning_rate)
    history = fit_phase(model, material, recipe, first, seed, kept)
    if backbone is not None and recipe.fine_tune_epochs:
        backbone.trainable = True
        second = ("fine-tune", recipe.fine_tune_epochs, recipe.fine_tune_rate)
        history += fit_phase(model, material, recipe, second, seed + 1, kept)
    return history


def class_probabilities(
    model: keras.Model, network: NetworkParams, inputs: Array, batch: int = 32
) -> npt.NDArray[np.float64]:
    """Probability of each class, float64, shape (n, classes)."""
    parts: Sequence[Any] = [
        model.predict_on_batch(inputs[start : start + batch].astype(np.float32))
        for start in range(0, len(inputs), batch)
    ]
    found = np.concatenate(parts).astype(np.float64)
    return np.concatenate([1 - found, found], axis=1) if network.output == "sigmoid" else found
