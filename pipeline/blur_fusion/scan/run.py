"""A scan from inputs to outputs: what `blur scan` does, without its options and texts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_fusion.model.detector import SHIPPED
from blur_fusion.model.prediction import Verdict
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found
from blur_fusion.scan.judging import Judge, Judged, ScanOptions, settled
from blur_fusion.scan.output import Output, Tally, in_order

if TYPE_CHECKING:
    from tqdm import tqdm


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
    from blur_fusion.scan.dask import connected, scan_on

    with connected(scheduler, model, fingerprint) as cluster:
        yield partial(scan_on, cluster)


@dataclass(frozen=True)
class Wanted:
    """What is to come out.

    Attributes
    ----------
    threshold : float
        Blurred where the probability reaches it.
    sort : str
        One of `blur_fusion.scan.output.SORTS`; all but "given" hold back the verdicts to the end.
    report : Path, optional
        Page to write.
    force : bool
        Replace a page that exists.
    keep : bool
        Whether the result is to hold all verdicts, for an action.
    """

    threshold: float
    sort: str = "given"
    report: Path | None = None
    force: bool = False
    keep: bool = False


@dataclass
class Result:
    """What a scan found so far; `begun` once outputs are open and files are judged."""

    tally: Tally = field(default_factory=Tally)
    verdicts: list[Verdict] = field(default_factory=list)
    begun: bool = False
    interrupted: bool = False


def _bar(total: int) -> tqdm[Any]:
    """Rate and time left on stderr."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # beside its thread no process could be forked
    return tqdm(
        total=total,
        desc="scan",
        unit="photo",
        file=sys.stderr,
        dynamic_ncols=True,
        smoothing=0.05,
    )


def _page(wanted: Wanted, stack: ExitStack) -> Callable[[Judged, Verdict], None]:
    """What adds a verdict to the report."""
    if wanted.report is None:
        return lambda judged, verdict: None
    from blur_fusion.report.review import review_page

    add = stack.enter_context(review_page(wanted.report, wanted.threshold, force=wanted.force))
    return lambda judged, verdict: add(verdict, judged.thumbnail)


def _feed(
    answers: Generator[list[Judged], None, None], total: int, use: Callable[[Judged], None]
) -> bool:
    """Hand over all answers; whether the scan was interrupted."""
    bar = _bar(total) if sys.stderr.isatty() else None
    try:
        for batch in answers:
            with nullcontext() if bar is None else bar.external_write_mode(file=sys.stdout):
                for judged in batch:
                    use(judged)
            if bar is not None:
                bar.update()
    except KeyboardInterrupt:
        return True
    finally:
        answers.close()
        if bar is not None:  # a bar of no photos is false
            bar.close()
    return False


def run(
    files: Sequence[Found],
    judge: Judge,
    options: ScanOptions,
    wanted: Wanted,
    output: Output,
    result: Result,
    engine: Engine = scan,
) -> None:
    """Judge `files` by `engine`, write what is `wanted`, and fill in `result`.

    Ctrl-C ends a scan in good order: `interrupted` is set, what was judged is in the cache and was
    written to standard output. A file or a page is not left half done.

    Raises
    ------
    BlurError
        The output or the report exists or cannot be written.
    """
    held: list[Verdict] = []

    with ExitStack() as stack:
        add = _page(wanted, stack)
        stack.enter_context(output)

        def use(judged: Judged) -> None:
            verdict = settled(judged.verdict, wanted.threshold)
            result.tally.add(verdict)
            add(judged, verdict)
            if wanted.sort == "given":
                output.add(verdict)
            else:
                held.append(verdict)
            if wanted.keep:
                result.verdicts.append(verdict)

        result.begun = True
        result.interrupted = _feed(engine(files, judge, options), len(files), use)
        for verdict in in_order(held, wanted.sort):
            output.add(verdict)
        if result.interrupted and (output.path or wanted.report):
            raise KeyboardInterrupt  # neither a file nor a page is left half done
