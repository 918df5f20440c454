"""Judge many files on all cores, in order, in flat memory, each at most once."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import cv2

from blur_fusion.errors import BlurError, require
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.cache import Identity, Memory
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.judging import Judge, Judged, ScanOptions, judge_files


@dataclass(frozen=True, slots=True)
class Work:
    """What all batches of a scan share.

    Attributes
    ----------
    model : str, optional
        Path of a model folder, absolute where workers are other machines, which must see it too;
        None is the model of their blur.
    fingerprint : str
        Of the detector; a worker whose detector has another one does nothing.
    thumbnails : bool
        Whether answers carry a small JPEG.
    every : int
        Of a video, each how manieth frame is looked at.
    threshold : float
        Of the detector; 0 tells the likely kind of every photo.
    """

    model: str | None
    fingerprint: str
    thumbnails: bool = False
    every: int = 5
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """A file to judge.

    Attributes
    ----------
    place : str
        Its absolute path, as workers may have another working directory.
    path : str
        What the verdict calls it.
    video : bool
    known : Verdict, optional
        Where only the thumbnail is missing.
    """

    place: str
    path: str
    video: bool = False
    known: Verdict | None = None

    @property
    def photo(self) -> bool:
        """Whether a photo is to be judged."""
        return not self.video and self.known is None


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer to a whole batch; why, in one line."""

    reason: str


_LOADED: dict[tuple[str | None, str], Judge] = {}
_LOADING = threading.Lock()


def detector_for(work: Work) -> Judge:
    """The detector that `work` asks for, loaded once in a process.

    Raises
    ------
    BlurError
        Its model is not there, or verdicts would not be those of the machine that asks.
    """
    import cv2

    from blur_fusion.model.detector import BlurDetector

    key = work.model, work.fingerprint
    with _LOADING:
        if key not in _LOADED:
            cv2.setNumThreads(1)  # the cluster has a task for each thread
            detector = BlurDetector(work.model, threshold=work.threshold)
            same = detector.fingerprint == work.fingerprint
            require(same, "has another model or version of blur; install the same one there")
            _LOADED[key] = detector
        return _LOADED[key]


def lend(work: Work, judge: Judge) -> None:
    """Let processes that are forked from this one judge with its detector."""
    _LOADED[work.model, work.fingerprint] = judge


def problem_of(work: Work) -> str | None:
    """Why this process cannot do `work`, in one line; None where it can."""
    try:
        detector_for(work)
    except BlurError as error:
        return str(error)
    return None


def _other(judge: Judge, work: Work, request: Request) -> list[Judged]:
    """The answer to what is no photo to judge."""
    if request.known is not None:
        from blur_fusion.images.thumbnails import file_thumbnail

        verdict = request.known
        size = (verdict.width, verdict.height) if verdict.width and verdict.height else None
        return [Judged(verdict, file_thumbnail(request.place, size))]
    from blur_fusion.scan.video import judge_video

    answer = judge_video(judge, request.place, work.every, work.thumbnails)
    return [_renamed(judged, request) for judged in answer]


def _renamed(judged: Judged, request: Request) -> Judged:
    """Under the name that it was asked for; a frame's time stays behind it."""
    path = request.path + judged.verdict.path.removeprefix(request.place)
    return dataclasses.replace(judged, verdict=dataclasses.replace(judged.verdict, path=path))


def judge_batch(work: Work, requests: Sequence[Request]) -> list[list[Judged]] | Lost:
    """Judge files; an answer for each, or none at all."""
    try:
        judge = detector_for(work)
        photos = [request.place for request in requests if request.photo]
        judged = iter(judge_files(judge, photos, work.thumbnails))
        return [
            [_renamed(next(judged), request)] if request.photo else _other(judge, work, request)
            for request in requests
        ]
    except Exception as error:  # this worker's trouble, not the photos'; another may have none
        return Lost(f"the worker cannot judge it ({' '.join(str(error).split())})")


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

    from blur_fusion.startup import keep_heap

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


BATCH = 12  # photos that one thread judges at a time, once many are judged
# By one for so many answers, for the first shall come at once; where files are taken as they come
# they grow slowly, for each is taken before it is needed.
_GROWS, _GROWS_BLINDLY = 2, 6


@dataclass(eq=False, slots=True)
class _Batch:
    """Photos that are judged together."""

    paths: list[str] = field(default_factory=list)
    answer: Future[list[Judged]] | None = None

    def add(self, path: str) -> Callable[[], list[Judged]]:
        """What waits for the answer to one more photo."""
        place = len(self.paths)
        self.paths.append(path)

        def take() -> list[Judged]:
            return [self.answer.result()[place]] if self.answer else []

        return take


@dataclass(slots=True)
class Waiting:
    """A file in work; its answer is new to the cache where `file` is set.

    A batch that is still to be filled is started once its answer is wanted.
    """

    take: Callable[[], list[Judged]]
    file: Identity | None = None
    work: Future[list[Judged]] | _Batch | None = None

    def stop(self) -> bool:
        """Cancel, or wait for what is in work; whether there is an answer."""
        work = self.work.answer if isinstance(self.work, _Batch) else self.work
        if work is None:
            return self.work is None
        return not work.cancel() and work.exception() is None


def _known(verdict: Verdict) -> list[Judged]:
    """An answer from the cache, which holds no pictures."""
    from blur_fusion.images.thumbnails import file_thumbnail

    size = (verdict.width, verdict.height) if verdict.width and verdict.height else None
    return [Judged(verdict, file_thumbnail(verdict.path, size))]


def _video(judge: Judge, path: str, options: ScanOptions) -> list[Judged]:
    from blur_fusion.scan.video import judge_video

    return judge_video(judge, path, options.every, options.thumbnails, options.frames)


@dataclass
class Desk:
    """Hands out the files of a scan, `total` if that is known, and takes the answers back."""

    judge: Judge
    options: ScanOptions
    memory: Memory
    pool: ThreadPoolExecutor
    hands: Hands
    total: int | None = None
    batch: _Batch = field(default_factory=_Batch)
    taken: int = 0
    answered: int = 0

    @property
    def together(self) -> int:
        """Photos of a batch: the last ones are shared out among the threads."""
        if self.total is None:
            return min(BATCH, 1 + self.answered // _GROWS_BLINDLY)
        size = min(BATCH, 1 + self.answered // _GROWS)
        return max(1, min(size, (self.total - self.taken) // (2 * self.options.threads())))

    def take(self, found: Found) -> Waiting:
        """Look a file up, or have it judged."""
        self.taken += 1
        if found.problem is not None:
            failed = [Judged(Verdict.failed(found.path, found.problem))]
            return Waiting(lambda: failed)
        if found.video:
            return self._started(_video, self.judge, found.path, self.options)
        file, verdict = self.memory.get(found.path)
        if verdict is None:
            return self._photo(found.path, file)
        if not self.options.thumbnails:
            known = [Judged(verdict)]
            return Waiting(lambda: known)
        return self._started(_known, verdict)

    def _started(self, work: Callable[..., list[Judged]], *given: Any) -> Waiting:
        future = self.pool.submit(work, *given)
        return Waiting(future.result, work=future)

    def _photo(self, path: str, file: Identity | None) -> Waiting:
        self.hands.asked()
        waiting = Waiting(self.batch.add(path), file, self.batch)
        if len(self.batch.paths) >= self.together:
            self.send(self.batch)
        return waiting

    def send(self, batch: _Batch) -> None:
        """Have a batch judged, unless it is already."""
        if batch.answer is None:
            batch.answer = self.pool.submit(self.hands.judge, batch.paths)
            self.batch = _Batch()

    def finish(self, waiting: Waiting) -> list[Judged]:
        """Wait for an answer and remember it."""
        if isinstance(waiting.work, _Batch):
            self.send(waiting.work)
        answer = waiting.take()
        self.answered += 1
        self.memory.put(waiting.file, answer[0].verdict if answer else None)
        return answer


_AHEAD = 4  # batches for each thread, in work or waiting: a slow one holds up the order, no more


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV from splitting each photo over threads that already have photos of their own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def scan(
    files: Iterable[Found],
    judge: Judge,
    options: ScanOptions | None = None,
    model: Path | None = None,
) -> Generator[list[Judged], None, None]:
    """Judge files on several threads, or where there are many in processes too.

    Parameters
    ----------
    files : iterable of Found
        Taken as they are needed.
    judge : Judge
        With threshold 0 where verdicts are kept, in a cache or a report, or else with any.
        :func:`blur_fusion.scan.judging.settled` decides later.
    options : ScanOptions, optional
    model : Path, optional
        Folder of the judge's model, which lets processes help.

    Yields
    ------
    list of Judged
        For each of `files`, in their order: one answer, or one for each second of a video. Whoever
        stops listening, as Ctrl-C does, loses nothing: what is judged by then is in the cache.
    """
    options = options or ScanOptions()
    threads = options.threads()
    with ExitStack() as stack:
        stack.enter_context(_one_thread_each())

        def here(paths: Sequence[str]) -> list[Judged]:
            return judge_files(judge, paths, options.thumbnails)

        work = None
        if model is not None:
            work = Work(
                str(model), judge.fingerprint, options.thumbnails, threshold=judge.threshold
            )
            lend(work, judge)
        # First of all, so that what is forked shares no open file.
        total = len(files) if isinstance(files, Sized) else None
        hands = Hands(here, threads, work, total is not None and total >= MANY)
        stack.callback(hands.close)
        memory = Memory(options.cache, judge.fingerprint, options.warn, stack)
        pool = stack.enter_context(ThreadPoolExecutor(threads, "scan"))
        desk = Desk(judge, options, memory, pool, hands, total)
        queue: deque[Waiting] = deque()

        def oldest() -> list[Judged]:
            answer = desk.finish(queue[0])
            queue.popleft()  # not before: who is interrupted finds it there
            return answer

        try:
            for found in files:
                queue.append(desk.take(found))
                if len(queue) >= _AHEAD * threads * desk.together:
                    yield oldest()
            while queue:
                yield oldest()
        finally:
            for waiting in queue:
                if waiting.stop():
                    desk.finish(waiting)
