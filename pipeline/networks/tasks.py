"""The tasks of the `cnn` stage: fit one network, and judge with it what it never saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config import Params
from pipeline.data.perturbed import perturbed_copies
from pipeline.data.ranked import ranked_series
from pipeline.data.store import Store
from pipeline.networks.crops import Pixels

Indices = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]

# What a network judges that never saw it: perturbed copies of images, the images themselves, and
# images blurred further and further. Each is a task of its own, so that no core waits at the end.
PARTS = ("copied", "judged", "ranked")


@dataclass(frozen=True)
class Fit:
    """What one fit is for: its rows, and those that it judges because it never saw them."""

    name: str
    train: Indices
    validation: Indices
    judged: Indices
    ranked: Indices


def _reader(store: Store) -> Callable[[int], Pixels]:
    return lambda row: np.asarray(store.image(row))


def fit_one(folders: tuple[str, str], fit: Fit, params: Params) -> list[dict[str, object]]:
    """Fit in a worker process (TensorFlow starts there), write the weights, give the history."""
    from pipeline.networks.determinism import make_deterministic
    from pipeline.networks.fit import Material, fit_network

    store, name = Store.open(folders[0]), fit.name
    position = -1 if name == "final" else int(name.removeprefix("fold_"))
    seed = params.seed * 1000 + 1 + position
    make_deterministic(seed, params.compute.threads)
    labels = np.asarray(store.labels, np.int64)
    material = Material(_reader(store), labels, tuple(store.kinds), fit.train, fit.validation)
    cnn = params.cnn
    if name != "final":
        # As many passes over the images as the final fit makes, over fewer images.
        share = 1 - 1 / params.split.folds
        steps = max(1, round(cnn.steps_per_epoch * share))
        cnn = dataclasses.replace(cnn, steps_per_epoch=steps)
    model, history = fit_network(name, material, cnn, seed)
    model.save_weights(_weights(folders[1], fit))
    return [dataclasses.asdict(line) for line in history]


def _weights(folder: str, fit: Fit) -> str:
    return f"{folder}/{fit.name}.weights.h5"


def judge(folders: tuple[str, str], fit: Fit, part: str, params: Params) -> Logits:
    """Logits (n, 4) of one of `PARTS` by the network that `fit_one` wrote, in a worker process."""
    from pipeline.networks.determinism import make_deterministic
    from pipeline.networks.model import build_network
    from pipeline.networks.predict import whole_image_logits

    store = Store.open(folders[0])
    make_deterministic(params.seed, params.compute.threads)
    model = build_network(params.cnn)
    model.load_weights(_weights(folders[1], fit))
    unseen = fit.judged if fit.name != "final" else fit.judged[:0]
    pictures = {
        "copied": lambda: perturbed_copies(store, unseen, params.seed),
        "judged": lambda: map(_reader(store), fit.judged.tolist()),
        "ranked": lambda: ranked_series(store, fit.ranked, params.seed),
    }
    return whole_image_logits(model, pictures[part]())
