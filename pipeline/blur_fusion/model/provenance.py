"""What a model was made from: params, code, data, artefacts and versions, without times."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from blur_fusion.errors import BlurError
from blur_fusion.model.folder import FILES, MODEL

_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}
_COMPILED = {".pyc", ".pyo", ".pyd", ".so"}


def file_digest(path: Path, method: str) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Files below `folder` but for what .dvcignore names."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _CACHES]
        taken = (name for name in files if name != ".DS_Store")
        found += [Path(root, name) for name in taken if Path(name).suffix not in _COMPILED]
    return found


def dvc_digest(path: Path) -> str:
    """The MD5 by which dvc.lock knows a file or folder.

    A folder's is that of the JSON list of its files' names and MD5s, marked by `.dir`.
    """
    if path.is_file():
        return file_digest(path, "md5")
    lines = [
        {"md5": file_digest(path / name, "md5"), "relpath": name}
        for name in sorted(file.relative_to(path).as_posix() for file in _files(path))
    ]
    return hashlib.md5(json.dumps(lines, sort_keys=True).encode()).hexdigest() + ".dir"


def dvc_entry(path: Path) -> dict[str, str | int]:
    """What dvc.lock says of a file or folder below its path, in DVC's order."""
    entry: dict[str, str | int] = {"hash": "md5", "md5": dvc_digest(path)}
    files = [path] if path.is_file() else _files(path)
    entry["size"] = sum(file.stat().st_size for file in files)
    return entry if path.is_file() else entry | {"nfiles": len(files)}


STAGES = ("sample", "load", "cnn", "features", "fuse")  # from nothing to a model, in order
PROVENANCE = "provenance.json"  # beside a model
CHECKED = ("cnn", "fuse")  # outputs that a model is made of; they are small
_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")
_CODE = ("pipeline", "stages")


def read_lock(path: Path) -> dict[str, Any]:
    """The stages of a dvc.lock that lead to a model; nothing where there is none.

    Raises
    ------
    BlurError
        The file is no dvc.lock.
    """
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
        return {name: stages[name] for name in STAGES if name in stages}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise BlurError(f"{path}: is no dvc.lock ({' '.join(str(error).split())})") from None


def flat_params(path: Path) -> dict[str, Any]:
    """The values of params.yaml by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": item for inner, item in value.items()}
        else:
            flat[name] = value
    return flat


def stage_params(lock: dict[str, Any], stages: list[str]) -> dict[str, Any]:
    """Values that `stages` were run with, by dotted name."""
    found: dict[str, Any] = {}
    for name in stages:
        found |= lock[name].get("params", {}).get("params.yaml", {})
    return found


def is_code(path: str) -> bool:
    """Whether a dependency is code rather than data."""
    return path.split("/")[0] in _CODE


def code_digests(lock: dict[str, Any], stages: list[str]) -> dict[str, dict[str, str]]:
    """MD5 of the code that each of `stages` was run with, by stage and path."""
    return {
        name: {dep["path"]: dep["md5"] for dep in lock[name]["deps"] if is_code(dep["path"])}
        for name in stages
    }


def output_digests(lock: dict[str, Any], stages: list[str]) -> dict[str, str]:
    """MD5 of what each of `stages` wrote, by path."""
    return {out["path"]: out["md5"] for name in stages for out in lock[name]["outs"]}


def _versions() -> dict[str, str]:
    versions = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # another build of OpenCV
            versions[package] = "unknown"
    return versions


def _dataset(folder: Path) -> dict[str, str]:
    path = folder / "load" / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"name": str(content["name"]), "digest": str(content["digest"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run 'make repro' first") from None


def provenance(artifacts: Path, params_file: Path) -> tuple[dict[str, Any], list[str]]:
    """Say what the artefacts were made from.

    Parameters
    ----------
    artifacts : Path
        Holds load, cnn and fuse.
    params_file : Path
        params.yaml; the dvc.lock beside it names the code, if it records these artefacts.

    Returns
    -------
    provenance : dict
        dataset, params, code, outputs, files, versions.
    warnings : list of str
        Why code and outputs are empty, or which params differ from those trained with.

    Raises
    ------
    BlurError
        A file is missing or damaged.
    """
    dataset = _dataset(artifacts)
    files = {name: artifacts / "fuse" / name for name in (*FILES, MODEL)}
    given, lock_file = flat_params(params_file), params_file.parent / "dvc.lock"
    lock = read_lock(lock_file)
    stages = [name for name in STAGES if name != "sample" or _rendered(given)]
    warnings = []
    reason = _mismatch(lock, stages, artifacts)
    if reason:
        warnings.append(f"{lock_file}: {reason}; the model will not name the code it is from")
        stages = []
    trained = stage_params(lock, stages) if stages else _trainable(given)
    other = [name for name, value in trained.items() if given.get(name) != value]
    if other:
        raise BlurError(
            f"{params_file}: {', '.join(sorted(other))}: the models were trained with other "
            "values; run 'make repro' first"
        )
    return {
        "dataset": dataset,
        "params": trained,
        "code": code_digests(lock, stages),
        "outputs": output_digests(lock, stages),
        "files": {name: file_digest(path, "sha256") for name, path in files.items()},
        "versions": _versions(),
    }, warnings


def read_provenance(folder: Path) -> dict[str, Any]:
    """What the model in `folder` was made from; empty where `blur export` did not write it."""
    try:
        found: dict[str, Any] = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BlurError(f"{folder / PROVENANCE}: cannot be read ({error})") from None


def _rendered(given: dict[str, Any]) -> bool:
    """Whether the data set is the embedded one, which the stage `sample` renders."""
    return bool(given.get("dataset.name") == "sample" and given.get("dataset.root") == "data")


def _trainable(given: dict[str, Any]) -> dict[str, Any]:
    """All params but those that change no model."""
    return {
        name: value
        for name, value in given.items()
        if not name.startswith("evaluate.") and name != "compute.workers"
    }


def _mismatch(lock: dict[str, Any], stages: list[str], artifacts: Path) -> str:
    """Why `lock` does not record `artifacts`; empty if it does."""
    absent = [name for name in stages if name not in lock]
    if absent:
        return f"knows no stage {absent[0]}"
    for name in CHECKED:
        written = {out["md5"] for out in lock[name]["outs"]}
        if dvc_digest(artifacts / name) not in written:
            return f"records another {artifacts / name}"
    return ""
