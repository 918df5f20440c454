"""Act on blurred photos: move, copy, link or tag them, and undo all of it from a journal.

::

    report = act(verdicts, roots, ActionOptions(move=Path("blurred")))
    for line in report.plan: print(line)            # a dry run's plan: to stdout
    for line in report.lines: print(line, stderr)   # what was left alone or failed, and why
    print(report.summary)                           # names the journal, for `blur undo`
    exit code 1 if report.failed
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.actions.act import act
    from pipeline.actions.options import ActionOptions, ActionReport
    from pipeline.actions.undo import UndoReport, undo

__all__ = ["ActionOptions", "ActionReport", "UndoReport", "act", "undo"]

_PLACES = {"ActionOptions": "options", "ActionReport": "options", "act": "act"}
_PLACES |= {"UndoReport": "undo", "undo": "undo"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: reading and writing XMP takes a tenth of a small scan to import."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
