"""An ordered, bounded map over executors: in flat memory, however many items there are."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import product
from pathlib import Path
from typing import TypeVar

from blur_fusion.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")

# What limits the memory of a container: files of the limit and of what is used, and what of that
# the kernel gives back, in memory.stat. The second is that of older kernels.
_CGROUPS = (
    ("memory.max", "memory.current", "file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
)


def cores() -> int:
    """Cores of this process, as `taskset` and containers limit it where the system says."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _number(path: str, name: str = "") -> int:
    """The number behind `name` in a file of the kernel's; a very large one if there is none."""
    found = re.search(rf"^{name}:?\s*(\d+)", Path(path).read_text(), re.M)
    return int(found[1]) if found else sys.maxsize


def free_memory() -> int:
    """Octets that this process may still take, as the machine, containers and `ulimit` limit it.

    Very many where the system does not say: only Linux does.
    """
    free, folders = [sys.maxsize], ["/sys/fs/cgroup/memory"]
    with suppress(OSError, ValueError):
        free.append(1024 * sum(_number("/proc/meminfo", n) for n in ("MemAvailable", "SwapFree")))
        held = _number("/proc/self/statm") * os.sysconf("SC_PAGE_SIZE")
        free.append(_number("/proc/self/limits", "Max address space") - held)
        own = re.search(r"^0::(.*)", Path("/proc/self/cgroup").read_text(), re.M)
        folders.append(f"/sys/fs/cgroup{own[1] if own else ''}")
    for folder, (most, used, cached) in product(folders, _CGROUPS):
        with suppress(OSError, ValueError):
            reused = _number(f"{folder}/memory.stat", cached)
            free.append(_number(f"{folder}/{most}") - _number(f"{folder}/{used}") + reused)
    return min(free)


def ordered_futures(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], ahead: Callable[[], int]
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Yield each item with its future, in order; `ahead()` of them are in work or waiting.

    Whoever closes the generator cancels those that were not yielded and have not begun.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, submit(item)))
            while len(waiting) >= ahead():
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 0
) -> Iterator[Result]:
    """Yield `function(item)` in the order of `items`, computed ahead by threads.

    OpenCV works without Python's lock, so threads suffice. At most two results per thread wait.

    Parameters
    ----------
    function : callable
    items : iterable
    workers : int
        Threads; 0 is one for each core.
    """
    threads = workers or cores()
    with ThreadPoolExecutor(threads) as pool:
        pairs = ordered_futures(
            lambda item: pool.submit(function, item), items, lambda: 2 * threads
        )
        with closing(pairs):
            for _, future in pairs:
                yield future.result()


def shown(items: Iterable[Item], total: int, what: str, unit: str = "image") -> Iterator[Item]:
    """`items` with progress, rate and time left on stderr.

    Parameters
    ----------
    items : iterable
    total : int
    what : str
        A word or two for what is done.
    unit : str
        What an item is.
    """
    with progress_bar(total, what, unit) as bar:
        for item in items:
            yield item
            bar.update()
