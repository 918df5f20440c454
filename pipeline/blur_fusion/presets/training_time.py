"""`python -m blur_fusion.presets.training_time`: how long our own model takes to train.

Runs the stages cnn, features and fuse once more, in a folder that is deleted afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.report import as_json

STAGES = ("cnn", "features", "fuse")
ROOT = Path(__file__).resolve().parents[3]
TARGET = Path("artifacts/ours/training.json")


def _run_stage(name: str, folder: Path) -> float:
    """Seconds that a stage takes in `folder`."""
    paths = os.pathsep.join([f"{ROOT}/pipeline", str(ROOT), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    if done.returncode:
        raise BlurError(f"stage {name}: ended with status {done.returncode}; see above")
    return time.perf_counter() - began


def training_seconds(project: Path) -> dict[str, float]:
    """Seconds of each stage that trains, on what `load` stored in `project`.

    Raises
    ------
    BlurError
        There are no stored images, or a stage fails.
    """
    load = (project / "artifacts" / "load").resolve()
    require(load.is_dir(), f"{load}: no such folder; run 'make repro' first")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "load").symlink_to(load)
        (folder / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
        if (project / "data").is_dir():
            (folder / "data").symlink_to((project / "data").resolve())
        return {name: _run_stage(name, folder) for name in STAGES}


def main() -> None:
    """Measure and write artifacts/ours/training.json."""
    stages = training_seconds(Path("."))
    found = {"stages": stages, "seconds": sum(stages.values())}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(as_json(found), encoding="utf-8")
    print(f"our training: {found['seconds']:.0f} s")


if __name__ == "__main__":
    run(main)
