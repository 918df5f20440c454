"""A copy of the project on a tiny configuration, and how to run DVC in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from trees import REPOSITORY

STAGES = ("sample", "load", "cnn", "features", "fuse", "evaluate")
TINY: dict[str, dict[str, Any]] = {
    "sample": {"training_scenes": 24, "natural_scenes": 8, "digital_scenes": 2, "long_side": 160},
    "image": {"long_side": 128},
    "load": {"shard_images": 16},
    "cnn": {
        **{"filters": [6, 8], "epochs": 2, "steps_per_epoch": 4, "crop_side": 64, "crops": 6},
        **{"wide_crop_side": 96, "wide_crops": 2, "check_images": 12},
    },
    "features": {"levels": 2, "tiles": 4, "percentiles": [50, 95]},
    "fuse": {"hidden": [6], "epochs": 3, "members": 2, "kind_members": 1},
    "evaluate": {"resamples": 50, "worst_images": 4},
}


def run(folder: Path, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
    """`python words` in `folder`, with this interpreter found first as `python`."""
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder / 'pipeline'}{os.pathsep}{folder}",
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONHASHSEED": "0",
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if not fails:
        assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done


def repro(folder: Path, *options: str) -> str:
    done = run(folder, "-m", "dvc", "repro", *options)
    return done.stdout + done.stderr


def ran(output: str) -> list[str]:
    """The stages whose commands a repro ran."""
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


def switch(folder: Path, name: str) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params["dataset"]["name"] = name
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def clone(folder: Path) -> Path:
    """The working tree as it stands, as small as TINY, committed; nothing is run in it yet."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        **{"cwd": REPOSITORY, "capture_output": True, "text": True},
    )
    if listed.returncode:
        pytest.skip("no Git checkout to clone")
    for name in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file() and name != "dvc.lock" and not name.startswith("artifacts/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    for section, values in TINY.items():
        assert values.keys() <= params[section].keys()
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "Clone"]):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)
    return folder


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time of change and bytes of all files."""
    return {
        path.as_posix(): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
