"""The connection to a Dask cluster, and joblib's way to it.

joblib's own backend waits for ever for a task that Dask gives up, as it does with one that killed
several workers; ours hands out why there is no answer.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.config.errors import BlurError
from pipeline.scan.batches import Lost, Request, Work, judge_batch, problem_of
from pipeline.scan.judging import Judged

_CONNECT, _WORKER, _WATCH = 4, 20, 10  # seconds: for a scheduler, for a worker, between looks

NEEDS_DASK = "'--backend dask' needs the extra 'dask': pip install 'blur-fusion[dask]'"

Answer = list[list[Judged]] | Lost
Answers = Generator[Answer, None, None]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _reason(error: BaseException) -> str:
    """Why a batch has no answer."""
    if type(error).__name__ == "KilledWorker":
        return "every worker that tried to judge it died; is it damaged, or memory short?"
    return f"the cluster gave no answer ({_line(error)})"


def _backend(client: Any, cores: int) -> Any:
    """A backend of joblib for a cluster of `cores`, where a lost task is an answer."""
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs: int = 1) -> int:
            return max(2, cores)  # where there is one, joblib would work here and not there

        def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
            future = super().submit(func, callback)

            def lost(done: Any) -> None:
                error = done.exception()
                if error is not None and callback is not None:
                    callback(error)

            future.add_done_callback(lost)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                return [Lost(_reason(out))]
            return super().retrieve_result_callback(out)

    return Backend(client=client)


class Cluster:
    """Workers that see the same files under the same paths.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler, for messages.
    model : str, optional
        Absolute path of the model folder; None is the workers' own.
    """

    def __init__(self, client: Any, address: str, model: str | None) -> None:
        self.address, self.model = address, model
        self._client = client
        self._cores = 1

    def cores(self) -> int:
        """Threads of all workers; as last known where the scheduler does not answer."""
        with suppress(OSError, RuntimeError, ValueError):
            self._cores = sum(self._client.ncores().values())
        return self._cores

    def check(self) -> None:
        """Wait for a broken connection to come back.

        Raises
        ------
        BlurError
            It does not.
        """
        while self._client.status == "connecting":
            time.sleep(0.1)
        if self._client.status != "running":
            raise BlurError(f"{self.address}: the scheduler is gone; --cache keeps what was judged")

    def judge(self, work: Work, batches: Sequence[Sequence[Request]]) -> Answers:
        """Have batches judged, all of them at once; answers in order as they come.

        Who does not take all of them closes the generator.
        """
        from joblib import Parallel, delayed

        backend = _backend(self._client, self.cores())
        parallel = Parallel(
            n_jobs=-1, backend=backend, batch_size=1, pre_dispatch="all", return_as="generator"
        )
        found: Answers = parallel([delayed(judge_batch)(work, tuple(batch)) for batch in batches])
        return found

    def prepare(self, work: Work) -> None:
        """Wait for a worker, and let all load the model.

        Raises
        ------
        BlurError
            There is no worker, or one of them cannot do `work`.
        """
        try:
            # A task, since it is tasks that let a cluster that grows by itself start a worker.
            self._client.submit(problem_of, work, pure=False).result(timeout=_WORKER)
            problems = self._client.run(problem_of, work, on_error="return")
        except TimeoutError:
            line = f"no worker took a task in {_WORKER} s; start some: 'dask worker {self.address}'"
            raise BlurError(f"{self.address}: {line}") from None
        except Exception as error:  # whatever a worker without blur, or with an old one, raises
            raise BlurError(f"{self.address}: a worker cannot judge ({_line(error)})") from None
        for worker, problem in problems.items():
            if problem is not None:
                line = _line(problem) if isinstance(problem, BaseException) else problem
                raise BlurError(f"worker {worker}: {line}")

    @contextmanager
    def watched(self, warn: Callable[[str], None]) -> Iterator[None]:
        """Say so once where no worker is left, as a scan then waits for one."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_WATCH):
                if self._client.status == "running" and not self.cores():
                    warn(f"{self.address}: no worker is left; waiting for one")
                    return

        thread = threading.Thread(target=watch, name="workers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()


@contextmanager
def connected(address: str, model: Path | None, fingerprint: str) -> Iterator[Cluster]:
    """Connect to the scheduler at `address`.

    Parameters
    ----------
    address : str
        Such as "tcp://10.0.0.1:8786".
    model : Path, optional
        Of the model folder, which workers must see too; None is the model of their blur.
    fingerprint : str
        Of the detector with threshold 0, which theirs must have too.

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
        raise BlurError(NEEDS_DASK) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)  # said in one line instead
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ, and of tasks left at Ctrl-C
        try:
            get_address_host_port(address)  # a client refuses one that is none only as it ends
            client = Client(address, timeout=_CONNECT, set_as_default=False, name="blur-scan")
        except Exception as error:  # OSError, ValueError, and what each protocol has of its own
            line = f"{address}: no Dask scheduler answers there ({_line(error)}); see --scheduler"
            raise BlurError(line) from None
        try:
            cluster = Cluster(client, address, None if model is None else os.path.abspath(model))
            cluster.prepare(Work(cluster.model, fingerprint))
            yield cluster
        finally:
            client.close()
