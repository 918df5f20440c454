"""Cores, free memory, progress, and an ordered map over threads that keeps memory flat."""

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
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")

# Memory of a container: files of its limit and usage, and what of memory.stat the kernel can free.
# The second row is for older kernels.
_CGROUPS = (
    ("memory.max", "memory.current", "file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
)


def cores() -> int:
    """Cores available to this process, within the limits of `taskset` and containers."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _number(path: str, name: str = "") -> int:
    """The number after `name` in a kernel file; sys.maxsize if there is none."""
    found = re.search(rf"^{name}:?\s*(\d+)", Path(path).read_text(), re.M)
    return int(found[1]) if found else sys.maxsize


def free_memory() -> int:
    """Bytes this process may still allocate, within the limits of machine, container and `ulimit`.

    Known on Linux only; elsewhere sys.maxsize.
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
    """Yield each item with its future, in order, with at most `ahead()` of them submitted.

    Closing the generator cancels the futures that were not yielded and have not started.
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

    OpenCV releases Python's lock, so threads suffice. At most two results per thread wait;
    `workers` is the number of threads, 0 one per core.
    """
    threads = workers or cores()
    with ThreadPoolExecutor(threads) as pool:
        pairs = ordered_futures(
            lambda item: pool.submit(function, item), items, lambda: 2 * threads
        )
        with closing(pairs):
            for _, future in pairs:
                yield future.result()


def progress_bar(total: int, what: str, unit: str = "image") -> tqdm[Any]:
    """A bar of `total` steps; updated every half minute where stderr is not a terminal."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its thread would prevent forking
    pace: dict[str, Any] = {"mininterval": 30.0, "maxinterval": 60.0}
    pace["delay"] = 2.0  # quick work leaves no line in a log
    if sys.stderr.isatty():
        pace = {"mininterval": 0.2, "maxinterval": 10.0, "dynamic_ncols": True}
    return tqdm(total=total, desc=what, unit=unit, file=sys.stderr, **pace)


def shown(items: Iterable[Item], total: int, what: str, unit: str = "image") -> Iterator[Item]:
    """`items` with a progress bar on stderr; see :func:`progress_bar`."""
    with progress_bar(total, what, unit) as bar:
        for item in items:
            yield item
            bar.update()
