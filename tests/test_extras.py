"""Without the extra `train` a stage ends in one line that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blur_fusion.errors import TRAIN_MODULES
from trees import REPOSITORY, SOURCES

PROJECT = REPOSITORY
_WITHOUT = """
import sys
for name in {missing}:
    sys.modules[name] = None
from blur_fusion.errors import run
from stages.{stage} import main
run(main)
"""


@pytest.mark.parametrize("stage", ["sample", "load", "cnn", "features", "fuse", "evaluate"])
def test_a_stage_names_the_missing_extra(stage: str, tmp_path: Path) -> None:
    missing = TRAIN_MODULES
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(stage=stage, missing=missing)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ") and "blur-fusion[train]" in lines[0]
    assert not list(tmp_path.iterdir())
