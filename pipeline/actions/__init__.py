"""Act on blurred photos: move, copy, link or tag them, and undo all of it from a journal.

::

    from pipeline.actions.act import act
    from pipeline.actions.options import ActionOptions

    report = act(verdicts, roots, ActionOptions(move=Path("blurred")))
    for line in report.plan: print(line)            # a dry run's plan: to stdout
    for line in report.lines: print(line, stderr)   # what was left alone or failed, and why
    print(report.summary)                           # names the journal, for `blur undo`
    exit code 1 if report.failed

Nothing is imported here: what reads and writes XMP takes a tenth of a small scan to import.
"""
