"""Settings of a process that judges many photos; made before NumPy and OpenCV are loaded."""

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

# glibc's names of what mallopt sets, their codes in malloc.h, and how many octets are wanted: the
# largest threshold that it takes on 64 bits; given back above; taken at once.
_MALLOC = {
    "MMAP_THRESHOLD": (-3, 32 << 20),
    "TRIM_THRESHOLD": (-1, 256 << 20),
    "TOP_PAD": (-2, 16 << 20),
}


def keep_heap() -> None:
    """Let glibc reuse the memory of one photo for the next.

    By default it gives large arrays back and lets the kernel map and clear them anew, which took a
    tenth of a scan or of a stage and makes threads wait for one another. Processes that are started
    from now on do likewise.
    """
    for name, (_, value) in _MALLOC.items():
        os.environ.setdefault(f"MALLOC_{name}_", str(value))
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for pair in _MALLOC.values():
            mallopt(*pair)


def lead_nowhere(descriptor: int) -> None:
    """Have whatever is written to `descriptor` from now on vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class _Stderr(io.FileIO):
    """What cannot be said, as on a full disk, is no reason to stop."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def own_stderr() -> None:
    """Keep standard error to `sys.stderr`: decoders written in C print to descriptor 2.

    Streams that the caller has closed lead nowhere, so that no file takes their number.
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
    """Silence the libraries: about files that are odd but can be read, and to their makers."""
    for name, value in (
        ("OPENCV_LOG_LEVEL", "ERROR"),
        ("OPENCV_FFMPEG_LOGLEVEL", "8"),
        ("TF_CPP_MIN_LOG_LEVEL", "3"),
        ("ORT_DISABLE_TELEMETRY", "1"),
    ):
        os.environ.setdefault(name, value)


def prepare() -> None:
    """One thread for each photo, as NumPy's own would only compete with ours; memory reused.

    Nothing is collected until :func:`freeze`: looking for garbage in what is loaded, again and
    again, took a sixth of the start.
    """
    gc.disable()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    quiet()
    keep_heap()


def freeze() -> None:
    """What is there by now stays to the end, which no collection looks at again.

    At the end of a program too: Python would look through all of it before it goes.
    """
    gc.freeze()
    gc.enable()


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """An environment variable that is set for a while, unless the program has set it itself."""
    ours = name not in os.environ
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if ours:
            os.environ.pop(name, None)


_LOCK = threading.Lock()
_users = _threads = 0  # how many are inside; OpenCV's threads before the first of them


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Keep OpenCV to one thread, as photos run in parallel, and leave it as it was.

    Several threads may be inside at once: the first one in sets, the last one out restores.
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
