"""The C library's heap, tuned for arrays that come and go with every photo."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h, and the largest threshold that it takes on 64 bits.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_MAPPED = 32 << 20
_KEPT, _STEP = 256 << 20, 16 << 20  # octets: given back above, taken at once


def keep_heap() -> bool:
    """Let glibc reuse the memory of one photo for the next; whether it could be told so.

    By default it gives large arrays back and lets the kernel map and clear them anew, which took a
    tenth of a scan and makes threads wait for one another.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    wanted = {_MMAP_THRESHOLD: _LARGEST_MAPPED, _TRIM_THRESHOLD: _KEPT, _TOP_PAD: _STEP}
    return all([bool(mallopt(name, value)) for name, value in wanted.items()])
