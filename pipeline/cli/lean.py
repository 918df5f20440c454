"""Settings of a process that judges many photos; to be made before NumPy and OpenCV are loaded."""

from __future__ import annotations

import gc
import os


def run_lean() -> None:
    """One thread for each photo, as NumPy's own would only fight with ours; memory reused.

    Nothing is collected until :func:`settle`: what is loaded stays, and to look for garbage in it
    again and again took a sixth of the start.
    """
    gc.disable()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # files that are odd but can be read
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
    from pipeline.config.heap import keep_heap

    keep_heap()


def settle() -> None:
    """What is there by now stays to the end, which no collection looks at again.

    At the end of a program too: Python would look through all of it before it goes.
    """
    gc.freeze()
    gc.enable()
