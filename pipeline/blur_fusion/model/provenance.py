"""What a model was made from: params, code, data, artefacts and versions, without times.

`make relock` records the digests of code that was changed without changing any result.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from blur_fusion.errors import BlurError, require, run
from blur_fusion.model.folder import FILES, MODEL, PROVENANCE, SHIPPED, as_json

Lines = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
OURS, RELEASE, PRESETS = "", "release", "presets"  # folders of dvc.yaml and dvc.lock
GOLDEN = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/golden"]

_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}
_COMPILED = {".pyc", ".pyo", ".pyd", ".so"}


def file_digest(path: Path, method: str) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Files below `folder` that .dvcignore does not exclude."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _CACHES]
        taken = (name for name in files if name != ".DS_Store")
        found += [Path(root, name) for name in taken if Path(name).suffix not in _COMPILED]
    return found


def dvc_digest(path: Path) -> str:
    """The MD5 that dvc.lock records for a file or folder.

    A folder's is that of the JSON list of its files' names and MD5s, with the suffix `.dir`.
    """
    if path.is_file():
        return file_digest(path, "md5")
    names = sorted(file.relative_to(path).as_posix() for file in _files(path))
    lines = [{"md5": file_digest(path / name, "md5"), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(lines, sort_keys=True).encode()).hexdigest() + ".dir"


def dvc_entry(path: Path) -> dict[str, str | int]:
    """The entry of dvc.lock for a file or folder, without its path, in DVC's order."""
    entry: dict[str, str | int] = {"hash": "md5", "md5": dvc_digest(path)}
    files = [path] if path.is_file() else _files(path)
    entry["size"] = sum(file.stat().st_size for file in files)
    return entry if path.is_file() else entry | {"nfiles": len(files)}


STAGES = ("sample", "load", "cnn", "features", "fuse")  # from nothing to a model, in order
CHECKED = ("cnn", "fuse")  # outputs that make up a model; small
_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")


class _Loader(yaml.SafeLoader):
    """Also takes floats as DVC writes them, after YAML 1.2: 1e-05."""


_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def _read(path: Path) -> Lines:
    try:
        return dict(yaml.load(path.read_text(encoding="utf-8"), _Loader))  # a SafeLoader
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise BlurError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


def read_lock(path: Path) -> Lines:
    """The stages of a dvc.lock that lead to a model; empty where the file is missing.

    Raises BlurError if it is not a dvc.lock.
    """
    stages: Any = _read(path).get("stages") if path.exists() else {}
    require(isinstance(stages, dict), f"{path}: not a dvc.lock")
    return {name: stages[name] for name in STAGES if name in stages}


def flat_params(path: Path) -> Lines:
    """The values of a params file by dotted name."""
    flat = Lines()
    for name, value in _read(path).items():
        groups = value.items() if isinstance(value, dict) else ()
        flat |= {f"{name}.{inner}": item for inner, item in groups} or {name: value}
    return flat


def _is_code(path: str) -> bool:
    """Whether a dependency is code rather than data."""
    return path.split("/")[0] in ("pipeline", "stages")


def recorded(run: Lines) -> Lines:
    """Params by dotted name, MD5s of code by stage and path, MD5s of outputs by path."""
    params, code, outputs = Lines(), Lines(), Lines()
    for name, stage in run.items():
        for values in stage.get("params", {}).values():
            params |= values
        code[name] = {dep["path"]: dep["md5"] for dep in stage["deps"] if _is_code(dep["path"])}
        outputs |= {out["path"]: out["md5"] for out in stage["outs"]}
    return {"params": params, "code": code, "outputs": outputs}


def _versions() -> dict[str, str]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    versions = {"python": python, **dict.fromkeys(_PACKAGES, "unknown")}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):  # another build of OpenCV
            versions[package] = metadata.version(package)
    return versions


def _dataset(folder: Path) -> dict[str, str]:
    path = folder / "load" / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"name": str(content["name"]), "digest": str(content["digest"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run 'make repro' first") from None


def provenance(artifacts: Path, params_file: Path) -> tuple[Lines, list[str]]:
    """What the artefacts were made from, and warnings.

    Raises BlurError if `params_file` has changed since, or a file is missing or damaged.
    """
    dataset = _dataset(artifacts)
    files = {name: artifacts / "fuse" / name for name in (*FILES, MODEL)}
    given, lock_file = flat_params(params_file), params_file.parent / "dvc.lock"
    run, warnings = read_lock(lock_file), []
    rendered = [out["path"] for out in run.get("sample", {}).get("outs", [])]
    embedded = f"{given.get('dataset.root')}/{given.get('dataset.name')}" in rendered
    stages = STAGES if embedded else STAGES[1:]
    reason = _mismatch(run, stages, artifacts)
    origin = recorded({} if reason else {name: run[name] for name in stages})
    if reason:
        warnings.append(f"{lock_file}: {reason}; the provenance will not name the code")
        others = ("evaluate.", "compute.workers")  # do not change the model
        origin["params"] = {n: value for n, value in given.items() if not n.startswith(others)}
    changed = sorted(n for n, value in origin["params"].items() if given.get(n) != value)
    line = f"{params_file}: {', '.join(changed)}: the models were trained with different values"
    require(not changed, f"{line}; run 'make repro' first")
    digests = {name: file_digest(path, "sha256") for name, path in files.items()}
    return {**origin, "dataset": dataset, "files": digests, "versions": _versions()}, warnings


def _mismatch(run: Lines, stages: Sequence[str], artifacts: Path) -> str:
    """Why `run` does not record `artifacts`; empty if it does."""
    for name in stages:
        if name not in run:
            return f"lacks the stage {name}"
    for name in CHECKED:
        written = {out["md5"] for out in run[name]["outs"]}
        if dvc_digest(artifacts / name) not in written:
            return f"records a different {artifacts / name}"
    return ""


def read_stages(root: Path, folder: str) -> Lines:
    """The stages of a dvc.yaml with variables replaced and matrices expanded."""
    given, found = flat_params(root / "params.yaml"), Lines()
    for name, spec in _read(root / folder / "dvc.yaml")["stages"].items():
        for item in spec.get("matrix", {}).get("name", [""]):
            text = json.dumps(spec)
            for variable, value in {**given, "item.name": item}.items():
                text = text.replace(f"${{{variable}}}", str(value))
            found[f"{name}@{item}" if item else name] = json.loads(text)
    return found


def _params(root: Path, spec: Lines) -> Lines:
    """Values that a stage depends on, by file and name."""
    found = Lines()
    for entry in spec.get("params", []):
        for file, names in ({"params.yaml": [entry]} if isinstance(entry, str) else entry).items():
            values = _read(root / file) | flat_params(root / file)
            found |= {f"{file}: {name}": values.get(name) for name in names}
    return found


def _change(root: Path, spec: Lines, lock: Lines, digest: Callable[[str], str], all_: bool) -> str:
    """What differs from `lock`, except code; outputs may be absent unless `all_` is set."""
    given, locked = _params(root, spec), lock.get("params", {}).items()
    known = {f"{file}: {name}": value for file, part in locked for name, value in part.items()}
    changed = {name for name in given.keys() | known if given.get(name) != known.get(name)}
    written = [*spec.get("outs", []), *spec.get("metrics", [])]
    outs = [entry if isinstance(entry, str) else next(iter(entry)) for entry in written]
    for part, needed, paths in (("deps", True, spec["deps"]), ("outs", all_, outs)):
        old = {one["path"]: one["md5"] for one in lock[part] if not _is_code(one["path"])}
        changed |= {path for path in paths if not _is_code(path)} ^ set(old)
        changed |= {p for p in old if digest(p) != old[p] and (needed or digest(p))}
    return f"changed: {', '.join(sorted(changed))}" if changed else ""


def _relocked(root: Path, spec: Lines, lock: Lines) -> Lines:
    """`lock` with the current command and code, in DVC's order."""
    deps = [dep for dep in lock["deps"] if not _is_code(dep["path"])]
    for path in filter(_is_code, spec["deps"]):
        require((root / path).exists(), f"{path}: named in dvc.yaml, but missing")
        deps.append({"path": path, **dvc_entry(root / path)})
    return {**lock, "cmd": spec["cmd"], "deps": sorted(deps, key=lambda dep: str(dep["path"]))}


def relock(root: Path) -> list[str]:
    """Write digests of the code below `root` into each dvc.lock and the model's provenance.

    Nothing is trained; `make verify-release` remains the proof. Returns a line for each preset that
    was out of date already and stays so. BlurError, and nothing written, if anything but code
    differs from a dvc.lock, or the golden test fails.
    """
    digest = cache(lambda path: dvc_digest(root / path) if (root / path).exists() else "")
    paths = {folder: root / folder / "dvc.lock" for folder in (OURS, RELEASE, PRESETS)}
    locks, stale = {of: _read(path) for of, path in paths.items() if path.exists()}, []
    for folder, lock in locks.items():
        for name, spec in read_stages(root, folder).items():
            old = lock["stages"].get(name)
            change = _change(root, spec, old, digest, folder != PRESETS) if old else "never run"
            line = f"{name}: {change}; run 'make {folder or 'repro'}'"
            require(not change or folder == PRESETS, line)
            stale += [f"{name}: {change}; left out of date"] if change else []
            lock["stages"] |= {} if change else {name: _relocked(root, spec, old)}
    origin = root / SHIPPED.relative_to(ROOT) / PROVENANCE
    lines = json.loads(origin.read_text(encoding="utf-8"))
    if RELEASE in locks:
        run = recorded({name: locks[RELEASE]["stages"][name] for name in STAGES})
        same = lines["outputs"] == run["outputs"]
        require(same, f"{origin}: not from the run in {RELEASE}/dvc.lock; run 'make release'")
        lines["code"] = run["code"]
    passed = subprocess.run([sys.executable, *GOLDEN], cwd=root, check=False).returncode == 0
    require(passed, f"{GOLDEN[-1]}: fails: results changed; run 'make repro'")
    for folder, lock in locks.items():
        if lock != _read(paths[folder]):
            text = yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=1000)
            paths[folder].write_text(text, encoding="utf-8")
    origin.write_bytes(as_json(lines))
    return stale


if __name__ == "__main__":
    run(lambda: print(*relock(ROOT), sep="\n"))
