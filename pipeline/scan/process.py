"""Another process that judges: forked where that is safe, spawned elsewhere.

A forked one is there at once; a spawned one takes a second to start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from pipeline.scan.batches import Lost, Request, Work, judge_batch, problem_of
from pipeline.scan.judging import Judged
from pipeline.serving.verdict import Verdict

_DIED = "the process that judged it died, twice; is it damaged, or memory short?"


def alone() -> bool:
    """Whether forking copies no lock that another thread holds; only Linux tells."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _serve(pipe: Connection, work: Work, copied: Connection | None) -> None:
    """Judge what comes through `pipe` until it is closed.

    `copied` is the parent's end, which a fork copies: as long as it is open here too, a parent
    that is killed closes nothing.
    """
    import signal

    import cv2

    from pipeline.config.heap import keep_heap

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it lets us finish
    if copied is not None:
        copied.close()
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
        forked = alone()
        context: Any = get_context("fork" if forked else "spawn")
        self._pipe, other = context.Pipe()
        given = other, self._work, self._pipe if forked else None
        self.process: Any = context.Process(target=_serve, args=given, daemon=True)
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
