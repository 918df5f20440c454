"""A small copy of the project that `dvc repro` runs through in less than a minute."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import scan_command
from trees import copy_checkout

STAGES = ("sample", "load", "cnn", "features", "fuse", "evaluate")
TINY: dict[str, dict[str, Any]] = {
    "sample": {"training_scenes": 24, "natural_scenes": 8, "digital_scenes": 2, "long_side": 160},
    "image": {"long_side": 128},
    "split": {"folds": 2},
    "load": {"shard_images": 16},
    "compute": {"workers": 1},  # each more starts another TensorFlow
    "cnn": {
        **{"filters": [6], "epochs": 2, "steps_per_epoch": 4, "crop_side": 64, "crops": 6},
        **{"wide_crop_side": 96, "wide_crops": 2, "check_images": 12},
    },
    "features": {"levels": 2, "tiles": 4, "percentiles": [50, 95]},
    "fuse": {"hidden": [6], "epochs": 3, "members": 2, "fold_members": 1, "kind_members": 1},
    "evaluate": {"resamples": 50, "worst_images": 4, "robustness_images": 6},
}


def environment(folder: Path) -> dict[str, str]:
    """Environment of a process in `folder`; `python` is this interpreter."""
    return {
        **os.environ,
        "PYTHONPATH": f"{folder / 'pipeline'}{os.pathsep}{folder}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{"DVC_NO_ANALYTICS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONHASHSEED": "0"},
    }


def run(folder: Path, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
    return scan_command.run(*words, cwd=folder, fails=fails, **environment(folder))


def repro(folder: Path, *options: str) -> str:
    done = run(folder, "-m", "dvc", "repro", *options)
    return done.stdout + done.stderr


def ran(output: str) -> list[str]:
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


def commit(folder: Path) -> None:
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "All"]):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)


def clone(folder: Path) -> Path:
    """Copy and commit the working tree with the parameters of TINY."""
    copy_checkout(folder, ":!dvc.lock", ":!artifacts")
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    for section, values in TINY.items():
        assert values.keys() <= params[section].keys()
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    commit(folder)
    return folder
