"""Judge many files on all cores, in order, in flat memory, each at most once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from pipeline.scan.batches import Work
from pipeline.scan.hands import Hands
from pipeline.scan.inputs import Found
from pipeline.scan.judging import Judge, Judged, judge_file
from pipeline.scan.memory import Identity, Memory
from pipeline.serving.verdict import Verdict

_AHEAD = 4  # files in work or waiting for each thread: a slow one holds up the order, not the rest


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ScanOptions:
    """How to scan.

    Attributes
    ----------
    workers : int
        Threads or processes; 0 is one for each core.
    cache : Path, optional
        File of verdicts that are kept between scans.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    frames : Path, optional
        Folder that the kept frames of videos are written to.
    warn : callable
        Told in one line what goes wrong beside the files, such as a damaged cache.
    """

    workers: int = 0
    cache: Path | None = None
    thumbnails: bool = False
    every: int = 5
    frames: Path | None = None
    warn: Callable[[str], None] = _silent

    def threads(self) -> int:
        """Number of threads; as `taskset` and containers limit it where the system says."""
        if self.workers:
            return self.workers
        allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
        return len(allowed(0)) if allowed else os.cpu_count() or 1


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV from splitting each photo over threads that already have photos of their own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@dataclass(slots=True)
class _Waiting:
    """A file in work; its answer is new to the cache where `file` is set."""

    answer: Future[list[Judged]] | list[Judged]
    file: Identity | None = None

    def take(self) -> list[Judged]:
        return self.answer if isinstance(self.answer, list) else self.answer.result()

    def stop(self) -> bool:
        """Cancel, or wait for what is in work; whether there is an answer."""
        if isinstance(self.answer, list):
            return True
        return not self.answer.cancel() and self.answer.exception() is None


def _known(verdict: Verdict) -> list[Judged]:
    """An answer from the cache, which holds no pictures."""
    from pipeline.report.thumbnails import file_thumbnail

    size = (verdict.width, verdict.height) if verdict.width and verdict.height else None
    return [Judged(verdict, file_thumbnail(verdict.path, size))]


def _video(judge: Judge, path: str, options: ScanOptions) -> list[Judged]:
    from pipeline.scan.video import judge_video

    return judge_video(judge, path, options.every, options.thumbnails, options.frames)


@dataclass(frozen=True)
class _Scan:
    """What all files of a scan share."""

    judge: Judge
    options: ScanOptions
    memory: Memory
    pool: ThreadPoolExecutor
    hands: Hands

    def start(self, found: Found) -> _Waiting:
        """Look a file up, or have it judged."""
        if found.problem is not None:
            return _Waiting([Judged(Verdict.failed(found.path, found.problem))])
        if found.video:
            return _Waiting(self.pool.submit(_video, self.judge, found.path, self.options))
        file, verdict = self.memory.get(found.path)
        if verdict is None:
            self.hands.asked()
            return _Waiting(self.pool.submit(self.hands.judge, found.path), file)
        if not self.options.thumbnails:
            return _Waiting([Judged(verdict)])
        return _Waiting(self.pool.submit(_known, verdict))


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
        With threshold 0, where :func:`pipeline.scan.judging.settled` decides later.
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
        memory = Memory(options.cache, judge.fingerprint, options.warn, stack)
        stack.enter_context(_one_thread_each())

        def here(path: str) -> list[Judged]:
            return [judge_file(judge, path, options.thumbnails)]

        work = Work(str(model), judge.fingerprint, options.thumbnails) if model else None
        hands = Hands(here, threads, work)
        stack.callback(hands.close)
        pool = stack.enter_context(ThreadPoolExecutor(threads, "scan"))
        shared = _Scan(judge, options, memory, pool, hands)
        queue: deque[_Waiting] = deque()

        def oldest() -> list[Judged]:
            answer = queue[0].take()
            memory.put(queue.popleft().file, answer[0].verdict if answer else None)
            return answer

        try:
            for found in files:
                queue.append(shared.start(found))
                if len(queue) >= _AHEAD * threads:
                    yield oldest()
            while queue:
                yield oldest()
        finally:
            for waiting in queue:
                if waiting.stop():
                    answer = waiting.take()
                    memory.put(waiting.file, answer[0].verdict if answer else None)
