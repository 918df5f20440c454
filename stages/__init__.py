"""Thin scripts, one for each stage of dvc.yaml, and the click test script.

Whatever runs one of them computes with AVX2 and no wider vectors: NumPy, OpenCV, OpenBLAS and
oneDNN each round otherwise with AVX-512, and a data set that differs in a hundred bytes trains a
model with other errors. Worker processes inherit the environment.

Each takes a params file and the folder that its artefacts are in, or are those of the default run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

PINNED = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_IPP": "disabled",  # picks its code by the processor's make and caches too
    "OPENCV_LOG_LEVEL": "ERROR",  # else each process warns that it has no IPP
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


_PROCESSOR = Path("/proc/cpuinfo").read_text("utf-8") if sys.platform == "linux" else ""
if "avx512f" in _PROCESSOR:  # OpenCV complains where there is nothing to disable
    PINNED["OPENCV_CPU_DISABLE"] = "AVX512-SKX"
if "avx2" in _PROCESSOR:  # else it is no x86-64, or older than all of this
    for _name, _value in PINNED.items():
        os.environ.setdefault(_name, _value)


def run(main: Callable[..., None]) -> None:
    """Call the `main` of a stage with the words of the command line.

    What TensorFlow, written in C++, prints while it starts is not shown.
    """
    from blur_fusion import errors, startup

    startup.own_stderr()
    errors.run(lambda: main(*sys.argv[1:]))
