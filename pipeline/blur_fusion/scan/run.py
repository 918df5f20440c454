"""A scan from files to whoever wants the predictions: what `blur scan` does, without its texts."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from blur_fusion.model.prediction import Prediction
from blur_fusion.progress import progress_bar
from blur_fusion.scan.output import Consumer, Tally
from blur_fusion.scan.tasks import Answer, settled


@dataclass
class Result:
    """What a scan found so far; `begun` once outputs are open and files are judged."""

    tally: Tally = field(default_factory=Tally)
    photos: list[Prediction] = field(default_factory=list)
    begun: bool = False

    def add(self, prediction: Prediction, thumbnail: bytes | None = None) -> None:
        """Keep a photo, which may be acted on."""
        if prediction.frame_s is None:
            self.photos.append(prediction)


def run(
    answers: Generator[list[Answer], None, None],
    total: int,
    threshold: float,
    consumers: Sequence[Consumer],
) -> bool:
    """Hand the answers of a scan of `total` files to all consumers, judged by `threshold`.

    Returns
    -------
    bool
        Whether Ctrl-C ended the scan, in good order: what was judged is in the cache.
    """
    bar = progress_bar(total, "scan", "photo") if sys.stderr.isatty() else None
    try:
        for found in answers:
            with bar.external_write_mode(file=sys.stdout) if bar is not None else nullcontext():
                for prediction, thumbnail in found:
                    prediction = settled(prediction, threshold)
                    for consume in consumers:
                        consume(prediction, thumbnail)
            if bar is not None:
                bar.update()
    except KeyboardInterrupt:
        return True
    finally:
        answers.close()
        if bar is not None:  # a bar of no photos is false
            bar.close()
    return False
