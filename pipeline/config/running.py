"""Run a stage's main function: what a user can mend ends in one line, not in a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.config.errors import BlurError
from pipeline.config.extras import needs_train_line, train_installed
from pipeline.config.heap import keep_heap


def run(main: Callable[[], None]) -> None:
    """Call `main`; a :class:`BlurError` is printed as one line and ends with status 1.

    So does the lack of the extra `train`, which is found out before anything is written: stages
    import what they need inside `main`.
    """
    try:
        if not train_installed():
            raise BlurError(needs_train_line("this stage"))
        keep_heap()
        main()
    except BlurError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
