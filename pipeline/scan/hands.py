"""Who judges: threads of this process at once, then processes, which share no lock of Python's.

Two threads of one process wait for each other's Python a fifth of the time. Where a process may be
forked it is there at once. Elsewhere it takes a second to start, so photos are judged here
meanwhile. Few photos start none.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Empty, Queue
from typing import Any

from pipeline.scan.batches import Lost, Request, Work, judge_batch, problem_of
from pipeline.scan.judging import Judged
from pipeline.serving.verdict import Verdict

MANY = 48  # photos from which processes are worth their start

_DIED = "the process that judged it died, twice; is it damaged, or memory short?"


def alone() -> bool:
    """Whether forking copies no lock that another thread holds; only Linux tells."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _serve(pipe: Connection, work: Work) -> None:
    """Judge what comes through `pipe` until it is closed."""
    import signal

    import cv2

    from pipeline.config.heap import keep_heap

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it lets us finish
    keep_heap()
    cv2.setNumThreads(1)
    pipe.send(problem_of(work))
    with suppress(EOFError, OSError):
        while True:
            pipe.send(judge_batch(work, pipe.recv()))


class Process:
    """Another process with a detector of its own; judges a few photos at a time.

    Parameters
    ----------
    work : Work
        What it loads.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._dead = False
        self._start()

    def _start(self) -> None:
        context: Any = get_context("fork" if alone() else "spawn")
        self._pipe, other = context.Pipe()
        self.process: Any = context.Process(target=_serve, args=(other, self._work), daemon=True)
        self.process.start()
        other.close()

    def ready(self) -> bool:
        """Wait until it has loaded its detector; False where it cannot."""
        try:
            return self._pipe.recv() is None
        except (EOFError, OSError):
            return False

    def _ask(self, paths: Sequence[str]) -> list[Judged] | None:
        """Its answers; None where it died."""
        try:
            self._pipe.send([Request(path, path) for path in paths])
            answers = self._pipe.recv()
        except (EOFError, OSError):
            self._dead = True
            return None
        if isinstance(answers, Lost):
            return [Judged(Verdict.failed(path, answers.reason)) for path in paths]
        return [judged for answer in answers for judged in answer]

    def _alone(self, path: str) -> Judged:
        if self._dead:
            self.close()
            self._start()
            self._dead = not self.ready()
        answers = None if self._dead else self._ask([path])
        return answers[0] if answers else Judged(Verdict.failed(path, _DIED))

    def judge(self, paths: Sequence[str]) -> list[Judged]:
        """Have photos judged; if it dies at them, they are tried once more, each alone."""
        return self._ask(paths) or [self._alone(path) for path in paths]

    def end(self) -> None:
        """Stop it; who waits for its answer gets none."""
        self.process.terminate()
        self.process.join()

    def close(self) -> None:
        """Stop it, once nobody waits for its answer."""
        self.end()
        self._pipe.close()


class Hands:
    """As many at work as there are threads: this process, or processes once they are there.

    Parameters
    ----------
    here : callable
        Judges paths in this process.
    threads : int
        Threads that call :meth:`judge`.
    work : Work, optional
        What processes load; without it all is judged in this one.
    many : bool
        Whether there are many photos, so far as is known.
    """

    def __init__(
        self,
        here: Callable[[Sequence[str]], list[Judged]],
        threads: int,
        work: Work | None,
        many: bool = False,
    ) -> None:
        self._here, self._work = here, work
        self._free: Queue[Process | None] = Queue()  # None stands for this process
        self._ready: Queue[Process] = Queue()
        for _ in range(threads):
            self._free.put(None)
        self._wanted = threads - 1 if work is not None else 0
        self._processes: list[Process] = []
        self._starter: threading.Thread | None = None
        self._closing = threading.Event()
        self._asked = 0
        if many and alone():
            self._take_on()

    def asked(self) -> None:
        """Count a photo; at the `MANY`-th, start processes."""
        self._asked += 1
        if self._asked == MANY and self._wanted and not self._processes:
            # Beside the main thread, which Ctrl-C may stop at any place.
            self._starter = threading.Thread(target=self._take_on, name="hands", daemon=True)
            self._starter.start()

    def _take_on(self) -> None:
        """Offer each process as soon as it is ready."""
        for _ in range(self._wanted):
            if self._work is None or self._closing.is_set():
                return
            self._processes.append(Process(self._work))
        for process in self._processes:
            if process.ready():
                self._ready.put(process)

    def _next(self, hand: Process | None) -> Process | None:
        """What goes on after `hand`: a process that is ready now, instead of this one."""
        if hand is None:
            with suppress(Empty):
                return self._ready.get_nowait()
        return hand

    def judge(self, paths: Sequence[str]) -> list[Judged]:
        """Judge photos with whatever is free; called by several threads."""
        hand = self._free.get()
        try:
            return self._here(paths) if hand is None else hand.judge(paths)
        finally:
            self._free.put(self._next(hand))

    def close(self) -> None:
        """End all processes, once no thread calls :meth:`judge` any more."""
        self._closing.set()
        while self._starter is not None and self._starter.is_alive():
            for process in list(self._processes):
                process.end()  # else the starter would wait until it is ready
            self._starter.join(0.05)
        for process in self._processes:
            process.close()
