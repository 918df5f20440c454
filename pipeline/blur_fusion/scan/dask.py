"""Judge many files on a Dask cluster: in order, each once, whatever becomes of the workers."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.cache import Identity, Memory
from blur_fusion.scan.engine import Lost, Request, Work, judge_batch, problem_of
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.judging import Judge, Judged, ScanOptions

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


_LARGEST = 8  # files of a batch: half a second of work
_PER_CORE, _WAVES = 2, 3  # batches of a wave for each core; waves, the one being read included
_SLOTS = 256  # files of a batch, those included that the cache knows


@dataclass(slots=True)
class _Slot:
    """A file's place in the order: answered, asked for, or left to this process."""

    request: Request | None = None
    here: Callable[[], list[Judged]] | None = None
    file: Identity | None = None


@dataclass(slots=True)
class _Batch:
    slots: list[_Slot] = field(default_factory=list)

    @property
    def requests(self) -> tuple[Request, ...]:
        return tuple(slot.request for slot in self.slots if slot.request)


@dataclass(slots=True)
class _Wave:
    """Batches sent off together."""

    batches: list[_Batch]
    answers: Answers


def _slot(found: Found, judge: Judge, options: ScanOptions, memory: Memory) -> _Slot:
    place = os.path.abspath(found.path)
    if found.problem is not None:
        failed = [Judged(Verdict.failed(found.path, found.problem))]
        return _Slot(here=lambda: failed)
    if found.video:
        if options.frames is None:
            return _Slot(Request(place, found.path, video=True))
        return _Slot(here=lambda: _video(judge, found.path, options))
    file, verdict = memory.get(found.path)
    if verdict is None:
        return _Slot(Request(place, found.path), file=file)
    if options.thumbnails:
        return _Slot(Request(place, found.path, known=verdict))
    known = [Judged(verdict)]
    return _Slot(here=lambda: known)


def _video(judge: Judge, path: str, options: ScanOptions) -> list[Judged]:
    """Here, as it writes frames: a second worker would find those of one that died."""
    from blur_fusion.scan.video import judge_video

    return judge_video(judge, path, options.every, options.thumbnails, options.frames)


def _batches(slots: Iterable[_Slot], cores: int) -> Iterator[_Batch]:
    """In order; small ones first, so that few files occupy all workers too."""
    batch, asked, number = _Batch(), 0, 0
    for slot in slots:
        batch.slots.append(slot)
        asked += slot.request is not None
        video = slot.request is not None and slot.request.video
        size = min(_LARGEST, 2 ** (number // (_PER_CORE * cores)))
        if asked >= size or video or len(batch.slots) >= _SLOTS:
            yield batch
            number += asked > 0
            batch, asked = _Batch(), 0
    if batch.slots:
        yield batch


def _nothing() -> Answers:
    yield from ()


def _sent(cluster: Cluster, work: Work, batches: list[_Batch]) -> _Wave:
    asked = [batch.requests for batch in batches if batch.requests]
    if not asked:
        return _Wave(batches, _nothing())
    cluster.check()
    return _Wave(batches, cluster.judge(work, asked))


def _close(waves: Iterable[_Wave]) -> None:
    for wave in waves:
        wave.answers.close()


def _alone(cluster: Cluster, work: Work, request: Request) -> list[Judged]:
    """A last try with nothing beside it: Dask blames all that a dying worker had before it."""
    cluster.check()  # else it is not the file's fault
    with closing(cluster.judge(work, [(request,)])) as answers:
        (answer,) = answers
    if not isinstance(answer, Lost):
        return answer[0]
    cluster.check()
    return [Judged(Verdict.failed(request.path, answer.reason))]


def _insisted(
    cluster: Cluster, work: Work, requests: tuple[Request, ...], answer: Answer
) -> list[list[Judged]]:
    """An answer for each request, also where the batch was lost."""
    if not isinstance(answer, Lost):
        return answer
    return [_alone(cluster, work, request) for request in requests]


def scan_on(
    cluster: Cluster, files: Iterable[Found], judge: Judge, options: ScanOptions
) -> Generator[list[Judged], None, None]:
    """Judge files on a cluster, as :func:`blur_fusion.scan.engine.scan` does on threads.

    Parameters
    ----------
    cluster : Cluster
    files : iterable of Found
        Taken as they are needed. Workers must see them under the same absolute paths.
    judge : Judge
        The detector that workers load too, with threshold 0.
    options : ScanOptions
        Its `workers` play no part.

    Yields
    ------
    list of Judged
        For each of `files`, in their order: one answer, or one for each second of a video.

    Raises
    ------
    BlurError
        The scheduler is gone; what was yielded is in the cache.
    """
    work = Work(cluster.model, judge.fingerprint, options.thumbnails, options.every)
    with ExitStack() as stack:
        memory = Memory(options.cache, judge.fingerprint, options.warn, stack)
        stack.enter_context(cluster.watched(options.warn))
        cores = max(1, cluster.cores())
        batches = _batches((_slot(found, judge, options, memory) for found in files), cores)
        waves: deque[_Wave] = deque()
        stack.callback(_close, waves)
        while True:
            while len(waves) < _WAVES:
                taken = list(islice(batches, _PER_CORE * max(1, cluster.cores())))
                if not taken:
                    break
                waves.append(_sent(cluster, work, taken))
            if not waves:
                return
            for batch in waves[0].batches:
                yield from _answers(cluster, work, batch, waves[0], memory)
            waves.popleft()


def _answers(
    cluster: Cluster, work: Work, batch: _Batch, wave: _Wave, memory: Memory
) -> Iterator[list[Judged]]:
    """The batch's answers, which are remembered."""
    requests = batch.requests
    found = iter(_insisted(cluster, work, requests, next(wave.answers)) if requests else ())
    for slot in batch.slots:
        answer = slot.here() if slot.here is not None else next(found)
        memory.put(slot.file, answer[0].verdict if answer else None)
        yield answer
