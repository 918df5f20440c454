"""From trained artefacts to a model folder.

The stage `fuse` writes one and `evaluate` judges with it; `blur export` copies it and adds its
provenance.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blur_fusion.errors import BlurError, require
from blur_fusion.files import write_whole
from blur_fusion.fusion.stack import JUDGES
from blur_fusion.model.folder import (
    FILES,
    MODEL,
    NETWORK,
    PROVENANCE,
    ModelFolder,
    as_json,
    packed,
    read_folder,
    read_json,
    write_folder,
)
from blur_fusion.model.network import OnnxNetwork, network_onnx
from blur_fusion.model.provenance import provenance
from blur_fusion.params import Params

if TYPE_CHECKING:
    from blur_fusion.fusion.train import Table


def write_fused(table: Table, cnn: Path, target: Path, params: Params) -> str:
    """Train the stack on `table`, calibrate it, and write the model folder `target`.

    `cnn` is the output of the stage `cnn`. Beside the model go history.csv, the training loss, and
    validation.npz, the calibrated probabilities of the validation rows. Returns a one-line
    summary.
    """
    from sklearn.metrics import roc_auc_score

    from blur_fusion.cnn.crossfit import write_history
    from blur_fusion.cnn.fit import Network
    from blur_fusion.cnn.network import layer_weights
    from blur_fusion.fusion.train import calibrate, fit_stack

    network = Network.load(cnn, params.cnn).model
    onnx = network_onnx(network)
    OnnxNetwork(onnx, NETWORK)  # fail now if onnxruntime refuses it
    stack, history = fit_stack(table, params)
    model, validation = calibrate(stack, table, params)
    build = {"patterns": params.cnn.patterns, "filters": list(params.cnn.filters)}
    weights = packed(layer_weights(network))
    side = params.image.long_side
    write_folder(target, ModelFolder(onnx, weights, build, model, params.features, side))
    write_history(target, history)
    labels = table.labels[~table.train]
    np.savez(target / "validation.npz", index=table.index[~table.train], label=labels, **validation)
    areas = [f"{judge} {roc_auc_score(labels, validation[judge]):.4f}" for judge in JUDGES]
    return f"fused on {int(table.train.sum())} rows; validation AUC: {', '.join(areas)}"


def check_target(target: Path, force: bool) -> None:
    """Refuse to overwrite anything except, with `force`, another model."""
    if not target.exists():
        return
    require(target.is_dir(), f"{target}: is a file; name a folder")
    names = {path.name for path in target.iterdir()}
    if not names:
        return
    model = MODEL in names and names <= {*FILES, MODEL, PROVENANCE}
    require(model, f"{target}: holds files that are not a model; name an empty or new folder")
    require(force, f"{target}: holds a model already; --force replaces it")
    try:
        read_json(target)
    except BlurError as error:
        raise BlurError(f"{target}: not replaced: it is not a model of blur ({error})") from None


def export_model(
    target: Path, artifacts: Path, params_file: Path, force: bool = False
) -> list[str]:
    """Copy the model that the stages trained to the folder `target`, with its provenance.

    `target` is new or empty, or with `force` a model folder whose files are replaced; `artifacts`
    are as `make repro` leaves them, trained with `params_file`. Returns warnings. BlurError if
    `target` holds something else, or an artefact is missing, damaged or of other params.
    """
    check_target(target, force)
    contents, _ = read_folder(artifacts / "fuse")
    origin, warnings = provenance(artifacts, params_file)
    write_folder(target, contents)
    with write_whole(target / PROVENANCE, force=True) as file:
        file.write(as_json(origin))
    return warnings
