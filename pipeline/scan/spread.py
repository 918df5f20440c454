"""Judge many files on a cluster: in order, each once, whatever becomes of the workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice

from pipeline.scan.batches import Lost, Request, Work
from pipeline.scan.cluster import Answer, Answers, Cluster
from pipeline.scan.identity import Identity
from pipeline.scan.inputs import Found
from pipeline.scan.judging import Judge, Judged
from pipeline.scan.memory import Memory
from pipeline.scan.options import ScanOptions
from pipeline.serving.verdict import Verdict

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
    from pipeline.scan.video import judge_video

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
    """Judge files on a cluster, as :func:`pipeline.scan.engine.scan` does on threads.

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
