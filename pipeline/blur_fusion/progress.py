"""Progress bars on stderr: rate and time left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(total: int, what: str, unit: str = "image") -> tqdm[Any]:
    """A bar of `total` steps; updated every half minute where stderr is not a terminal."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # beside its thread no process could be forked
    pace: dict[str, Any] = {"mininterval": 30.0, "maxinterval": 60.0}
    pace["delay"] = 2.0  # what is done at once leaves no line in a log
    if sys.stderr.isatty():
        pace = {"mininterval": 0.2, "maxinterval": 10.0, "dynamic_ncols": True}
    return tqdm(total=total, desc=what, unit=unit, file=sys.stderr, **pace)
