"""The connection to a Dask cluster."""

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
from pipeline.scan.dispatch import Pending, backend_for, one_line
from pipeline.scan.judging import Judged

_CONNECT, _WORKER = 4, 20  # seconds: for a scheduler, for a worker
_LOOK, _LOOKS = 0.5, 20  # seconds between looks at the connection; looks between those at workers

_TALKERS = ("distributed", "distributed.client", "tornado.application")  # each of its own level

NEEDS_DASK = "'--backend dask' needs the extra 'dask': pip install 'blur-fusion[dask]'"

Answer = list[list[Judged]] | Lost
Answers = Generator[Answer, None, None]


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
        self._pending = Pending(client)

    def cores(self) -> int:
        """Threads of all workers; as last known where the scheduler does not answer."""
        with suppress(OSError, RuntimeError, ValueError, AttributeError):  # the last: just closed
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

        backend = backend_for(self._client, self.cores(), self._pending)
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
            raise BlurError(f"{self.address}: a worker cannot judge ({one_line(error)})") from None
        for worker, problem in problems.items():
            if problem is not None:
                line = one_line(problem) if isinstance(problem, BaseException) else problem
                raise BlurError(f"worker {worker}: {line}")

    @contextmanager
    def watched(self, warn: Callable[[str], None]) -> Iterator[None]:
        """Give up tasks whose connection broke; say so once where no worker is left.

        A scan then waits for a worker.
        """
        done = threading.Event()

        def watch() -> None:
            looks, said = 0, False
            while not done.wait(_LOOK):
                self._pending.give_up()
                looks += 1
                if said or looks % _LOOKS or self._client.status != "running" or self.cores():
                    continue
                warn(f"{self.address}: no worker is left; waiting for one")
                said = True

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
    for name in _TALKERS:  # what goes wrong is said in one line instead
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ, and of tasks left at Ctrl-C
        try:
            get_address_host_port(address)  # a client refuses one that is none only as it ends
            client = Client(address, timeout=_CONNECT, set_as_default=False, name="blur-scan")
        except Exception as error:  # OSError, ValueError, and what each protocol has of its own
            line = (
                f"{address}: no Dask scheduler answers there ({one_line(error)}); see --scheduler"
            )
            raise BlurError(line) from None
        try:
            cluster = Cluster(client, address, None if model is None else os.path.abspath(model))
            cluster.prepare(Work(cluster.model, fingerprint))
            yield cluster
        finally:
            client.close()
