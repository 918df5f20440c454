"""`make relock`: record the digests of code that was rewritten without changing any result.

Refused unless code alone differs from what dvc.lock records and the golden test passes. Nothing is
trained; `make verify-release` stays the proof.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from blur_fusion.errors import BlurError, require, run
from blur_fusion.model.classifier import SHIPPED
from blur_fusion.model.folder import as_json
from blur_fusion.model.provenance import (
    PROVENANCE,
    STAGES,
    code_digests,
    dvc_digest,
    dvc_entry,
    flat_params,
    is_code,
    output_digests,
)

ROOT = Path(__file__).resolve().parents[3]
OURS, PRESETS = "", "presets"  # folders of dvc.yaml and dvc.lock
GOLDEN = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/golden"]

Lines = dict[str, Any]


def _read(path: Path) -> Lines:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise BlurError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


def _stages(root: Path, folder: str) -> Lines:
    """The stages of a dvc.yaml, its variables replaced, each of a matrix by itself."""
    given, found = flat_params(root / "params.yaml"), Lines()
    for name, spec in _read(root / folder / "dvc.yaml")["stages"].items():
        for item in spec.get("matrix", {}).get("name", [""]):
            text = json.dumps(spec)
            for variable, value in {**given, "item.name": item}.items():
                text = text.replace(f"${{{variable}}}", str(value))
            found[f"{name}@{item}" if item else name] = json.loads(text)
    return found


def _params(root: Path, spec: Lines) -> Lines:
    """Values that a stage depends on, by file and name, as in dvc.lock."""
    found = Lines()
    for entry in spec.get("params", []):
        for file, names in ({"params.yaml": [entry]} if isinstance(entry, str) else entry).items():
            values = _read(root / file) | flat_params(root / file)
            found.setdefault(file, {}).update({name: values.get(name) for name in names})
    return found


def _change(root: Path, spec: Lines, lock: Lines, digest: Callable[[str], str], all_: bool) -> str:
    """What else than code differs from `lock`; unless `all_` is asked, outputs may be absent."""
    given, known = (
        {f"{file}: {name}": value for file, part in files.items() for name, value in part.items()}
        for files in (_params(root, spec), lock.get("params", {}))
    )
    changed = {name for name in given.keys() | known if given.get(name) != known.get(name)}
    written = [*spec.get("outs", []), *spec.get("metrics", [])]
    outs = [entry if isinstance(entry, str) else next(iter(entry)) for entry in written]
    for part, needed, paths in (("deps", True, spec["deps"]), ("outs", all_, outs)):
        old = {one["path"]: one["md5"] for one in lock[part] if not is_code(one["path"])}
        changed |= {path for path in paths if not is_code(path)} ^ set(old)
        changed |= {p for p in old if digest(p) != old[p] and (needed or digest(p))}
    return ", ".join(sorted(changed))


def _relocked(root: Path, spec: Lines, lock: Lines) -> Lines:
    """`lock` with today's command and code, in DVC's order."""
    deps = [dep for dep in lock["deps"] if not is_code(dep["path"])]
    for path in filter(is_code, spec["deps"]):
        require((root / path).exists(), f"{path}: dvc.yaml names it, but it is absent")
        deps.append({"path": path, **dvc_entry(root / path)})
    return {**lock, "cmd": spec["cmd"], "deps": sorted(deps, key=lambda dep: str(dep["path"]))}


def relock(root: Path) -> list[str]:
    """Write digests of the code below `root` into both dvc.lock and the model's provenance.

    Gives a line for each preset that was out of date before: it stays so. Raises BlurError, and
    writes nothing, if something else than code differs or the golden test fails.
    """
    digest = cache(lambda path: dvc_digest(root / path) if (root / path).exists() else "")
    locks, stale = {folder: _read(root / folder / "dvc.lock") for folder in (OURS, PRESETS)}, []
    for folder, lock in locks.items():
        for name, spec in _stages(root, folder).items():
            old = lock["stages"].get(name)
            change = _change(root, spec, old, digest, folder == OURS) if old else "run, or none"
            require(not change or folder == PRESETS, f"{name}: other {change}; run 'make repro'")
            stale += [f"{name}: other {change}; left out of date"] if change else []
            lock["stages"] |= {} if change else {name: _relocked(root, spec, old)}
    origin, stages = root / SHIPPED.relative_to(ROOT) / PROVENANCE, locks[OURS]["stages"]
    lines = json.loads(origin.read_text(encoding="utf-8"))
    same = lines["outputs"] == output_digests(stages, list(STAGES))
    require(same, f"{origin}: is of another run than dvc.lock; run 'make release'")
    lines["code"] = code_digests(stages, list(STAGES))
    passed = subprocess.run([sys.executable, *GOLDEN], cwd=root, check=False).returncode == 0
    require(passed, f"{GOLDEN[-1]}: fails, so results changed; run 'make repro'")
    for folder, lock in locks.items():
        text = yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=1000)
        (root / folder / "dvc.lock").write_text(text, encoding="utf-8")
    origin.write_bytes(as_json(lines))
    return stale


if __name__ == "__main__":
    run(lambda: print(*relock(ROOT), sep="\n"))
