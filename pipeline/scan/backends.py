"""What judges: threads and processes of this machine, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pipeline.scan.engine import scan
from pipeline.scan.inputs import Found
from pipeline.scan.judging import Judge, Judged
from pipeline.scan.options import ScanOptions
from pipeline.serving.detector import SHIPPED

Engine = Callable[[Iterable[Found], Judge, ScanOptions], Generator[list[Judged], None, None]]


@contextmanager
def engine(scheduler: str | None, model: Path | None, fingerprint: str) -> Iterator[Engine]:
    """Threads and processes, or the Dask cluster at `scheduler`, as long as the context lasts.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler.
    model : Path, optional
        Of the model folder; None is the shipped one.
    fingerprint : str
        Of the detector with threshold 0.

    Raises
    ------
    BlurError
        The cluster cannot be reached, or cannot do the work.
    """
    if scheduler is None:
        yield partial(scan, model=SHIPPED if model is None else model)
        return
    from pipeline.scan.cluster import connected
    from pipeline.scan.spread import scan_on

    with connected(scheduler, model, fingerprint) as cluster:
        yield partial(scan_on, cluster)
