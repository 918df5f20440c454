"""The model folder: ONNX, stack.json and model.json. Nothing in it is ever unpickled.

model.json holds everything else that a verdict needs, the checksums of the other files, and the
provenance. It is written last, so that a folder is whole or is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.config.errors import BlurError, require
from pipeline.config.sections import FeatureParams
from pipeline.features import feature_names
from pipeline.fusion.calibration import Calibration
from pipeline.fusion.model import JUDGES, Model
from pipeline.serving.rates import RateTable
from pipeline.serving.stack import stack_from_json, stack_json

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
        ONNX; see `pipeline.serving.network`.
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
        The network from its local spectra on; see `pipeline.serving.network`.
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
