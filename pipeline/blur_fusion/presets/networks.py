"""The presets' networks: built from their params, and fitted once, without folds, as by authors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from blur_fusion.errors import BlurError, require
from blur_fusion.presets.lite0 import lite0
from blur_fusion.presets.params import LITE0, NetworkParams, Preset, RecipeParams
from blur_fusion.progress import progress_bar

Examples = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


def _answer(x: Any, network: NetworkParams, hidden: tuple[int, ...], classes: int) -> Any:
    """Dense layers with dropout, then one number or one for each class."""
    for units in hidden:
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(network.dropout)(x) if network.dropout else x
    units = 1 if network.output == "sigmoid" else classes
    return layers.Dense(units, activation=network.output, name="answer")(x)


def _backbone(x: Any, network: NetworkParams, weights: str) -> tuple[Any, keras.Model]:
    """Lite0 or a network of `keras.applications`, frozen at first; batch statistics always stay.

    Raises
    ------
    BlurError
        The weights cannot be downloaded, or the file holds none that fit.
    """
    ours = network.backbone == LITE0
    named = ("random",) if ours else ("random", "imagenet")
    known = weights in named or Path(weights).is_file()
    way = "; 'python -m benchmarks.lite0' makes that of ImageNet" if ours else ""
    require(known, f"{weights}: no such file of weights (network.weights, --weights){way}")
    given = None if weights == "random" else weights
    shape = x.shape[1:]
    try:
        if ours:
            backbone = lite0(shape, given)
        else:
            build = getattr(keras.applications, network.backbone)
            backbone = build(input_shape=shape, include_top=False, weights=given)
    except Exception as error:  # urllib, h5py and Keras each have their own
        reason = " ".join(str(error).split())[:160]
        if given != "imagenet":
            raise BlurError(f"{weights}: no weights of {network.backbone} ({reason})") from None
        line = f"{network.backbone}: its ImageNet weights cannot be downloaded ({reason})"
        way = "give a file of weights without top by --weights FILE, or --weights random"
        raise BlurError(f"{line}; {way}") from None
    backbone.trainable = False
    if network.backbone.startswith("MobileNet"):  # the others scale by themselves
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    return backbone(x, training=False), backbone


def build(preset: Preset, weights: str = "") -> tuple[keras.Model, keras.Model | None]:
    """Build the preset's network.

    Parameters
    ----------
    preset : Preset
    weights : str
        Of the backbone, instead of those in the preset: "imagenet", a file, or "random".

    Returns
    -------
    model : keras.Model
        Maps pictures (batch, side, side, 1 or 3), 0..255, to probabilities (batch, classes), or
        (batch, 1) of the second class where the output is a sigmoid.
    backbone : keras.Model, optional
        The frozen part inside, to be fine-tuned.
    """
    network, side = preset.network, preset.input.side
    image = x = layers.Input((side, side, 3 if preset.input.colour else 1), name="image")
    backbone = None
    if preset.recipe.augment:  # mirror, turn and zoom a little; at work in training only
        x = layers.RandomFlip("horizontal", seed=1)(x)
        x = layers.RandomRotation(0.05, seed=2)(x)
        x = layers.RandomZoom(0.1, seed=3)(x)
    if network.backbone:
        x, backbone = _backbone(x, network, weights or network.weights)
        x = layers.Dropout(network.dropout)(x) if network.dropout else x
    else:
        x = layers.Rescaling(1 / 255)(x)
        for filters in network.filters:
            for _ in range(network.convolutions):
                x = layers.Conv2D(filters, network.kernel, padding="same", activation="relu")(x)
            x = layers.MaxPooling2D()(x)
    pooled = layers.Flatten() if network.head == "flatten" else layers.GlobalAveragePooling2D()
    answer = _answer(pooled(x), network, network.dense, len(preset.layout.classes))
    return keras.Model(image, answer, name=preset.name.replace("-", "_")), backbone


def build_fused(preset: Preset) -> keras.Model:
    """The dense network over the first one's probabilities and the scaled Laplacian variance.

    Returns
    -------
    keras.Model
        Maps (batch, classes + 1) to the same output as :func:`build`.
    """
    classes = len(preset.layout.classes)
    given = layers.Input((classes + 1,), name="judged")
    answer = _answer(given, preset.network, preset.network.fused_dense, classes)
    return keras.Model(given, answer, name="fused")


def with_classes(model: keras.Model) -> keras.Model:
    """`model` with a probability for each class, also where it ends in a sigmoid."""
    answer = model.outputs[0]
    if answer.shape[-1] > 1:
        return model
    both = layers.Concatenate()([layers.Rescaling(-1.0, offset=1.0)(answer), answer])
    return keras.Model(model.inputs, both, name=model.name)


def stacked(model: keras.Model, mean: float, deviation: float) -> keras.Model:
    """What the fused network takes, of pictures and their Laplacian variances.

    Parameters
    ----------
    model : keras.Model
        From :func:`with_classes`.
    mean, deviation : float
        Of log(1 + variance) of the training pictures.

    Returns
    -------
    keras.Model
        Maps pictures and variances (batch, 1) to (batch, classes + 1).
    """
    variance = layers.Input((1,), name="laplacian_512")
    scaled = layers.Rescaling(1 / deviation, offset=-mean / deviation)(keras.ops.log1p(variance))
    both = layers.Concatenate()([model.outputs[0], scaled])
    return keras.Model([*model.inputs, variance], both, name="stacked")


class Epoch(NamedTuple):
    """One line of history.csv; `phase` is fit, fine-tune or fused."""

    phase: str
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def fit(
    model: keras.Model,
    train: Examples,
    watched: Examples,
    phase: tuple[str, int, float],
    batch: int,
    checkpoints: Path | None = None,
) -> list[Epoch]:
    """Fit `model` by Adam.

    Parameters
    ----------
    model : keras.Model
        Ends in a sigmoid (batch, 1) or a softmax (batch, classes).
    train, watched : tuple of ndarray
        Inputs (n, ...) and class numbers (n,), to fit to and to watch.
    phase : tuple
        Name, epochs and learning rate.
    batch : int
    checkpoints : Path, optional
        Where weights of each epoch are written; those of least validation loss are restored.

    Raises
    ------
    BlurError
        The loss is no longer finite.
    """
    name, epochs, rate = phase
    binary = int(model.output_shape[-1]) == 1
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    history: list[Epoch] = []
    ends = [time.perf_counter()]

    def note(epoch: int, logs: dict[str, float]) -> None:
        ends.append(time.perf_counter())
        found = [float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")]
        history.append(Epoch._make([name, epoch + 1, *found, ends[-1] - ends[-2]]))
        bar.update()

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=note)]
    if checkpoints is not None:
        files = f"{checkpoints}/{name}_{{epoch:02d}}.weights.h5"
        callbacks += [
            keras.callbacks.ModelCheckpoint(files, save_weights_only=True),
            keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True),  # no stop
        ]
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": batch, "callbacks": callbacks}
    with progress_bar(epochs, f"{model.name} {name}", "epoch") as bar:
        model.fit(*train, validation_data=watched, verbose=0, **settings)
    sound = np.isfinite([(one.loss, one.validation_loss) for one in history]).all()
    require(bool(sound), f"{model.name}: the loss is not finite; lower recipe.learning_rate")
    return history


def fit_network(
    model: keras.Model,
    backbone: keras.Model | None,
    train: Examples,
    watched: Examples,
    recipe: RecipeParams,
    folder: Path,
) -> list[Epoch]:
    """Fit the network; where it has a frozen backbone, that too afterwards, at a lower rate.

    See :func:`fit`; `folder` gets checkpoints where the recipe asks for them.
    """
    kept = folder / "checkpoints" if recipe.checkpoints else None
    first = ("fit", recipe.epochs, recipe.learning_rate)
    history = fit(model, train, watched, first, recipe.batch, kept)
    if backbone is not None and recipe.fine_tune_epochs:
        backbone.trainable = True
        second = ("fine-tune", recipe.fine_tune_epochs, recipe.fine_tune_rate)
        history += fit(model, train, watched, second, recipe.batch, kept)
    return history
