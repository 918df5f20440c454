"""The model folder: ONNX, stack.json and model.json. Nothing in it is ever unpickled.

model.json holds everything else that a verdict needs, the checksums of the other files, and the
provenance. It is written last, so that a folder is whole or is refused.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.features.summary import feature_names
from blur_fusion.fusion.calibration import Calibration, RateTable
from blur_fusion.fusion.stack import (
    JUDGES,
    LOGIT_NAMES,
    Ensemble,
    Layers,
    Member,
    Model,
    Stack,
    Standardiser,
)
from blur_fusion.params import FeatureParams

Weights = npt.NDArray[np.float32]

_OCTETS = np.dtype("<f4")  # of single precision, the lowest octet first


def _packed(values: Weights) -> dict[str, Any]:
    """Shape and octets in base64: read in a tenth of the time that decimals take."""
    octets = np.asarray(values, _OCTETS).tobytes()
    return {"shape": list(values.shape), "float32": base64.b64encode(octets).decode("ascii")}


def _layer_lines(layers: Layers) -> list[dict[str, Any]]:
    return [{"kernel": _packed(kernel), "bias": _packed(bias)} for kernel, bias in layers]


def _ensemble_lines(ensemble: Ensemble) -> list[dict[str, Any]]:
    return [
        {"gain": member.gain, "layers": _layer_lines(member.layers)} for member in ensemble.members
    ]


def stack_json(stack: Stack) -> str:
    """Write `stack` as JSON; the same stack gives the same text."""
    scaling = stack.standardiser
    content = {
        "standardise": {
            "names": [*LOGIT_NAMES, *stack.names],
            "centre": list(scaling.centre),
            "scale": list(scaling.scale),
            "clip": scaling.clip,
        },
        "features": _ensemble_lines(stack.features),
        "both": _ensemble_lines(stack.both),
        "kind": None if stack.kind is None else _ensemble_lines(stack.kind),
    }
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"


def _weights(packed: dict[str, Any], dimensions: int) -> Weights:
    octets = base64.b64decode(packed["float32"], validate=True)
    weights = np.frombuffer(octets, _OCTETS).reshape(packed["shape"]).astype(np.float32)
    if weights.ndim != dimensions or not np.isfinite(weights).all():
        raise ValueError(f"weights of shape {weights.shape}, or not finite")
    return weights


def _layers(lines: list[Any], units: int) -> tuple[Layers, int]:
    """Layers that fit one another from `units` inputs, and the units of the last."""
    layers = []
    for layer in lines:
        kernel, bias = _weights(layer["kernel"], 2), _weights(layer["bias"], 1)
        if kernel.shape != (units, len(bias)):
            raise ValueError(f"kernel {kernel.shape} on {units} inputs, bias of {len(bias)}")
        layers.append((kernel, bias))
        units = len(bias)
    if not layers:
        raise ValueError("no layers")
    return tuple(layers), units


def _one_logit(lines: list[Any], units: int) -> Layers:
    layers, last = _layers(lines, units)
    if last != 1:
        raise ValueError("a member does not end in one logit")
    return layers


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number


def _ensemble(lines: list[Any], width: int) -> Ensemble:
    """Members from `width` inputs to one logit."""
    members = [Member(_one_logit(line["layers"], width), _finite(line["gain"])) for line in lines]
    return Ensemble(tuple(members))


def stack_from_json(text: str, names: tuple[str, ...], where: str) -> Stack:
    """Read what :func:`stack_json` wrote.

    Parameters
    ----------
    text : str
    names : tuple of str
        Names that the focus measures must have, in order.
    where : str
        What messages call the text.

    Raises
    ------
    BlurError
        It is another stack's.
    ValueError, KeyError, TypeError
        It is no stack.
    """
    content = json.loads(text)
    scaling = content["standardise"]
    inputs = [*LOGIT_NAMES, *names]
    require(
        scaling["names"] == inputs,
        f"{where}: names other inputs than this version of blur measures; export the model anew",
    )
    centre, scale = (np.asarray(scaling[part], np.float64) for part in ("centre", "scale"))
    if centre.shape != (len(inputs),) or scale.shape != centre.shape:
        raise ValueError(f"centre {centre.shape} and scale {scale.shape} for {len(inputs)} inputs")
    clip = float(scaling["clip"])
    if not (np.isfinite(centre).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("centre or scale is not finite")
    if not 0 < clip < float("inf"):
        raise ValueError(f"clip is {clip}")
    standardiser = Standardiser(tuple(centre.tolist()), tuple(scale.tolist()), clip)
    kind = content["kind"]
    return Stack(
        names,
        standardiser,
        features=_ensemble(content["features"], len(names)),
        both=_ensemble(content["both"], len(inputs)),
        kind=None if kind is None else _ensemble(kind, len(inputs)),
    )


FORMAT = 4
SYSTEM = "fusion"
NETWORK, REST, STACK, MODEL = "cnn.onnx", "cnn_rest.onnx", "stack.json", "model.json"
ANEW = "export it anew with 'blur export'"

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds.

    Attributes
    ----------
    network : bytes
        ONNX; see `blur_fusion.model.network`.
    model : Model
        Stack, calibrations and thresholds.
    features : FeatureParams
        How the focus measures are taken.
    long_side : int
        Of working images, in pixels.
    rates : RateTable
        Thresholds of the fused judge by false-alarm rate.
    provenance : dict
        Params, digests of code and data, versions. JSON.
    rest : bytes, optional
        The network from its local spectra on; see `blur_fusion.model.network`.
    """

    network: bytes
    model: Model
    features: FeatureParams
    long_side: int
    rates: RateTable
    provenance: dict[str, Any]
    rest: bytes | None = None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_folder(folder: Path, contents: ModelFolder) -> None:
    """Write `contents` into `folder`; the same contents give the same bytes."""
    model = contents.model
    files = {NETWORK: contents.network, STACK: stack_json(model.stack).encode()}
    if contents.rest is not None:
        files[REST] = contents.rest
    lines = {
        "format": FORMAT,
        "system": SYSTEM,
        "long_side": contents.long_side,
        "features": {
            "params": dataclasses.asdict(contents.features),
            "names": list(model.stack.names),
        },
        "judges": {
            judge: {
                "temperature": model.calibrations[judge].temperature,
                "bias": model.calibrations[judge].bias,
                "threshold": model.thresholds[judge],
            }
            for judge in JUDGES
        },
        "validation": contents.rates.as_json(),
        "files": {name: _sha256(content) for name, content in files.items()},
        "provenance": contents.provenance,
    }
    text = json.dumps(lines, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    files[MODEL] = f"{text}\n".encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            part = folder / f".{name}.part"
            part.write_bytes(content)
            os.replace(part, folder / name)
    except OSError as error:
        raise BlurError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; {path.parent} is no model folder") from None
    except OSError as error:
        raise BlurError(f"{path}: cannot be read ({error.strerror or error})") from None


def _parsed(path: Path, parse: Callable[[], Parsed]) -> Parsed:
    """What `parse` gives; its exceptions in one line that names the file."""
    try:
        return parse()
    except BlurError as error:
        line = str(error)
        raise BlurError(line if str(path) in line else f"{path}: {line}; {ANEW}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(repr(error).split())[:200]
        raise BlurError(f"{path}: damaged ({reason}); {ANEW}") from None


def read_json(folder: Path) -> tuple[dict[str, Any], str]:
    """model.json of `folder`, of a format that is known, and its SHA-256.

    Raises
    ------
    BlurError
        It is missing, damaged, or of another format.
    """
    path = folder / MODEL
    content = _file(path)
    lines = _parsed(path, lambda: json.loads(content))
    kind = (lines.get("format"), lines.get("system")) if isinstance(lines, dict) else None
    require(
        kind == (FORMAT, SYSTEM),
        f"{path}: format and system are {kind}, this version of blur reads {(FORMAT, SYSTEM)}; "
        f"{ANEW}",
    )
    return lines, _sha256(content)


def read_folder(folder: Path) -> tuple[ModelFolder, str]:
    """Read `folder`, checking all of it.

    Returns
    -------
    contents : ModelFolder
    digest : str
        SHA-256, in hex, that names the folder's whole content.

    Raises
    ------
    BlurError
        A file is missing, damaged, of another format, or takes other focus measures.
    """
    lines, digest = read_json(folder)
    path = folder / MODEL
    named = _parsed(path, lambda: [REST] if REST in lines["files"] else [])
    files = {name: _file(folder / name) for name in [NETWORK, STACK, *named]}
    expected = _parsed(path, lambda: {name: lines["files"][name] for name in files})
    for name, content in files.items():
        same = expected[name] == _sha256(content)
        require(same, f"{folder / name}: is damaged or not this model's; {ANEW}")

    def features() -> FeatureParams:
        given = dict(lines["features"]["params"])
        given["percentiles"] = tuple(float(value) for value in given["percentiles"])
        return FeatureParams(**given)

    params = _parsed(path, features)
    names = tuple(feature_names(params))
    require(
        _parsed(path, lambda: tuple(lines["features"]["names"])) == names,
        f"{path}: features.names are not those that this version of blur measures; {ANEW}",
    )
    stack = _parsed(
        folder / STACK, lambda: stack_from_json(files[STACK].decode(), names, str(folder / STACK))
    )

    def contents() -> ModelFolder:
        judges = lines["judges"]
        pairs = {j: (float(judges[j]["temperature"]), float(judges[j]["bias"])) for j in JUDGES}
        calibrations = {judge: Calibration(*pair) for judge, pair in pairs.items()}
        thresholds = {judge: float(judges[judge]["threshold"]) for judge in JUDGES}
        side = int(lines["long_side"])
        if side < 1 or not isinstance(lines["provenance"], dict):
            raise ValueError("long_side or provenance")
        rates = RateTable.from_json(lines["validation"])
        model = Model(stack, calibrations, thresholds)
        network, rest, origin = files[NETWORK], files.get(REST), lines["provenance"]
        return ModelFolder(network, model, params, side, rates, origin, rest)

    return _parsed(path, contents), digest
