"""Judge many files on all workers: in order, in constant memory, each at most once."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from operator import length_hint
from pathlib import Path

from blur_fusion.errors import TOO_LARGE, one_line
from blur_fusion.model.prediction import Prediction
from blur_fusion.parallel import ordered_futures
from blur_fusion.scan.cache import Cache, Key
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.pool import Answers, Pool
from blur_fusion.scan.tasks import Answer, Task
from blur_fusion.startup import one_opencv_thread

BATCH = 12  # files that a worker judges at a time, once many are judged
_GROWS = 4  # answers until a batch may hold one file more: the first one comes at once
_AHEAD = 4  # batches for each worker, running or waiting: so a slow one holds up nothing else


@dataclass(frozen=True, slots=True)
class _Slot:
    """A file's place in the order: its answers, or the task that will give them."""

    answers: list[Answer] | None = None
    task: Task | None = None
    key: Key | None = None  # where the cache is to keep the prediction


_Batch = list[_Slot]


def _reason(error: BaseException) -> str:
    """Why a task has no answer."""
    if type(error).__name__ in ("BrokenProcessPool", "KilledWorker"):
        return "every process that tried to judge it died; is it damaged, or memory short?"
    return f"cannot be judged by a worker ({one_line(error)})"


class BatchScheduler:
    """Hands out files in batches and collects the answers; `total` is 0 if it is not known."""

    def __init__(self, pool: Pool, cache: Cache, total: int) -> None:
        self.pool, self.cache, self.total = pool, cache, total
        self.answered = 0
        self._under_way: dict[Future[Answers], _Batch] = {}

    def batches(self, files: Iterable[Found]) -> Iterator[_Batch]:
        """Batches that grow; the last ones are small again, to keep all workers busy."""
        batch: _Batch = []
        for taken, found in enumerate(files, 1):
            if found.video and batch:  # photos do not wait for a video
                yield batch
                batch = []
            batch.append(self._slot(found))
            size = min(BATCH, 1 + self.answered // _GROWS)
            if self.total:
                size = min(size, (self.total - taken) // (2 * self.pool.workers))
            if len(batch) >= size or found.video:
                yield batch
                batch = []
        if batch:
            yield batch

    def _slot(self, found: Found) -> _Slot:
        if found.problem is not None:
            return _Slot([Answer(Prediction.failed(found.path, found.problem))])
        place = os.path.abspath(found.path)
        if found.video:
            return _Slot(task=Task(place, found.path, video=True))
        key, known = self.cache.get(found.path)
        if known is not None and not self.pool.job.thumbnails:
            return _Slot([Answer(known)])
        return _Slot(None, Task(place, found.path, known=known), None if known else key)

    def submit(self, batch: _Batch) -> Future[Answers]:
        """Have a batch judged."""
        tasks = [slot.task for slot in batch if slot.task]
        if not tasks:
            future: Future[Answers] = Future()
            future.set_result([])
        elif self.pool.job.frames is not None and tasks[-1].video:
            future = self.pool.submit_here(tasks)  # tried twice, it would find its own frames
        else:
            future = self.pool.submit(tasks)
        self._under_way[future] = batch
        return future

    def answers(self, batch: _Batch, future: Future[Answers]) -> Iterator[list[Answer]]:
        """Each file's answers; if the batch was lost, its files are judged one at a time."""
        self.pool.wait(future)
        if future.exception() is None:
            found = iter(self._kept(future))
        else:
            del self._under_way[future]
            found = map(self._alone, [slot for slot in batch if slot.task])
        for slot in batch:
            self.answered += 1
            answers = next(found) if slot.answers is None else slot.answers
            others = max(self.answered, len(batch)) > 1 or self._under_way
            if slot.task and others and answers[0].prediction.error == TOO_LARGE:
                answers = self._alone(slot)  # others may have used up the memory
            yield answers

    def _alone(self, slot: _Slot) -> list[Answer]:
        assert slot.task is not None
        for other in list(self._under_way):
            self.pool.wait(other)
        future = self.pool.submit_alone(slot.task)
        self._under_way[future] = [slot]
        self.pool.wait(future)
        if (error := future.exception()) is None:
            return self._kept(future)[0]
        del self._under_way[future]
        return [Answer(Prediction.failed(slot.task.path, _reason(error)))]

    def _kept(self, future: Future[Answers]) -> Answers:
        """The answers, which are now in the cache."""
        asked, found = (slot for slot in self._under_way[future] if slot.task), future.result()
        for slot, answers in zip(asked, found, strict=True):
            if slot.key is not None:
                self.cache.put(slot.key, answers[0].prediction)
        del self._under_way[future]  # last: `close` keeps what Ctrl-C interrupted
        return found

    def close(self) -> None:
        """Cancel what has not begun; keep the other answers."""
        for future in list(self._under_way):
            if not future.cancel() and future.exception() is None:
                self._kept(future)


def scan(
    files: Iterable[Found],
    pool: Pool,
    cache: Path | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Generator[list[Answer], None, None]:
    """Judge files.

    Parameters
    ----------
    files : iterable of Found
        Taken as they are needed.
    pool : Pool
        With threshold 0 where predictions go to a cache or a report; `Prediction.settled` decides
        later.
    cache : Path, optional
        File of predictions kept between scans.
    warn : callable
        Takes one line about anything but the files, such as a damaged cache.

    Yields
    ------
    list of Answer
        For each of `files`, in order: one answer, or one for each second of a video. When the
        generator is closed, as by Ctrl-C, all that has been judged is in the cache.

    Raises
    ------
    BlurError
        The scheduler of a cluster is gone; the cache keeps what was judged.
    """
    with one_opencv_thread(), Cache(cache, pool.job.fingerprint, warn) as known:
        scheduler = BatchScheduler(pool, known, length_hint(files))
        batches = scheduler.batches(files)
        pairs = ordered_futures(scheduler.submit, batches, lambda: _AHEAD * pool.workers)
        with closing(scheduler), closing(pairs):
            for batch, future in pairs:
                yield from scheduler.answers(batch, future)
