"""Act on blurred photos: move, copy, link or tag them, and undo all of it from a journal.

::

    report = act(verdicts, roots, ActionOptions(move=Path("blurred")))
    for line in report.plan: print(line)            # a dry run's plan: to stdout
    for line in report.lines: print(line, stderr)   # what was left alone or failed, and why
    print(report.summary)                           # names the journal, for `blur undo`
    exit code 1 if report.failed
"""

from pipeline.actions.act import act
from pipeline.actions.options import ActionOptions, ActionReport
from pipeline.actions.undo import UndoReport, undo

__all__ = ["ActionOptions", "ActionReport", "UndoReport", "act", "undo"]
