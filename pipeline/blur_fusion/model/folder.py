"""The model folder: cnn.onnx, stack.npz, cnn.npz and model.json. Nothing is ever unpickled.

model.json holds everything but arrays, and the checksums of the other files. It is written last, so
that an unfinished folder is refused. Other files are ignored.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require
from blur_fusion.features.summary import feature_names
from blur_fusion.files import os_errors, write_whole
from blur_fusion.fusion.calibration import Model, RateTable
from blur_fusion.fusion.stack import JUDGES, Calibration, Stack
from blur_fusion.params import FeatureParams

FORMAT, SYSTEM = 5, "fusion"
NETWORK, WEIGHTS, STACK, MODEL = "cnn.onnx", "cnn.npz", "stack.npz", "model.json"
PROVENANCE = "provenance.json"  # beside them; changes no prediction
SHIPPED = Path(__file__).parent / "shipped"
FILES = (NETWORK, WEIGHTS, STACK)  # whose checksums are in model.json
AGAIN = "export it again with 'blur export'"


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds."""

    network: bytes  # ONNX; see `blur_fusion.model.network`
    weights: bytes  # by layer, .npz; see `blur_fusion.cnn.network.network_from`
    cnn: dict[str, Any]  # arguments of `blur_fusion.cnn.network.build_network`
    model: Model
    features: FeatureParams  # how the focus measures are taken
    long_side: int  # of working images, in pixels


def packed(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """An uncompressed .npz file; the same arrays give the same bytes."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def unpacked(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file; ValueError if it is not one."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # zipfile and numpy raise all sorts
        raise ValueError(str(error)) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def as_json(content: Any) -> bytes:
    """Readable JSON; the same content gives the same bytes."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return f"{text}\n".encode()


def write_folder(folder: Path, contents: ModelFolder) -> None:
    """Write `contents` into `folder`; the same contents give the same bytes."""
    model = contents.model
    files = {NETWORK: contents.network, WEIGHTS: contents.weights}
    files[STACK] = packed(model.stack.arrays())
    params, names = dataclasses.asdict(contents.features), list(model.stack.names)
    lines = {
        "format": FORMAT,
        "system": SYSTEM,
        "long_side": contents.long_side,
        "cnn": contents.cnn,
        "features": {"params": params, "names": names},
        "judges": {
            judge: {**dataclasses.asdict(calibration), "threshold": model.thresholds[judge]}
            for judge, calibration in model.calibrations.items()
        },
        "unsure": {judge: list(band) for judge, band in model.bands.items()},
        "validation": model.rates.as_json(),
        "files": {name: _sha256(content) for name, content in files.items()},
    }
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**files, MODEL: as_json(lines)}.items():
        with write_whole(folder / name, force=True) as file:
            file.write(content)


def _file(path: Path) -> bytes:
    require(path.is_file(), f"{path}: no such file; {path.parent} is not a model folder")
    with os_errors(path, "cannot be read"):
        return path.read_bytes()


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Turn exceptions of the body into one line that names the file."""
    try:
        yield
    except BlurError as error:
        line = str(error)
        raise BlurError(line if str(path) in line else f"{path}: {line}; {AGAIN}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(repr(error).split())[:200]
        raise BlurError(f"{path}: damaged ({reason}); {AGAIN}") from None


def read_json(folder: Path) -> tuple[dict[str, Any], str]:
    """model.json of `folder` and its SHA-256.

    Raises BlurError if it is missing, damaged, or of another format.
    """
    path = folder / MODEL
    content = _file(path)
    with _parsing(path):
        lines = json.loads(content)
    kind = (lines.get("format"), lines.get("system")) if isinstance(lines, dict) else None
    known = FORMAT, SYSTEM
    line = f"{path}: format and system are {kind}; this version of blur reads {known}; {AGAIN}"
    require(kind == known, line)
    return lines, _sha256(content)


def read_folder(folder: Path) -> tuple[ModelFolder, str]:
    """Read and check `folder`; also returns the SHA-256, in hex, of the whole model.

    BlurError if a file is missing, damaged, of another format, or needs focus measures that are
    unknown here.
    """
    lines, digest = read_json(folder)
    files = {name: _file(folder / name) for name in FILES}
    for name, content in files.items():
        with _parsing(folder / MODEL):
            same = lines["files"][name] == _sha256(content)
        require(same, f"{folder / name}: damaged, or of a different model; {AGAIN}")
    with _parsing(folder / MODEL):
        params, names = _features(lines["features"])
        judges, side = {judge: lines["judges"][judge] for judge in JUDGES}, int(lines["long_side"])
        thresholds = {judge: float(given.pop("threshold")) for judge, given in judges.items()}
        calibrations = {judge: Calibration(**given) for judge, given in judges.items()}
        if side < 1 or not isinstance(lines["cnn"], dict):
            raise ValueError("long_side or cnn")
        rates = RateTable.from_json(lines["validation"])
        bands = _bands(lines.get("unsure", {}), thresholds)  # absent from older models
    with _parsing(folder / STACK):
        stack = Stack.from_arrays(names, unpacked(files[STACK]))
    model = Model(stack, calibrations, thresholds, rates, bands)
    return ModelFolder(files[NETWORK], files[WEIGHTS], lines["cnn"], model, params, side), digest


def _bands(
    given: Mapping[str, Any], thresholds: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Each judge's band of doubt; ValueError if it does not enclose the threshold."""
    bands = {judge: (float(low), float(high)) for judge, (low, high) in given.items()}
    for judge, (low, high) in bands.items():
        if not 0 <= low <= thresholds[judge] <= high <= 1:
            raise ValueError(f"unsure.{judge}")
    return bands


def _features(lines: dict[str, Any]) -> tuple[FeatureParams, tuple[str, ...]]:
    """How the focus measures are taken, and which of them the stack uses."""
    given = dict(lines["params"])
    given["percentiles"] = tuple(float(value) for value in given["percentiles"])
    params = FeatureParams(**given)
    names = tuple(lines["names"])
    measured = feature_names(params)
    unknown = [name for name in names if name not in measured]
    require(not unknown, f"features.names: this version of blur does not measure {unknown[:3]}")
    return params, names


def read_provenance(folder: Path) -> dict[str, Any]:
    """What the model in `folder` was made from; empty where that file is missing."""
    path = folder / PROVENANCE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    except (OSError, ValueError, TypeError) as error:
        raise BlurError(f"{path}: cannot be read ({error})") from None
