"""Process settings for judging many photos, made before NumPy and OpenCV are loaded."""

from __future__ import annotations

import ctypes
import gc
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Parameters of glibc's mallopt: their codes in malloc.h and values in bytes. The first is the
# largest it accepts on 64 bits.
_MALLOC = {
    "MMAP_THRESHOLD": (-3, 32 << 20),
    "TRIM_THRESHOLD": (-1, 256 << 20),
    "TOP_PAD": (-2, 16 << 20),
}


def keep_heap() -> None:
    """Let glibc reuse the memory of one photo for the next, in child processes too.

    By default it returns large arrays to the kernel, which maps and clears them again: a tenth of
    the time of a scan or a stage, and threads wait for one another.
    """
    for name, (_, value) in _MALLOC.items():
        os.environ.setdefault(f"MALLOC_{name}_", str(value))
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for pair in _MALLOC.values():
            mallopt(*pair)


def lead_nowhere(descriptor: int) -> None:
    """Discard whatever is written to `descriptor` from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class _Stderr(io.FileIO):
    """Ignores write errors, as on a full disk."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def own_stderr() -> None:
    """Keep descriptor 2 from decoders written in C, which print to it; `sys.stderr` still works.

    Standard streams that the caller closed are opened on the null device, so that no other file
    takes their descriptors.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    kept = os.dup(2)
    lead_nowhere(2)
    raw = io.BufferedWriter(_Stderr(kept, "w"))
    sys.stderr = io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)


def quiet() -> None:
    """Silence the libraries' warnings about odd files, and their telemetry."""
    for name, value in (
        ("OPENCV_LOG_LEVEL", "ERROR"),
        ("OPENCV_FFMPEG_LOGLEVEL", "8"),
        ("TF_CPP_MIN_LOG_LEVEL", "3"),
        ("ORT_DISABLE_TELEMETRY", "1"),
    ):
        os.environ.setdefault(name, value)


def prepare() -> None:
    """One thread per photo, since NumPy's own would only compete with ours; memory reused.

    Garbage collection is off until :func:`freeze`: it took a sixth of the start-up time.
    """
    gc.disable()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    quiet()
    keep_heap()


def freeze() -> None:
    """Exempt all objects loaded so far from garbage collection, at exit too."""
    gc.freeze()
    gc.enable()


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while, unless it is set already."""
    ours = name not in os.environ
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if ours:
            os.environ.pop(name, None)


_LOCK = threading.Lock()
_users = _threads = 0  # threads inside; OpenCV's setting before the first


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread, as photos run in parallel; restore it afterwards.

    Threads may overlap: the first one in sets the limit, the last one out restores.
    """
    global _users, _threads
    import cv2

    with _LOCK:
        if not _users:
            _threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _users += 1
    try:
        yield
    finally:
        with _LOCK:
            _users -= 1
            if not _users:
                cv2.setNumThreads(_threads)
