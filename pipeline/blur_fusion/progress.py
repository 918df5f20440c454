"""Progress bars on stderr: rate and time left, quiet where nobody watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(total: int, what: str, unit: str = "image") -> tqdm[Any]:
    """A bar of `total` steps; in a log file it is renewed only every half minute."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # beside its thread no process could be forked
    watched = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if watched else 30.0,
        maxinterval=10.0 if watched else 60.0,
        delay=0.0 if watched else 2.0,  # what is done at once leaves no line in a log
        dynamic_ncols=watched,
    )
