"""`blur calibrate`: a model that has learned from decisions."""

from __future__ import annotations

import os
from pathlib import Path

import click

from blur_fusion.cli import options
from blur_fusion.cli.options import PATH, PROPORTION, warn
from blur_fusion.errors import one_line_errors


@click.command()
@click.argument("decisions", nargs=-1, type=PATH, metavar="[DECISIONS]...")
@click.option("--keep", type=PATH, metavar="DIR", help="Photos that are kept, instead.")
@click.option("--reject", type=PATH, metavar="DIR", help="Photos that are rejected, with --keep.")
@click.option(
    "--output", required=True, type=PATH, metavar="MY_MODEL", help="New folder of the model."
)
@click.option("--force", is_flag=True, help="Replace the model that MY_MODEL holds.")
@click.option(
    "--max-false-alarms",
    type=PROPORTION,
    metavar="SHARE",
    help="Share of kept photos that the threshold may call blurred.  "
    "[default: as for the shipped model]",
)
@options.model_option
@options.workers_option
@one_line_errors()
def calibrate(
    decisions: tuple[Path, ...],
    keep: Path | None,
    reject: Path | None,
    output: Path,
    force: bool,
    max_false_alarms: float | None,
    model: Path | None,
    workers: int,
) -> None:
    """Learn from decisions how surely a photo is to be rejected: a model for `blur scan --model`.

    DECISIONS are files of the pages, or folders of photos that an editor has rated. Of 30 or more,
    both kept and rejected, the model learns its probabilities and thresholds anew, and with the
    extra 'train' what weight its measures have; each only where cross-validation by bursts shows a
    gain whose 95 % interval excludes zero. Prints figures before and after. Photos are only read.

    The exit code is 1 where nothing showed a gain: the model is kept, and nothing is written.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import importlib.util

    from blur_fusion.files import printable
    from blur_fusion.model.export import check_target
    from blur_fusion.params import ThresholdParams
    from blur_fusion.personal import learn, photos

    if bool(keep) != bool(reject) or bool(keep) == bool(decisions):
        raise click.UsageError("name DECISIONS, or both --keep DIR and --reject DIR")
    check_target(output, force)
    classifier = photos.detector(model)
    taught = photos.in_folders(keep, reject) if keep and reject else photos.taught(decisions)
    learn.require_enough(len(taught))
    rows, unread = photos.measure(taught, classifier, workers)
    warn(*(f"{printable(one.path)}: {printable(one.error or '')}" for one in unread))
    head = importlib.util.find_spec("sklearn") is not None
    if not head:
        line = "the weights of measures stay: learning them needs the extra 'train'"
        click.echo(f"note: {line}: pip install 'blur-fusion[train]'", err=True)
    rate = {} if max_false_alarms is None else {"max_false_alarm_rate": max_false_alarms}
    outcome = learn.learn(classifier.model, rows, ThresholdParams(**rate), head=head)
    click.echo(learn.as_text(outcome, classifier.model, rows))
    if outcome.model is None:
        click.echo("no gain is shown: the model is kept, and nothing is written", err=True)
        raise click.exceptions.Exit(1)
    photos.write_model(output, classifier, outcome, rows)
    click.echo(f"{output}: model written; use it with blur scan --model {output}")
