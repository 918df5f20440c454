"""Judge many files on all cores, in order, in flat memory, each at most once."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2

from pipeline.scan.batches import Work, lend
from pipeline.scan.desk import Desk, Waiting
from pipeline.scan.hands import MANY, Hands
from pipeline.scan.inputs import Found
from pipeline.scan.judging import Judge, Judged, judge_files
from pipeline.scan.memory import Memory
from pipeline.scan.options import ScanOptions

_AHEAD = 4  # batches for each thread, in work or waiting: a slow one holds up the order, no more


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV from splitting each photo over threads that already have photos of their own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def scan(
    files: Iterable[Found],
    judge: Judge,
    options: ScanOptions | None = None,
    model: Path | None = None,
) -> Generator[list[Judged], None, None]:
    """Judge files on several threads, or where there are many in processes too.

    Parameters
    ----------
    files : iterable of Found
        Taken as they are needed.
    judge : Judge
        With threshold 0 where verdicts are kept, in a cache or a report, or else with any.
        :func:`pipeline.scan.judging.settled` decides later.
    options : ScanOptions, optional
    model : Path, optional
        Folder of the judge's model, which lets processes help.

    Yields
    ------
    list of Judged
        For each of `files`, in their order: one answer, or one for each second of a video. Whoever
        stops listening, as Ctrl-C does, loses nothing: what is judged by then is in the cache.
    """
    options = options or ScanOptions()
    threads = options.threads()
    with ExitStack() as stack:
        stack.enter_context(_one_thread_each())

        def here(paths: Sequence[str]) -> list[Judged]:
            return judge_files(judge, paths, options.thumbnails)

        work = None
        if model is not None:
            work = Work(
                str(model), judge.fingerprint, options.thumbnails, threshold=judge.threshold
            )
            lend(work, judge)
        # First of all, so that what is forked shares no open file.
        total = len(files) if isinstance(files, Sized) else None
        hands = Hands(here, threads, work, total is not None and total >= MANY)
        stack.callback(hands.close)
        memory = Memory(options.cache, judge.fingerprint, options.warn, stack)
        pool = stack.enter_context(ThreadPoolExecutor(threads, "scan"))
        desk = Desk(judge, options, memory, pool, hands, total)
        queue: deque[Waiting] = deque()

        def oldest() -> list[Judged]:
            answer = desk.finish(queue[0])
            queue.popleft()  # not before: who is interrupted finds it there
            return answer

        try:
            for found in files:
                queue.append(desk.take(found))
                if len(queue) >= _AHEAD * threads * desk.together:
                    yield oldest()
            while queue:
                yield oldest()
        finally:
            for waiting in queue:
                if waiting.stop():
                    desk.finish(waiting)
