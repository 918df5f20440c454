"""A scan from files to whoever wants the predictions: what `blur scan` does, without its texts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.parallel import cores
from blur_fusion.progress import progress_bar
from blur_fusion.scan.output import Consumer, Tally
from blur_fusion.scan.pool import MANY, Pool, WorkerPool
from blur_fusion.scan.tasks import Answer, JobSpec, settled


@dataclass
class Result:
    """What a scan found so far; `begun` once outputs are open and files are judged."""

    tally: Tally = field(default_factory=Tally)
    photos: list[Prediction] = field(default_factory=list)
    begun: bool = False
    interrupted: bool = False

    def add(self, prediction: Prediction, thumbnail: bytes | None = None) -> None:
        """Keep a photo, which may be acted on."""
        if "#t=" not in prediction.path:
            self.photos.append(prediction)


@contextmanager
def open_pool(
    job: JobSpec,
    classifier: Classifier,
    scheduler: str | None = None,
    workers: int = 0,
    total: int = 0,
    warn: Callable[[str], None] = lambda line: None,
) -> Iterator[Pool]:
    """Threads and processes, or the Dask cluster at `scheduler`, as long as the context lasts.

    Parameters
    ----------
    job : JobSpec
    classifier : Classifier
        The one that `job` describes.
    scheduler : str, optional
        Address of a Dask scheduler.
    workers : int
        How many photos are judged at once here; 0 is one for each core.
    total : int
        Number of files, if that is known.
    warn : callable
        Told in one line that a cluster has no worker any more.

    Raises
    ------
    BlurError
        The cluster cannot be reached, or cannot do the job.
    """
    if scheduler is None:
        count = workers or cores()
        with WorkerPool(job, classifier, count, count - 1, early=total >= MANY) as pool:
            yield pool
        return
    from blur_fusion.scan.dask import connected

    with connected(scheduler, job, warn) as cluster:
        yield cluster


def run(
    answers: Generator[list[Answer], None, None],
    total: int,
    threshold: float,
    consumers: Sequence[Consumer],
) -> bool:
    """Hand the answers of a scan of `total` files to all consumers, judged by `threshold`.

    Returns
    -------
    bool
        Whether Ctrl-C ended the scan, in good order: what was judged is in the cache.
    """
    bar = progress_bar(total, "scan", "photo") if sys.stderr.isatty() else None
    try:
        for found in answers:
            with bar.external_write_mode(file=sys.stdout) if bar is not None else nullcontext():
                for prediction, thumbnail in found:
                    prediction = settled(prediction, threshold)
                    for consume in consumers:
                        consume(prediction, thumbnail)
            if bar is not None:
                bar.update()
    except KeyboardInterrupt:
        return True
    finally:
        answers.close()
        if bar is not None:  # a bar of no photos is false
            bar.close()
    return False
