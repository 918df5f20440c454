"""Stages and their workers compute with AVX2 on every processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages import PINNED
from trees import REPOSITORY

CPUINFO = Path("/proc/cpuinfo")
FLAGS = CPUINFO.read_text("utf-8") if CPUINFO.is_file() and sys.platform == "linux" else ""
pytestmark = pytest.mark.skipif("avx2" not in FLAGS, reason="no Linux, or no AVX2")

SEEN = """
import stages
def seen():
    import cv2
    import numpy._core._multiarray_umath as umath
    wide = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    return wide, cv2.getCPUFeaturesLine().split()[-1], cv2.ipp.useIPP()
import joblib, json
worker = joblib.Parallel(n_jobs=2)(joblib.delayed(seen)() for _ in range(2))
print(json.dumps([seen(), *worker]))
"""
RENDERED = """
import stages
import hashlib, sys
from pathlib import Path
from blur_fusion.params import SampleParams
from blur_fusion.sample.tree import write_sample
root = Path(sys.argv[1])
write_sample(root, SampleParams(6, 4, 1, 256, 0.5), 3, 1)
whole = hashlib.sha256()
for path in sorted(root.rglob("*.*")):
    whole.update(path.read_bytes())
print(whole.hexdigest())
"""
FORBIDDEN = {  # as if the processor lacked it, also for glibc's own functions
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ",
    "OPENBLAS_NUM_THREADS": "1",
}


def answer(code: str, *arguments: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in PINNED}
    kept.pop("OPENCV_CPU_DISABLE", None)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "OPENCV" not in done.stderr and "IPP" not in done.stderr
    return done.stdout


def test_nothing_wider_than_avx2_runs_in_a_stage_or_its_workers() -> None:
    for wide, opencv, ipp in json.loads(answer(SEEN)):
        assert wide == ["X86_V3"]
        assert opencv.endswith("AVX512-SKX?")  # OpenCV's mark of unused features
        assert ipp is False


def test_what_is_set_already_stays() -> None:
    code = "import os, stages; print(os.environ['ONEDNN_MAX_CPU_ISA'])"
    assert answer(code, ONEDNN_MAX_CPU_ISA="SSE41").strip() == "SSE41"


def test_wider_vectors_change_no_rendered_byte(tmp_path: Path) -> None:
    allowed = answer(RENDERED, str(tmp_path / "allowed"))
    assert answer(RENDERED, str(tmp_path / "forbidden"), **FORBIDDEN) == allowed
