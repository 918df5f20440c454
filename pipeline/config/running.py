"""Run a stage's main function: what a user can mend ends in one line, not in a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.config.errors import BlurError


def run(main: Callable[[], None]) -> None:
    """Call `main`; a :class:`BlurError` is printed as one line and ends with status 1."""
    try:
        main()
    except BlurError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
