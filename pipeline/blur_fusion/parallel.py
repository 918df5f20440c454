"""An ordered, bounded map over executors: in flat memory, however many items there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from blur_fusion.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores of this process, as `taskset` and containers limit it where the system says."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(allowed(0)) if allowed else os.cpu_count() or 1


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
