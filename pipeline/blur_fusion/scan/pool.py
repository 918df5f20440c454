"""Worker pools: threads and processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from blur_fusion.errors import BlurError, one_line
from blur_fusion.model.classifier import Classifier
from blur_fusion.scan.tasks import Answer, JobSpec, Task, lend, problem_of, run_tasks
from blur_fusion.startup import keep_heap

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

Answers = list[list[Answer]]  # of each task

MANY = 48  # photos from which processes are worth their start
_CONNECT, _WORKER = 4, 20  # seconds to wait for a scheduler, for a worker
_LOOK, _COUNT = 0.5, 10  # seconds between checks of the connection, of the number of workers
# Loggers that Dask uses, each with its own level.
_TALKERS = ("distributed", "distributed.client", "tornado.application", "concurrent.futures")


class Pool:
    """Runs the tasks of a scan; this one in threads of this process.

    Parameters
    ----------
    job : JobSpec
    workers : int
        How many tasks run at once.
    """

    def __init__(self, job: JobSpec, workers: int) -> None:
        self.job, self._workers = job, workers
        self._threads = ThreadPoolExecutor(workers, "scan")

    @property
    def workers(self) -> int:
        """How many tasks run at once."""
        return self._workers

    def submit(self, tasks: Sequence[Task]) -> Future[Answers]:
        """Run a batch; an exception where a worker died or cannot judge."""
        return self.submit_here(tasks)

    def submit_here(self, tasks: Sequence[Task]) -> Future[Answers]:
        """Run a batch in this process."""
        return self._threads.submit(run_tasks, self.job, tasks)

    def submit_alone(self, task: Task) -> Future[Answers]:
        """Run a task with nothing beside it that could be blamed for its death."""
        return self.submit([task])

    def wait(self, future: Future[Answers]) -> None:
        """Wait until it is done; a BlurError where it never will be."""
        futures.wait([future])


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
    """In a new process: it ends with its parent, and Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    keep_heap()


def _processes(count: int) -> ProcessPoolExecutor:
    from multiprocessing import get_context

    context = get_context("fork" if can_fork() else "spawn")
    return futures.ProcessPoolExecutor(count, context, _initialize)


class WorkerPool(Pool):
    """Runs tasks in threads, and in processes instead once these have loaded the classifier.

    A context manager; on leaving it, running tasks are waited for.

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
        Number of photos, if known: processes that can be forked are then started at once.
    """

    def __init__(
        self, job: JobSpec, classifier: Classifier, workers: int, processes: int = 0, total: int = 0
    ) -> None:
        super().__init__(job, workers)
        self._count, self._asked, self._begun = processes, 0, False
        self._lock = threading.Lock()
        # The processes, and how many of them are free.
        self._helpers: tuple[ProcessPoolExecutor, threading.Semaphore] | None = None
        self._single: ProcessPoolExecutor | None = None
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
        """Start processes; each is free as soon as it has the classifier."""
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
            self._threads.submit(self._start)  # Ctrl-C may stop this thread anywhere
        return self._threads.submit(self._run, tasks)

    def submit_alone(self, task: Task) -> Future[Answers]:
        """See :meth:`Pool.submit_alone`: in a process that has nothing else to do."""
        if self._single is not None:
            with suppress(futures.BrokenExecutor):  # broken by the task before
                return self._single.submit(run_tasks, self.job, [task])
        self._single = _processes(1)
        return self._single.submit(run_tasks, self.job, [task])

    def _run(self, tasks: Sequence[Task]) -> Answers:
        """In a process that is free, else in this thread."""
        helpers = self._helpers
        if helpers is None or not helpers[1].acquire(blocking=False):
            return run_tasks(self.job, tasks)
        pool, free = helpers
        try:
            answers = pool.submit(run_tasks, self.job, tasks).result()
        except futures.BrokenExecutor:
            with self._lock:
                if self._helpers is helpers:  # the first to see it
                    pool.shutdown()
                    self._start()
            raise
        free.release()
        return answers


class DaskPool(Pool):
    """Runs tasks on a cluster whose workers see the same files; see :func:`connected`."""

    def __init__(
        self, client: Any, address: str, job: JobSpec, warn: Callable[[str], None]
    ) -> None:
        super().__init__(job, 1)
        self._client, self._address = client, address
        self._warn: Callable[[str], None] | None = warn
        self._executor: Executor = client.get_executor(pure=False)
        self._cores, self._counted = 1, -math.inf

    @property
    def workers(self) -> int:
        """Threads of all workers, at least 1."""
        return max(1, self.cores())

    def cores(self) -> int:
        """Threads of all workers, counted every `_COUNT` seconds."""
        if time.monotonic() - self._counted > _COUNT:
            # AttributeError: the client has just been closed
            with suppress(OSError, RuntimeError, ValueError, AttributeError):
                self._cores = sum(self._client.ncores().values())
            self._counted = time.monotonic()
        return self._cores

    def _gone(self) -> BlurError:
        return BlurError(f"{self._address}: the scheduler is gone; --cache keeps what was judged")

    def submit(self, tasks: Sequence[Task]) -> Future[Answers]:
        """See :meth:`Pool.submit`."""
        try:
            return self._executor.submit(run_tasks, self.job, tasks)
        except Exception:  # ClosedClientError, or whatever a closing client stumbles over
            raise self._gone() from None

    def wait(self, future: Future[Answers]) -> None:
        """See :meth:`Pool.wait`; warns once where no worker is left, and waits for one."""
        while not futures.wait([future], _LOOK).done:
            if self._client.status in ("closing", "closed"):
                raise self._gone()
            if self._warn and not self.cores():
                self._warn(f"{self._address}: no worker is left; waiting for one")
                self._warn = None
        if future.cancelled():  # as a client does that loses its scheduler
            raise self._gone()

    def prepare(self) -> None:
        """Wait for a worker, and have all of them load the model.

        Raises
        ------
        BlurError
            There is no worker, or one of them cannot do the job.
        """
        address = self._address
        try:
            # A task, since tasks make a cluster that grows by itself start a worker.
            self._client.submit(problem_of, self.job, pure=False).result(timeout=_WORKER)
            problems = self._client.run(problem_of, self.job, on_error="return")
        except TimeoutError:
            line = f"no worker took a task in {_WORKER} s; start one: 'dask worker {address}'"
            raise BlurError(f"{address}: {line}") from None
        except Exception as error:  # whatever a worker without blur, or with an old one, raises
            raise BlurError(f"{address}: a worker cannot judge ({one_line(error)})") from None
        for worker, problem in problems.items():
            if problem is not None:
                line = one_line(problem) if isinstance(problem, BaseException) else problem
                raise BlurError(f"worker {worker}: {line}")


@contextmanager
def connected(
    address: str, job: JobSpec, warn: Callable[[str], None] = lambda line: None
) -> Iterator[DaskPool]:
    """Connect to the Dask scheduler at `address`.

    Parameters
    ----------
    address : str
        Such as "tcp://10.0.0.1:8786".
    job : JobSpec
        What workers must be able to do.
    warn : callable
        Takes one line, once, where no worker is left.

    Raises
    ------
    BlurError
        The extra `dask` is missing, nothing answers there within a few seconds, there is no
        worker, or one of them has another model.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        line = "'--backend dask' needs the extra 'dask': pip install 'blur-fusion[dask]'"
        raise BlurError(line) from None
    for name in _TALKERS:  # we say in one line what goes wrong
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about other versions, and tasks left at Ctrl-C
        try:
            get_address_host_port(address)  # or a client would find a bad address as it ends
            client = Client(address, timeout=_CONNECT, set_as_default=False, name="blur-scan")
        except Exception as error:  # OSError, ValueError, and each protocol's own
            line = f"no Dask scheduler answers there ({one_line(error)}); see --scheduler"
            raise BlurError(f"{address}: {line}") from None
        try:
            pool = DaskPool(client, address, job, warn)
            pool.prepare()
            yield pool
        finally:
            client.close()
