"""The Dask engine: a pool of the workers of a cluster, which see the same files."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from blur_fusion.errors import BlurError, one_line
from blur_fusion.scan.pool import Answers
from blur_fusion.scan.tasks import JobSpec, Task, problem_of, run_tasks

_CONNECT, _WORKER = 4, 20  # seconds: for a scheduler, for a worker
_LOOK, _COUNT = 0.5, 10  # seconds between looks at the connection, at the number of workers

# Loggers, each of its own level.
_TALKERS = ("distributed", "distributed.client", "tornado.application", "concurrent.futures")


class DaskPool:
    """Runs tasks on a cluster; see :class:`blur_fusion.scan.pool.Pool`.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler, for messages.
    job : JobSpec
    warn : callable
        Told once, in one line, that no worker is left; then a scan waits for one.
    """

    def __init__(
        self, client: Any, address: str, job: JobSpec, warn: Callable[[str], None]
    ) -> None:
        self.address, self.job = address, job
        self._client = client
        self._warn: Callable[[str], None] | None = warn
        self._executor: Executor = client.get_executor(pure=False)
        self._here = ThreadPoolExecutor(1)
        self._cores, self._counted = 1, -math.inf

    @property
    def workers(self) -> int:
        """Threads of all workers, at least 1."""
        return max(1, self.cores())

    def cores(self) -> int:
        """Threads of all workers, as lately known."""
        if time.monotonic() - self._counted > _COUNT:
            with suppress(OSError, RuntimeError, ValueError, AttributeError):  # last: just closed
                self._cores = sum(self._client.ncores().values())
            self._counted = time.monotonic()
        return self._cores

    def _gone(self) -> BlurError:
        return BlurError(f"{self.address}: the scheduler is gone; --cache keeps what was judged")

    def submit(self, tasks: Sequence[Task]) -> Future[Answers]:
        """See :meth:`blur_fusion.scan.pool.Pool.submit`."""
        try:
            return self._executor.submit(run_tasks, self.job, tasks)
        except Exception:  # ClosedClientError, or what a client that closes just now stumbles over
            raise self._gone() from None

    def submit_here(self, tasks: Sequence[Task]) -> Future[Answers]:
        """See :meth:`blur_fusion.scan.pool.Pool.submit_here`."""
        return self._here.submit(run_tasks, self.job, tasks)

    def submit_alone(self, task: Task) -> Future[Answers]:
        """See :meth:`blur_fusion.scan.pool.Pool.submit_alone`."""
        return self.submit([task])

    def wait(self, future: Future[Answers]) -> None:
        """See :meth:`blur_fusion.scan.pool.Pool.wait`."""
        while not futures.wait([future], _LOOK).done:
            if self._client.status in ("closing", "closed"):
                raise self._gone()
            if self._warn and not self.cores():
                self._warn(f"{self.address}: no worker is left; waiting for one")
                self._warn = None
        if future.cancelled():  # a client that loses its scheduler cancels its tasks
            raise self._gone()

    def prepare(self) -> None:
        """Wait for a worker, and have all load the model.

        Raises
        ------
        BlurError
            There is no worker, or one of them cannot do the job.
        """
        try:
            # A task, since it is tasks that let a cluster that grows by itself start a worker.
            self._client.submit(problem_of, self.job, pure=False).result(timeout=_WORKER)
            problems = self._client.run(problem_of, self.job, on_error="return")
        except TimeoutError:
            line = f"no worker took a task in {_WORKER} s; start some: 'dask worker {self.address}'"
            raise BlurError(f"{self.address}: {line}") from None
        except Exception as error:  # whatever a worker without blur, or with an old one, raises
            raise BlurError(f"{self.address}: a worker cannot judge ({one_line(error)})") from None
        for worker, problem in problems.items():
            if problem is not None:
                line = one_line(problem) if isinstance(problem, BaseException) else problem
                raise BlurError(f"worker {worker}: {line}")


@contextmanager
def connected(
    address: str, job: JobSpec, warn: Callable[[str], None] = lambda line: None
) -> Iterator[DaskPool]:
    """Connect to the scheduler at `address`.

    Parameters
    ----------
    address : str
        Such as "tcp://10.0.0.1:8786".
    job : JobSpec
        What workers must be able to do.
    warn : callable
        See :class:`DaskPool`.

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
    for name in _TALKERS:  # what goes wrong is said in one line instead
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ, and of tasks left at Ctrl-C
        try:
            get_address_host_port(address)  # a client refuses one that is none only as it ends
            client = Client(address, timeout=_CONNECT, set_as_default=False, name="blur-scan")
        except Exception as error:  # OSError, ValueError, and what each protocol has of its own
            line = f"no Dask scheduler answers there ({one_line(error)}); see --scheduler"
            raise BlurError(f"{address}: {line}") from None
        try:
            pool = DaskPool(client, address, job, warn)
            pool.prepare()
            yield pool
        finally:
            client.close()
