"""What is known of a system that is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.dataset import LabelledImage
from pipeline.evaluation.report import Judged

OWN, VALIDATION = "own", "validation"  # the two rules; see pipeline.presets.figures.RULES
TIMED = 48  # photos, from file to verdict

Answers = dict[str, Judged]  # by rule; a system may lack one


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes
    ----------
    name : str
    trained : str
        How often, and on what.
    test : dict of Judged
        Answers on the embedded test photos, by rule.
    judge : callable
        Answers on other photos.
    parameters : int
    megabytes, milliseconds, seconds : float, optional
        Size of the weights, time for a photo from file to verdict, and of training.
    """

    name: str
    trained: str
    test: Answers
    judge: Callable[[Sequence[LabelledImage]], Answers]
    parameters: int
    megabytes: float | None
    milliseconds: float | None
    seconds: float | None


def timed(judge: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Milliseconds a photo; the first ones only warm up."""
    some = list(paths[:TIMED])
    for path in some[:4]:
        judge(path)
    began = time.perf_counter()
    for path in some:
        judge(path)
    return 1000 * (time.perf_counter() - began) / len(some)
