"""`blur undo`: put back what `blur scan --move`, `--copy`, `--link` or `--tag` did."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli import options


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@options.one_line_errors
def undo(journal: Path) -> None:
    """Put back everything that the JOURNAL of a run tells of.

    'blur scan' names the journal when it has moved, copied, linked or tagged photos. Moved photos
    return, copies and links are deleted, sidecars get their former content; after a crash too.
    Nothing newer is overwritten or deleted: each such case is one line, and the exit code is 1.
    Run it again to try those once more.
    """
    from pipeline.actions.undo import undo as put_back

    report = put_back(journal)
    for line in report.lines:
        click.echo(f"warning: {line}", err=True)
    click.echo(report.summary)
    if report.failed:
        raise click.exceptions.Exit(1)
