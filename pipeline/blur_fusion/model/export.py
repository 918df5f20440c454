"""`blur export`: artefacts of the stages to a model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blur_fusion.errors import BlurError, require
from blur_fusion.fusion.calibration import RateTable
from blur_fusion.fusion.stack import Model
from blur_fusion.model.folder import (
    MODEL,
    NETWORK,
    REST,
    STACK,
    ModelFolder,
    read_folder,
    read_json,
    write_folder,
)
from blur_fusion.model.network import OnnxNetwork
from blur_fusion.model.onnx import check_onnx, network_onnx, rest_onnx
from blur_fusion.model.provenance import provenance
from blur_fusion.params import Params, load_params


def _rates(path: Path) -> RateTable:
    """Thresholds by false-alarm rate, from the validation rows that the stage `fuse` wrote."""
    try:
        with np.load(path) as arrays:
            labels, fused = arrays["label"], arrays["fused"]
    except (OSError, ValueError, KeyError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run the stage fuse") from None
    return RateTable.fit(labels, fused)


def _check_target(target: Path, force: bool) -> None:
    """Refuse to write over anything but, when told so, another model."""
    if not target.exists():
        return
    require(target.is_dir(), f"{target}: is a file; name a folder")
    names = {path.name for path in target.iterdir()}
    if not names:
        return
    require(
        names <= {MODEL, NETWORK, REST, STACK} and MODEL in names,
        f"{target}: holds other things than a model; name an empty or a new folder",
    )
    require(force, f"{target}: holds a model already; --force replaces it")
    try:
        read_json(target)
    except BlurError as error:
        raise BlurError(f"{target}: not replaced, for it is no model of blur's ({error})") from None


def gather(artifacts: Path, params: Params, params_file: Path) -> tuple[ModelFolder, list[str]]:
    """Read trained artefacts into what a model folder holds, with warnings on their provenance.

    Raises
    ------
    BlurError
        An artefact is missing, damaged or was trained with other params.
    """
    check_onnx()
    model = Model.load(artifacts / "fuse")
    rates = _rates(artifacts / "fuse" / "validation.npz")
    origin, warnings = provenance(artifacts, params_file)
    from blur_fusion.cnn.fit import Network  # TensorFlow takes seconds to import

    network = network_onnx(Network.load(artifacts / "cnn", params.cnn).model)
    rest = rest_onnx(network)
    for part in (None, rest):
        OnnxNetwork(network, NETWORK, rest=part)  # whatever onnxruntime refuses is refused now
    features, side = params.features, params.image.long_side
    return ModelFolder(network, model, features, side, rates, origin, rest), warnings


def export_model(
    target: Path, artifacts: Path, params_file: Path, force: bool = False
) -> list[str]:
    """Write the model that the stages trained to the folder `target`.

    Parameters
    ----------
    target : Path
        A new or empty folder; with `force`, a model folder, whose files are replaced.
    artifacts : Path
        Holds load, cnn and fuse, as `make repro` leaves them.
    params_file : Path
        The params that they were trained with.
    force : bool

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    BlurError
        `target` holds something else, or an artefact is missing, damaged or of other params.
    """
    _check_target(target, force)
    contents, warnings = gather(artifacts, load_params(params_file), params_file)
    write_folder(target, contents)
    read_folder(target)  # what cannot be read back is found out here, not at a user's
    return warnings
