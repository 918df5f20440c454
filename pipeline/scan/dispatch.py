"""joblib's way to a Dask cluster, where every task gets an answer.

joblib's own backend waits for ever for a task that Dask gives up, as it does with one that killed
several workers, and for one that was sent, or whose result was fetched, as the scheduler went
away. Ours hands out why there is no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from pipeline.scan.batches import Lost

_GONE = ("closing", "closed")  # states of a client that does not come back


class ConnectionLostError(Exception):
    """What a task was sent over is gone."""


def _reason(error: BaseException) -> str:
    """Why a batch has no answer."""
    if type(error).__name__ == "KilledWorker":
        return "every worker that tried to judge it died; is it damaged, or memory short?"
    return f"the cluster gave no answer ({one_line(error)})"


def one_line(error: BaseException) -> str:
    """What an error says."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class Pending:
    """Tasks without an answer, and the connection that each was sent over.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._sent: dict[Future[Any], Any] = {}

    def add(self, future: Future[Any]) -> None:
        """Remember a task until its answer comes."""
        with self._lock:
            self._sent[future] = self._client.scheduler_comm
        future.add_done_callback(self._done)

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._sent.pop(future, None)

    def give_up(self) -> None:
        """Fail the tasks whose connection is gone: a client that lost one forgets its tasks."""
        with self._lock:
            sent = list(self._sent.items())
        comm, gone = self._client.scheduler_comm, self._client.status in _GONE
        for future, sent_over in sent:
            if gone or sent_over is not comm:
                with suppress(InvalidStateError):  # its answer came just now
                    future.set_exception(
                        ConnectionLostError("the connection to the scheduler broke")
                    )


def backend_for(client: Any, cores: int, pending: Pending) -> Any:
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
            pending.add(future)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                return [Lost(_reason(out))]
            return super().retrieve_result_callback(out)

    return Backend(client=client)
