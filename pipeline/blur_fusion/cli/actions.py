"""`blur apply` and `blur undo`; options and report of actions, shared with `blur scan`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blur_fusion.cli.options import PATH, flag, folder_option, path_option, warn
from blur_fusion.errors import BlurError, one_line_errors

if TYPE_CHECKING:
    from blur_fusion.actions.act import Judged
    from blur_fusion.actions.plan import ActionOptions

ACTIONS = ("move", "copy", "link", "tag", "rate")
NAMED = "--move, --copy, --link, --tag or --rate"


def action_options(which: str, also_copied: str = "") -> Callable[[Any], Any]:
    """Options for what to do with `which` photos, such as "blurred" ones."""

    def decorate(command: Any) -> Any:
        tags = f"Tag {which} photos in XMP sidecars; tags of earlier runs are updated or removed."
        ratings = "Tag, and write the ratings and flags that photo editors read; none is lowered "
        for option in (
            flag("--dry-run", help="Only say what would be done."),
            flag("--rate", help=f"{ratings}without --force."),
            flag("--tag", help=tags),
            folder_option("--link", help=f"Link to {which} photos from DIR."),
            folder_option("--copy", help=f"Copy {which} photos to DIR{also_copied}."),
            folder_option("--move", help=f"Move {which} photos to DIR."),
        ):
            command = option(command)
        return command

    return decorate


def asked_action(asked: dict[str, Any]) -> ActionOptions | None:
    """The action asked for; without one, no code for it is imported."""
    if not any(asked[name] for name in ACTIONS):
        if asked["dry_run"]:
            raise click.UsageError(f"--dry-run needs {NAMED}")
        return None
    from blur_fusion.actions.plan import ActionOptions

    given = {name: asked[name] for name in (*ACTIONS, "dry_run", "force")}
    unsure, losers = asked.get("unsure"), asked.get("move_losers", False)
    return ActionOptions(**given, unsure=unsure, losers=losers)


def perform(
    judged: Iterable[Judged], roots: Sequence[Path], action: ActionOptions, page: Path | None = None
) -> bool:
    """Act, print the report and update the links of a page; whether something could not be done.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed; no shot is half done, and the report is printed.
    """
    from blur_fusion.actions.act import act

    report = act(judged, roots, action)
    for line in report.plan:
        click.echo(line)
    warn(*report.lines)
    click.echo(report.summary, err=True)
    if report.moved and page is not None and page.is_file():
        from blur_fusion.report.review import follow

        follow(page, report.moved)
    if report.interrupted:
        raise KeyboardInterrupt
    return report.failed


@click.command()
@click.argument("decisions", type=PATH)
@action_options("rejected")
@flag("--force", help="Lower existing ratings and flags.")
@one_line_errors()
def apply(decisions: Path, **asked: Any) -> None:
    """Act on decisions: move, copy, link, tag or rate the rejected photos.

    DECISIONS is CSV or JSON exported from a page of blur, with paths as they were given to the
    scan; or a folder of photos rated in an editor. Kept photos lose the tags of earlier runs, and
    --rate marks them as picked; undecided ones are left alone. 'blur undo' puts everything back.

    The exit code is 1 if something could not be done.
    """
    from blur_fusion.actions.decisions import read_decisions, scanned

    action = asked_action(asked)
    if action is None:
        raise click.UsageError(f"say what to do: {NAMED}")
    found = read_decisions(decisions)
    if found and not any(Path(one.path).exists() for one in found):
        line = "none of its photos exists; run this in the folder where the scan ran"
        raise BlurError(f"{decisions}: {line}")
    kept, rejected = (sum(one.keep is keep for one in found) for keep in (True, False))
    open_ = len(found) - kept - rejected
    click.echo(f"{rejected} rejected, {kept} kept, {open_} undecided", err=True)
    try:
        failed = perform(found, scanned(decisions, found), action)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if failed:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("journal", type=PATH)
@path_option("--at", metavar="NEW_ROOT", help="Where the photos' folder is now, if it was moved.")
@one_line_errors()
def undo(journal: Path, at: Path | None) -> None:
    """Undo everything that the JOURNAL of a run records.

    'blur scan' names the journal when it has moved, copied, linked or tagged photos. Moved photos
    return, copies and links are deleted, and sidecars get their former content back, even after a
    crash. Nothing newer is overwritten or deleted: each such case is one line, and the exit code is
    1; run it again to retry those. If a whole library was moved since, --at names its folder.
    """
    from blur_fusion.actions.journal import undo as put_back

    report = put_back(journal, at)
    click.echo(report.summary)
    warn(*report.lines, fail=True)
