"""`blur scan`: judge photos, write what was found, act on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blur_fusion.cli import options
from blur_fusion.cli.actions import ACTIONS, action_options, asked_action, perform
from blur_fusion.cli.options import PROPORTION, count_option, flag, folder_option, path_option, warn
from blur_fusion.errors import one_line_errors
from blur_fusion.startup import freeze, prepare

if TYPE_CHECKING:
    from blur_fusion.model.classifier import Classifier
    from blur_fusion.scan.inputs import Found
    from blur_fusion.scan.output import Consumer, Tally
    from blur_fusion.scan.pool import Pool
    from blur_fusion.scan.tasks import Answer, JobSpec

UNREAD, USAGE, BLURRED, INTERRUPTED = 1, 2, 3, 130
SORTS = (
    *("given", "path", "blurred", "probability", "kind", "logit", "laplacian_variance"),
    *("width", "height", "burst"),
)

_globs = partial(click.option, multiple=True, metavar="GLOB")


def _check(asked: dict[str, Any]) -> None:
    """Refuse options that have no effect together."""
    dask = asked["backend"] == "dask"
    transfers = any(asked[name] for name in ("move", "copy", "link"))
    for wrong, line in (
        (dask and not asked["scheduler"], "--backend dask needs --scheduler ADDRESS"),
        (asked["scheduler"] and not dask, "--scheduler needs --backend dask"),
        (dask and asked["workers"], "--workers cannot be used with --backend dask"),
        (asked["unsure"] and not transfers, "--unsure needs --move, --copy or --link"),
        (asked["burst_gap"] is not None and not asked["bursts"], "--burst-gap needs --bursts"),
        (
            asked["move_losers"] and not (asked["bursts"] and transfers),
            "--move-losers needs --bursts and one of --move, --copy and --link",
        ),
    ):
        if wrong:
            raise click.UsageError(line)


def _consumers(
    asked: dict[str, Any], threshold: float, tally: Tally, stack: ExitStack
) -> list[Consumer]:
    """What takes the predictions: counts, a page, a table; `stack` closes their files."""
    from blur_fusion.model.prediction import FIELDS, WITH_EXPOSURE
    from blur_fusion.scan.output import Formatter, open_output

    consumers: list[Consumer] = [tally.add]
    if asked["report"]:
        from blur_fusion.report.review import review_page

        page = review_page(asked["report"], threshold, force=asked["force"])
        consumers.append(stack.enter_context(page))
    fields = WITH_EXPOSURE if asked["exposure"] else FIELDS
    formatter = Formatter(asked["style"], fields, bursts=asked["bursts"])
    alone = not any(asked[name] for name in ("report", "cache", *ACTIONS))
    output = open_output(formatter, asked["output"], asked["force"], asked["sort"], alone)
    return [*consumers, stack.enter_context(output)]


def _in_bursts(asked: dict[str, Any], files: list[Found]) -> Callable[[list[Answer]], list[Answer]]:
    """What adds bursts and ranks to answers, if asked for."""
    if not asked["bursts"]:
        return lambda answers: answers
    from blur_fusion.bursts.find import burst_marker

    return burst_marker(files, asked["burst_gap"], asked["cache"], asked["workers"] or 0)


def _pool(
    asked: dict[str, Any], job: JobSpec, classifier: Classifier, total: int
) -> AbstractContextManager[Pool]:
    """The cluster, or threads and processes of this machine."""
    if asked["scheduler"]:
        from blur_fusion.scan.pool import connected

        return connected(asked["scheduler"], job, warn)
    from blur_fusion.parallel import cores
    from blur_fusion.scan.pool import WorkerPool

    count = asked["workers"] or cores()
    return WorkerPool(job, classifier, count, count - 1, total)


def _scan(inputs: tuple[str, ...], asked: dict[str, Any]) -> int:
    """Scan and act; the exit code."""
    from blur_fusion.model.classifier import load
    from blur_fusion.scan.engine import scan
    from blur_fusion.scan.inputs import Search, named
    from blur_fusion.scan.output import Tally, hand_out
    from blur_fusion.scan.tasks import JobSpec

    action = asked_action(asked)
    _check(asked)
    if asked["csv_excel"]:
        asked["style"] = "excel"
    limits = {name: asked[name] for name in ("threshold", "max_false_alarms")}
    classifier = load(asked["model"], **limits)
    threshold, band = classifier.threshold, classifier.band
    if asked["cache"] or asked["report"] or asked["scheduler"]:
        # Kinds of sharp photos too: a later threshold may call them blurred.
        classifier = classifier.at(0.0)
    names = list(named(inputs, sys.stdin.buffer))
    roots = [Path(name.path) for name in names if not name.problem]
    if action:
        action.places(roots)  # refuses a wrong target
    search = Search(asked["exclude"], asked["include"], asked["all_folders"])
    files = list(search.find(names))
    for line in search.notes():
        click.echo(f"note: {line}", err=True)
    job = JobSpec(
        model=os.path.abspath(asked["model"]) if asked["model"] else None,
        fingerprint=classifier.fingerprint,
        threshold=classifier.asked,
        thumbnails=asked["report"] is not None,
        every=asked["every"],
        frames=None if asked["dry_run"] else asked["copy"],
    )
    in_bursts = _in_bursts(asked, files)
    freeze()
    tally = Tally(asked["exposure"], asked["bursts"], photos=[] if action else None)
    with ExitStack() as stack:
        pool = stack.enter_context(_pool(asked, job, classifier, len(files)))
        consumers = _consumers(asked, threshold, tally, stack)
        opened = stack.pop_all()
    with one_line_errors(code=UNREAD):
        with opened, closing(scan(files, pool, asked["cache"], warn)) as answers:
            ranked = map(in_bursts, answers)
            interrupted = hand_out(ranked, len(files), threshold, consumers, band)
            if interrupted and (asked["output"] or asked["report"]):
                raise KeyboardInterrupt  # no file or page is left half done
        table = asked["style"] == "table" and asked["output"] is None
        click.echo(tally.line(), err=not table)
        if interrupted:
            raise KeyboardInterrupt
        failed = action and perform(tally.photos or [], roots, action, asked["report"])
    if asked["fail_on_blurred"] and tally.piles["blurred"]:
        return BLURRED
    return UNREAD if tally.piles["unread"] or failed else 0


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUTS...")
@options.model_option
@click.option(
    "--format",
    "style",
    type=click.Choice(("table", "csv", "json", "jsonl")),
    default="table",
    help="Format of the verdicts.",
)
@flag("--csv-excel", help="CSV for spreadsheets: UTF-8 with BOM, names never read as formulas.")
@path_option("--output", help="Write verdicts to this new file.")
@flag("--force", help="Replace the files of --output and --report; lower ratings.")
@options.threshold_option
@click.option(
    "--max-false-alarms",
    type=PROPORTION,
    metavar="SHARE",
    help="Instead of --threshold: share of sharp photos that may be called blurred.",
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="given",
    help="Order of the verdicts; by probability, the most blurred come first.",
)
@flag("--exposure", help="Also say which photos are dark, overexposed or low-contrast.")
@flag("--bursts", help="Find photos taken in quick succession, and rank them by sharpness.")
@click.option(
    "--burst-gap",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Longest time between two photos of a burst.  [default: 2]",
)
@flag("--move-losers", help="Also move, copy or link all but the sharpest of each burst.")
@flag("--fail-on-blurred", help="Exit with code 3 if a verdict is blurred.")
@path_option("--cache", help="Remember verdicts in this file, to resume or rescan.")
@options.workers_option
@click.option(
    "--backend",
    type=click.Choice(("threads", "dask")),
    default="threads",
    help="Judge on this machine, or on a Dask cluster with access to the same files.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://10.0.0.1:8786.")
@action_options("blurred", ", and the kept frames of videos")
@folder_option("--unsure", help="Also move, copy or link the unsure photos, to this DIR.")
@_globs("--exclude", help="Leave out files and folders whose name or path matches. Repeatable.")
@_globs("--include", help="In folders, take only files whose name or path matches. Repeatable.")
@flag("--all-folders", help="Also search previews, recycle bins and folders with .nomedia.")
@path_option("--report", help="Write a page of thumbnails for review, .html.")
@count_option(
    "--every",
    default=5,
    help="In videos, analyse every N-th frame; the sharpest of each second is judged.",
)
@click.pass_context
def scan(context: click.Context, /, inputs: tuple[str, ...], **asked: Any) -> None:
    """Say which photos are blurred, how surely and of what kind.

    A verdict is sharp, unsure or blurred. Unsure means that the model is too often wrong at this
    probability, or that the photo holds nothing to judge; with --threshold or --max-false-alarms,
    only the latter.

    INPUTS are files, folders (searched with their subfolders), quoted patterns, or - for a list on
    standard input, one path per line or ended by NUL. Photos are only read, unless you ask for
    --move, --copy, --link, --tag or --rate; 'blur undo' takes those back.

    Exit codes: 0 all photos were read; 1 some could not be read or acted on, the rest is done; 2
    wrong usage, nothing was judged; 3 with --fail-on-blurred, some are blurred, even if others
    could not be read; 130 interrupted by Ctrl-C.
    """
    prepare()
    try:
        with one_line_errors(code=USAGE):
            code = _scan(inputs, asked)
    except KeyboardInterrupt:
        kept = f"; what was judged is in {asked['cache']}" if asked["cache"] else ""
        click.echo(f"interrupted{kept}", err=True)
        code = INTERRUPTED
    finally:
        freeze()
    context.exit(code)
