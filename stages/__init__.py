"""Thin scripts, one for each stage of dvc.yaml, and one for `blur test`.

Each takes a params file and the folder of its artefacts, by default those of `make repro`.

All compute with AVX2 and no wider vectors: NumPy, OpenCV, OpenBLAS and oneDNN round differently
with AVX-512, and a data set that differs in a hundred bytes trains a visibly different model.
Worker processes inherit the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

PINNED = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_IPP": "disabled",  # chooses its code by vendor and cache size too
    "OPENCV_LOG_LEVEL": "ERROR",  # otherwise each process warns that IPP is off
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


_PROCESSOR = Path("/proc/cpuinfo").read_text("utf-8") if sys.platform == "linux" else ""
if "avx512f" in _PROCESSOR:  # OpenCV complains where there is nothing to disable
    PINNED["OPENCV_CPU_DISABLE"] = "AVX512-SKX"
if "avx2" in _PROCESSOR:
    for _name, _value in PINNED.items():
        os.environ.setdefault(_name, _value)


def run(main: Callable[..., None]) -> None:
    """Call the `main` of a stage with the command line's arguments, hiding TensorFlow's chatter."""
    from blur_fusion import errors, startup

    startup.own_stderr()
    errors.run(lambda: main(*sys.argv[1:]))
