"""The presets' networks: built from their parameters, and trained once, as by their authors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from blur_fusion.errors import BlurError, one_line, require
from blur_fusion.parallel import progress_bar
from blur_fusion.presets.params import LITE0, NetworkParams, Preset, RecipeParams

Examples = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]

# Each stage of EfficientNet-Lite0: blocks, kernel, stride of the first block, expansion, channels.
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


def _normalised(x: Any, convolution: layers.Layer, active: bool = True) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3)(convolution(x))
    return layers.ReLU(6.0)(x) if active else x


def _pointwise(channels: int) -> layers.Layer:
    return layers.Conv2D(channels, 1, padding="same", use_bias=False)


def _mbconv(x: Any, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    """Expand, convolve depthwise, project; add the input if the shapes agree."""
    given, wide = x, x.shape[-1] * expansion
    if expansion > 1:
        x = _normalised(x, _pointwise(wide))
    depthwise = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)
    x = _normalised(_normalised(x, depthwise), _pointwise(channels), active=False)
    return layers.Add()([x, given]) if stride == 1 and given.shape[-1] == channels else x


def lite0(shape: tuple[int, ...], weights: str | None = None) -> keras.Model:
    """Build EfficientNet-Lite0 without its top; `keras.applications` lacks it.

    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019;
    the Lite variants (ReLU6, no attention) are Google's, 2020.

    Parameters
    ----------
    shape : tuple of int
        (height, width, 3), of pictures 0..255.
    weights : str, optional
        File ending in .weights.h5; `python -m benchmarks.lite0` writes the ImageNet weights.

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
            x = _mbconv(x, kernel, 1 if number else stride, expansion, channels)
    model = keras.Model(picture, _normalised(x, _pointwise(HEAD)), name="efficientnet_lite0")
    if weights:
        model.load_weights(weights)
    return model


def _answer(x: Any, network: NetworkParams, hidden: tuple[int, ...], classes: int) -> Any:
    for units in hidden:
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(network.dropout)(x) if network.dropout else x
    units = 1 if network.output == "sigmoid" else classes
    return layers.Dense(units, activation=network.output, name="answer")(x)


def _backbone(x: Any, network: NetworkParams, weights: str) -> tuple[Any, keras.Model]:
    """Lite0 or a network of `keras.applications`, frozen; its batch statistics never change."""
    ours = network.backbone == LITE0
    known = weights == "random" or (weights == "imagenet" and not ours) or Path(weights).is_file()
    way = "; 'python -m benchmarks.lite0' writes the ImageNet weights" if ours else ""
    require(known, f"{weights}: no such file of weights (network.weights, --weights){way}")
    given, shape = None if weights == "random" else weights, x.shape[1:]
    try:
        if ours:
            backbone = lite0(shape, given)
        else:
            build = getattr(keras.applications, network.backbone)
            backbone = build(input_shape=shape, include_top=False, weights=given)
    except Exception as error:  # urllib, h5py and Keras each have their own
        if given != "imagenet":
            line = f"{weights}: not the weights of {network.backbone} ({one_line(error)})"
            raise BlurError(line) from None
        raise BlurError(
            f"{network.backbone}: its ImageNet weights cannot be downloaded ({one_line(error)}); "
            "give a file of weights without top with --weights FILE, or --weights random"
        ) from None
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
        For the backbone, instead of the preset's: "imagenet", "random" or a file.

    Returns
    -------
    model : keras.Model
        Maps pictures (batch, side, side, 1 or 3), 0..255, to probabilities (batch, classes), or
        (batch, 1) of the second class if the output is a sigmoid.
    backbone : keras.Model, optional
        The frozen part, to be fine-tuned.

    Raises
    ------
    BlurError
        The weights cannot be downloaded, or the file does not hold them.
    """
    network, side = preset.network, preset.input.side
    image = x = layers.Input((side, side, 3 if preset.input.colour else 1), name="image")
    backbone = None
    if preset.recipe.augment:  # in training only
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
    """Build the second network: maps (batch, classes + 1), see `stacked`, to the same output."""
    classes = len(preset.layout.classes)
    given = layers.Input((classes + 1,), name="judged")
    answer = _answer(given, preset.network, preset.network.fused_dense, classes)
    return keras.Model(given, answer, name="fused")


def with_classes(model: keras.Model) -> keras.Model:
    """Give `model` one probability for each class, even if it ends in a sigmoid."""
    answer = model.outputs[0]
    if answer.shape[-1] > 1:
        return model
    both = layers.Concatenate()([layers.Rescaling(-1.0, offset=1.0)(answer), answer])
    return keras.Model(model.inputs, both, name=model.name)


def stacked(model: keras.Model, mean: float, deviation: float) -> keras.Model:
    """Build the inputs of the fused network from pictures and Laplacian variances.

    Parameters
    ----------
    model : keras.Model
        From :func:`with_classes`.
    mean, deviation : float
        Of log(1 + variance) over the training pictures.

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
    """Fit `model` with Adam.

    Parameters
    ----------
    model : keras.Model
        Ends in a sigmoid (batch, 1) or a softmax (batch, classes).
    train, watched : tuple of ndarray
        Inputs (n, ...) and class numbers (n,), for training and validation.
    phase : tuple
        Name, epochs and learning rate.
    batch : int
    checkpoints : Path, optional
        Folder for the weights of each epoch; those with the least validation loss are restored.

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
            # Restores the best weights; with this patience it never stops early.
            keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True),
        ]
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": batch, "callbacks": callbacks}
    with progress_bar(epochs, f"{model.name} {name}", "epoch") as bar:
        model.fit(*train, validation_data=watched, verbose=0, **settings)
    finite = np.isfinite([(one.loss, one.validation_loss) for one in history]).all()
    require(bool(finite), f"{model.name}: the loss is not finite; lower recipe.learning_rate")
    return history


def fit_network(
    model: keras.Model,
    backbone: keras.Model | None,
    train: Examples,
    watched: Examples,
    recipe: RecipeParams,
    folder: Path,
) -> list[Epoch]:
    """Fit the network, then fine-tune its frozen backbone if it has one.

    See :func:`fit`; `folder` gets checkpoints if the recipe asks for them.
    """
    kept = folder / "checkpoints" if recipe.checkpoints else None
    first = ("fit", recipe.epochs, recipe.learning_rate)
    history = fit(model, train, watched, first, recipe.batch, kept)
    if backbone is not None and recipe.fine_tune_epochs:
        backbone.trainable = True
        second = ("fine-tune", recipe.fine_tune_epochs, recipe.fine_tune_rate)
        history += fit(model, train, watched, second, recipe.batch, kept)
    return history
