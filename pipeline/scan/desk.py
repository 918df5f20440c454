"""Between the order of files and those who judge them, a few photos at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pipeline.scan.hands import Hands
from pipeline.scan.identity import Identity
from pipeline.scan.inputs import Found
from pipeline.scan.judging import Judge, Judged
from pipeline.scan.memory import Memory
from pipeline.scan.options import ScanOptions
from pipeline.serving.verdict import Verdict

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
    from pipeline.report.thumbnails import file_thumbnail

    size = (verdict.width, verdict.height) if verdict.width and verdict.height else None
    return [Judged(verdict, file_thumbnail(verdict.path, size))]


def _video(judge: Judge, path: str, options: ScanOptions) -> list[Judged]:
    from pipeline.scan.video import judge_video

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
