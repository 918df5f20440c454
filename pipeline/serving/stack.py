"""The stack of dense networks as JSON: exact numbers, and every shape checked on reading."""

from __future__ import annotations

import base64
import json
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require
from pipeline.features.polar import SHAPE
from pipeline.fusion.ensemble import Ensemble, Layers, Member
from pipeline.fusion.model import LOGIT_NAMES, Stack
from pipeline.fusion.polar_net import CIRCULAR, DENSE, REACH, PolarEnsemble, PolarMember
from pipeline.fusion.scaling import Standardiser

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


def _polar_lines(ensemble: PolarEnsemble) -> list[dict[str, Any]]:
    return [
        {CIRCULAR: _layer_lines(member.circular), DENSE: _layer_lines(member.dense)}
        for member in ensemble.members
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
        "polar": None if stack.polar is None else _polar_lines(stack.polar),
    }
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"


def _weights(packed: dict[str, Any], dimensions: int) -> Weights:
    octets = base64.b64decode(packed["float32"], validate=True)
    weights = np.frombuffer(octets, _OCTETS).reshape(packed["shape"]).astype(np.float32)
    if weights.ndim != dimensions or not np.isfinite(weights).all():
        raise ValueError(f"weights of shape {weights.shape}, or not finite")
    return weights


def _layers(lines: list[Any], units: int, circle: int = 1) -> tuple[Layers, int]:
    """Layers that fit one another from `units` inputs, `circle` times as many in each kernel.

    Also the units of the last.
    """
    layers = []
    for layer in lines:
        kernel, bias = _weights(layer["kernel"], 2), _weights(layer["bias"], 1)
        if kernel.shape != (circle * units, len(bias)):
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


def _polar(lines: list[Any]) -> PolarEnsemble:
    """Members from polar spectra to one logit."""
    members = []
    for line in lines:
        circular, units = _layers(line[CIRCULAR], SHAPE[1], 2 * REACH + 1)
        members.append(PolarMember(circular, _one_logit(line[DENSE], 2 * units)))
    return PolarEnsemble(tuple(members))


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
    kind, polar = content["kind"], content["polar"]
    return Stack(
        names,
        standardiser,
        features=_ensemble(content["features"], len(names)),
        both=_ensemble(content["both"], len(inputs)),
        kind=None if kind is None else _ensemble(kind, len(inputs)),
        polar=None if polar is None else _polar(polar),
    )
