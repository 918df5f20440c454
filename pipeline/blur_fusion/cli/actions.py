"""`blur apply`, and what it shares with `blur scan`: options of actions, and their report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from blur_fusion.cli.options import PATH, warn
from blur_fusion.errors import BlurError, one_line_errors

if TYPE_CHECKING:
    from blur_fusion.actions.act import Judged
    from blur_fusion.actions.plan import ActionOptions

ACTIONS = ("move", "copy", "link", "tag", "rate")
NAMED = "--move, --copy, --link, --tag or --rate"
Command = TypeVar("Command", bound=Callable[..., Any])


def action_options(which: str, also_copied: str = "") -> Callable[[Command], Command]:
    """Options that say what is done with the photos called `which`."""
    marked = "in XMP sidecars; marks of earlier runs are renewed or removed"
    found = (
        click.option("--move", type=PATH, metavar="DIR", help=f"Move {which} photos below DIR."),
        click.option(
            *("--copy",),
            type=PATH,
            metavar="DIR",
            help=f"Copy {which} photos below DIR{also_copied}.",
        ),
        click.option("--link", type=PATH, metavar="DIR", help=f"Link to {which} photos below DIR."),
        click.option("--tag", is_flag=True, help=f"Tag {which} photos {marked}."),
        click.option(
            "--rate",
            is_flag=True,
            help="Tag, and write the ratings and flags that photo editors read; none is lowered "
            "without --force.",
        ),
        click.option("--dry-run", is_flag=True, help="Only say what would be done."),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(found):
            command = option(command)
        return command

    return decorate


def asked_action(asked: dict[str, Any]) -> ActionOptions | None:
    """What is to be done with photos; nothing of it is imported where nothing is."""
    if not any(asked[name] for name in ACTIONS):
        if asked["dry_run"]:
            raise click.UsageError(f"--dry-run goes with {NAMED}")
        return None
    from blur_fusion.actions.plan import ActionOptions

    names = (*ACTIONS, "dry_run", "force")
    given = {name: asked[name] for name in names}
    action = ActionOptions(**given, losers=asked.get("move_losers", False))
    action.transfer()  # two of them at once end here
    return action


def perform(
    judged: Iterable[Judged],
    roots: Sequence[Path],
    action: ActionOptions,
    page: Path | None = None,
) -> bool:
    """Act and print the report, and have a page follow; whether something could not be done.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C came; no shot is half done, and the report is printed.
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
@click.option("--force", is_flag=True, help="Lower ratings and flags that are there.")
@one_line_errors()
def apply(decisions: Path, **asked: Any) -> None:
    """Act on decisions: move, copy, link, tag or rate the rejected photos.

    DECISIONS is CSV or JSON from a page of blur, where paths are as they were given to the scan; or
    a folder of photos that an editor has rated. Kept photos lose the tags of earlier runs, and
    --rate marks them as picked; undecided ones are left alone. 'blur undo' puts everything back.

    The exit code is 1 if something could not be done.
    """
    from blur_fusion.actions.decisions import read_decisions, scanned

    action = asked_action(asked)
    if action is None:
        raise click.UsageError(f"say what to do: {NAMED}")
    found = read_decisions(decisions)
    roots = scanned(decisions, found)
    if found and not any(Path(one.path).exists() for one in found):
        line = "none of its photos is there; run it in the folder in which the scan ran"
        raise BlurError(f"{decisions}: {line}")
    kept, rejected = (sum(one.keep is keep for one in found) for keep in (True, False))
    open_ = len(found) - kept - rejected
    click.echo(f"{rejected} rejected, {kept} kept, {open_} undecided", err=True)
    try:
        failed = perform(found, roots, action)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if failed:
        raise click.exceptions.Exit(1)
