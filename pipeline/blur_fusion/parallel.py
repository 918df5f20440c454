"""Map over many files with threads, in order and in flat memory, showing progress."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from blur_fusion.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        Threads; 0 takes one for each core.
    """
    threads = workers or os.cpu_count() or 1
    source = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(source, 2 * threads)
        )
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(source, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def shown(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """`items` with progress, rate and time left on stderr.

    Parameters
    ----------
    items : iterable
    total : int
    what : str
        A word or two for what is done.
    """
    with progress_bar(total, what) as bar:
        for item in items:
            yield item
            bar.update()
