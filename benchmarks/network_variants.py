"""The final network trained without one of its parts; it takes minutes for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from benchmarks.ablation import Variant
from benchmarks.replaced import Replacement, replaced
from benchmarks.stage_runs import code_digest, is_done, mark_done, prepare
from blur_fusion.cnn.crossfit import _plan, fit_one, judge, parallel_fits
from blur_fusion.data.store import Store
from blur_fusion.errors import require
from blur_fusion.fusion.stack import BLURRED
from blur_fusion.params import Params

# The pipeline's own fit, so that a variant differs by its one part and nothing else.

NAME = "network"


def _same() -> list[Replacement]:
    return []


def _mean_pooling() -> list[Replacement]:
    """All places count alike; nothing learns from the scores."""
    from keras import ops

    from blur_fusion.cnn import network as model

    class MeanPooling(model.AttentionPooling):
        def call(self, inputs: Any) -> Any:
            level = ops.zeros_like(inputs[..., :1])
            return super().call(ops.concatenate([level, inputs[..., 1:]], axis=-1))

    return [(model, "AttentionPooling", MeanPooling)]


def _no_coarse_scale() -> list[Replacement]:
    """Zeros for the spectrum at half size, which also is where attention starts from."""
    from keras import layers

    from blur_fusion.cnn import network as local_spectrum
    from blur_fusion.cnn import network as model

    def spectrum(image: Any, count: int, name: str) -> Any:
        found = local_spectrum.local_spectrum(image, count, name)
        return layers.Rescaling(0.0, name="nothing")(found) if name == "coarse" else found

    return [(model, "local_spectrum", spectrum)]


@dataclass(frozen=True)
class NetworkVariant:
    """Values of `cnn` in params.yaml that differ, and names in modules that do."""

    params: dict[str, Any]
    replacements: Callable[[], list[Replacement]] = _same


NOTHING = "nothing"  # trained as the others are: artefacts may come from another machine
NETWORKS = {
    NOTHING: NetworkVariant({}),
    "attention": NetworkVariant({}, _mean_pooling),
    "augmentation": NetworkVariant({"augment": False}),
    "overlays": NetworkVariant({"overlays": 0.0}),
    # Both: the pairs' first crops alone would still be noisier than without pairs.
    "ranked pairs": NetworkVariant({"ranked": 0, "rank_weight": 0.0}),
    "coarse scale": NetworkVariant({}, _no_coarse_scale),
}


def changed(params: Params, part: str) -> Params:
    """`params` with what leaving out `part` changes in them."""
    return dataclasses.replace(params, cnn=dataclasses.replace(params.cnn, **NETWORKS[part].params))


def path_of(folder: Path, part: str) -> Path:
    """Where the network without `part` lies."""
    return folder / part.replace(" ", "_")


def fit_without(load: Path, folder: Path, part: str, params: Params) -> None:
    """Train the final network without `part`; write its weights and validation logits.

    Runs in a worker process: TensorFlow's threads are counted when it starts.
    """
    code, target = code_digest(), path_of(folder, part)
    target.mkdir(parents=True, exist_ok=True)
    final = _plan(Store.open(load), params)[0]
    with replaced(NETWORKS[part].replacements()):
        folders, lacking = (str(load), str(target)), changed(params, part)
        fit_one(folders, final, lacking)
        logits = judge(folders, final, "judged", lacking)
    np.savez(target / "logits.npz", index=final.judged, logits=logits)
    mark_done(target, NAME, code)


def network_variants(
    load: Path, folder: Path, params_text: str, params: Params, index: npt.NDArray[np.int64]
) -> tuple[Variant, list[Variant]]:
    """Train each variant that does not lie in `folder` yet, and read all.

    The reference, which lacks nothing, comes first.

    Parameters
    ----------
    load : Path
        Artefact of the stage `load`.
    folder : Path
    params_text : str
        Text of the params.yaml that `params` was read from.
    params : Params
    index : ndarray of int, shape (n,)
        Validation rows of the store, ascending.

    Raises
    ------
    BlurError
        What lies in `folder` was trained with other parameters or data.
    """
    data = Store.open(load).dataset["digest"]
    for part in NETWORKS:
        prepare(path_of(folder, part), f"{params_text}# data: {data}\n")
    todo = [part for part in NETWORKS if not is_done(path_of(folder, part), NAME)]
    run = Parallel(n_jobs=min(parallel_fits(params.compute), max(1, len(todo))))
    run(delayed(fit_without)(load, folder, part, params) for part in todo)
    variants = []
    for part in NETWORKS:
        path = path_of(folder, part) / "logits.npz"
        with np.load(path) as found:
            same = np.array_equal(found["index"], index)
            require(same, f"{path}: judged other images; name another folder")
            name = "CNN alone, trained again" if part == NOTHING else f"CNN - {part}"
            variants.append(Variant(name, found["logits"][:, BLURRED]))
    return variants[0], variants[1:]
