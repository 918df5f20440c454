"""Find the compiled loops, if there are any."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

SWITCH = "BLUR_NATIVE"  # "0" turns the compiled code off

_POINTER, _STRIDE, _INT = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int32
_IMAGE, _FLOAT = [_POINTER, _INT, _INT], ctypes.c_float
_FUNCTIONS = {
    "blur_area_average": [_POINTER, _STRIDE, *[_INT] * 5, _POINTER],
    "blur_laplacian": [_POINTER, _STRIDE, _INT, _INT, _POINTER],
    "blur_local_spectrum": [*_IMAGE, _POINTER, _POINTER, _INT, _FLOAT, _FLOAT, _POINTER],
    "blur_powers": [*_IMAGE, _POINTER, _POINTER, _INT, _POINTER],
    "blur_windowed": [_POINTER, _STRIDE, _POINTER, _INT, _INT, _POINTER, _POINTER],
    "blur_tile_sums": [_INT, _POINTER, _STRIDE, _POINTER, _INT, _POINTER, _INT, _POINTER],
    "blur_weighted_sums": [_POINTER, _INT, *[_POINTER, _POINTER, _INT, _INT] * 2, _POINTER],
    "blur_gradient_argmax": [_POINTER, _STRIDE, _STRIDE, _POINTER, _INT, _POINTER, _INT, _POINTER],
}


# The address of a contiguous, writable array, as an argument of these functions. Twice as fast as
# `array.ctypes.data`, which adds up to a hundredth of a scan.
address: Callable[[Any], Any] = (ctypes.c_char * 0).from_buffer


def load(path: Path) -> ctypes.CDLL:
    """The compiled functions in the file `path`, with their argument types."""
    found = ctypes.CDLL(str(path))
    for name, types in _FUNCTIONS.items():
        getattr(found, name).argtypes = types
    return found


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled functions; None where there are none. Calls release Python's lock."""
    if os.environ.get(SWITCH) == "0":
        return None
    for suffix in EXTENSION_SUFFIXES:
        # missing, or for another machine or version
        with suppress(OSError, AttributeError):
            return load(Path(__file__).with_name(f"kernels{suffix}"))
    return None
