"""The worker pool: threads of this process, and processes as soon as they are ready."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, Self

from blur_fusion.model.classifier import Classifier
from blur_fusion.scan.tasks import Answer, JobSpec, Task, lend, problem_of, run_tasks
from blur_fusion.startup import keep_heap

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

Answers = list[list[Answer]]  # of each task


class Pool(Protocol):
    """Where a scan has its tasks run."""

    job: JobSpec

    @property
    def workers(self) -> int:
        """How many tasks run at once."""

    def submit(self, tasks: Sequence[Task]) -> Future[Answers]:
        """Run a batch; an exception where a worker died or cannot judge."""

    def submit_here(self, tasks: Sequence[Task]) -> Future[Answers]:
        """Run a batch in this process."""

    def submit_alone(self, task: Task) -> Future[Answers]:
        """Run a task with nothing beside it, whose death would be taken for its own."""

    def wait(self, future: Future[Answers]) -> None:
        """Wait until it is done, or for what keeps it from ever being done: a BlurError."""


def can_fork() -> bool:
    """Whether forking copies no lock that another thread holds; only Linux tells."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _initialize() -> None:
    """In a process that begins: it ends with its parent, and Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    keep_heap()


def _processes(count: int) -> ProcessPoolExecutor:
    from multiprocessing import get_context

    context = get_context("fork" if can_fork() else "spawn")
    return futures.ProcessPoolExecutor(count, context, _initialize)


MANY = 48  # photos from which processes are worth their start


class WorkerPool:
    """Runs tasks in threads, and in processes instead once these have loaded the classifier.

    A context manager; on leaving it, what is under way is waited for.

    Parameters
    ----------
    job : JobSpec
    classifier : Classifier
        The one that `job` describes.
    workers : int
        How many tasks run at once.
    processes : int
        How many of them may run in other processes, from the `MANY`-th photo on.
    total : int
        Number of photos, if that is known: processes are started at once where they can be forked.
    """

    def __init__(
        self, job: JobSpec, classifier: Classifier, workers: int, processes: int = 0, total: int = 0
    ) -> None:
        self.job, self.workers = job, workers
        self._count, self._asked, self._begun = processes, 0, False
        self._lock = threading.Lock()
        # The processes, and how many of them are free.
        self._helpers: tuple[ProcessPoolExecutor, threading.Semaphore] | None = None
        self._single: ProcessPoolExecutor | None = None
        self._threads = ThreadPoolExecutor(workers, "scan")
        lend(job, classifier)
        if processes and total >= MANY and can_fork():
            self._begun = True
            self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown()
        for pool in (self._helpers and self._helpers[0], self._single):
            if pool:
                pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        """Start processes, each of which is free as soon as it has the classifier."""
        pool, free = _processes(self._count), threading.Semaphore(0)
        self._helpers = pool, free

        def loaded(future: Future[str | None]) -> None:
            if not future.cancelled() and future.exception() is None and future.result() is None:
                free.release()

        for _ in range(self._count):
            pool.submit(problem_of, self.job).add_done_callback(loaded)

    def submit(self, tasks: Sequence[Task]) -> Future[Answers]:
        """See :meth:`Pool.submit`."""
        self._asked += len(tasks)
        if self._count and self._asked >= MANY and not self._begun:
            self._begun = True
            self._threads.submit(self._start)  # since Ctrl-C may stop this thread at any place
        return self._threads.submit(self._run, tasks)

    def submit_here(self, tasks: Sequence[Task]) -> Future[Answers]:
        """See :meth:`Pool.submit_here`."""
        return self._threads.submit(run_tasks, self.job, tasks)

    def submit_alone(self, task: Task) -> Future[Answers]:
        """See :meth:`Pool.submit_alone`: in a process that has nothing else to do."""
        if self._single is not None:
            try:
                return self._single.submit(run_tasks, self.job, [task])
            except futures.BrokenExecutor:  # by the task before
                pass
        self._single = _processes(1)
        return self._single.submit(run_tasks, self.job, [task])

    def wait(self, future: Future[Answers]) -> None:
        """See :meth:`Pool.wait`."""
        futures.wait([future])

    def _run(self, tasks: Sequence[Task]) -> Answers:
        """In a process that is free, or else in this thread."""
        helpers = self._helpers
        if helpers is None or not helpers[1].acquire(blocking=False):
            return run_tasks(self.job, tasks)
        pool, free = helpers
        try:
            answers = pool.submit(run_tasks, self.job, tasks).result()
        except futures.BrokenExecutor:
            with self._lock:
                if self._helpers is helpers:  # the first to see the break
                    pool.shutdown()
                    self._start()
            raise
        free.release()
        return answers
