"""Who judges: threads of this process at once, then processes, which share no lock of Python's.

Two threads of one process wait for each other's Python a fifth of the time. Until a process is
ready, photos are judged here. Few photos start none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, Queue

from pipeline.scan.batches import Work
from pipeline.scan.judging import Judged
from pipeline.scan.process import Process, alone

MANY = 48  # photos from which processes are worth their start


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

    def judge(self, paths: Sequence[str]) -> list[Judged]:
        """Judge photos with whatever is free; called by several threads."""
        hand = self._free.get()
        if hand is None:  # a process that is ready by now takes this one's place
            with suppress(Empty):
                hand = self._ready.get_nowait()
        try:
            return self._here(paths) if hand is None else hand.judge(paths)
        finally:
            self._free.put(hand)

    def close(self) -> None:
        """End all processes, once no thread calls :meth:`judge` any more."""
        self._closing.set()
        while self._starter is not None and self._starter.is_alive():
            for process in list(self._processes):
                process.end()  # else the starter would wait until it is ready
            self._starter.join(0.05)
        for process in self._processes:
            process.close()
