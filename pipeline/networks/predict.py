"""Judge whole working images with a trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.config import BlurError
from pipeline.config.sections import CnnParams
from pipeline.images import middle
from pipeline.networks.crops import SMALLEST, Pixels, pad_to
from pipeline.networks.model import LOGITS, build_network


def _compiled(model: keras.Model) -> Callable[[Any], Any]:
    """`model` without training, traced once for all sizes of image."""
    signature = [tf.TensorSpec((None, None, None, 1), tf.float32)]
    return tf.function(lambda batch: model(batch, training=False), input_signature=signature)


def whole_image_logits(model: keras.Model, images: Iterable[Pixels]) -> npt.NDArray[np.float32]:
    """Logits (n, 4) float32 of the middles of grey uint8 images of any size, one at a time."""
    return _logits(_compiled(model), images)


def _logits(call: Callable[[Any], Any], images: Iterable[Pixels]) -> npt.NDArray[np.float32]:
    rows = []
    for image in images:
        batch = pad_to(middle(image), SMALLEST)[None, :, :, None].astype(np.float32)
        rows.append(call(tf.constant(batch)).numpy()[0])
    return np.asarray(rows, np.float32).reshape(-1, len(LOGITS))


class Network:
    """A trained network, loaded from the weights that the `cnn` stage wrote."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._call = _compiled(model)

    @classmethod
    def load(cls, folder: Path | str, params: CnnParams) -> Network:
        """Read `final.weights.h5` below `folder`.

        Raises
        ------
        BlurError
            There are no weights, or they belong to another network.
        """
        path = Path(folder) / "final.weights.h5"
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
        """Logits (n, 4) in the order of `LOGITS`; see `whole_image_logits`."""
        return _logits(self._call, images)
