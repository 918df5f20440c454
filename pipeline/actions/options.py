"""What is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.errors import require

if TYPE_CHECKING:
    from pipeline.actions.plan import Kind


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What to do with blurred photos; at most one of `move`, `copy` and `link`."""

    move: Path | None = None
    copy: Path | None = None
    link: Path | None = None
    tag: bool = False
    dry_run: bool = False

    def transfer(self) -> tuple[Kind, Path] | None:
        """What to do and the target folder; None where photos stay.

        Raises
        ------
        BlurError
            More than one is asked for.
        """
        asked: list[tuple[Kind, Path | None]] = [
            ("move", self.move),
            ("copy", self.copy),
            ("link", self.link),
        ]
        given = [(kind, path) for kind, path in asked if path is not None]
        require(len(given) < 2, "move, copy and link exclude one another; choose one")
        return given[0] if given else None


@dataclass(frozen=True, slots=True)
class ActionReport:
    """What was done; the library prints nothing."""

    journal: Path | None  # None where nothing was done
    done: int  # files moved, copied, linked or tagged; in a dry run those that would be
    lines: tuple[str, ...]  # one for each case that was left alone or failed, and why (stderr)
    plan: tuple[str, ...] = ()  # dry run only: one line for each file (stdout)
    failed: bool = False  # something asked for could not be done: exit code 1
    interrupted: bool = False  # Ctrl-C; what was done is in the journal, no shot is half done
    summary: str = ""  # one line


def printable(line: str) -> str:
    """`line` without line breaks, control characters and bytes that are no UTF-8, for people."""
    text = line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
