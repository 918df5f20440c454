"""Without the extra `train` a stage ends in one line that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blur_fusion.errors import TRAIN_MODULES
from trees import SOURCES


@pytest.mark.parametrize("stage", ["sample", "load", "cnn", "features", "fuse", "evaluate"])
def test_a_stage_names_the_missing_extra(stage: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({TRAIN_MODULES})); "
        f"from blur_fusion.errors import run; from stages.{stage} import main; run(main)"
    )
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": SOURCES}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("error: ") and "blur-fusion[train]" in line
    assert not list(tmp_path.iterdir())
