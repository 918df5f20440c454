"""Predictions as lines of text, and where they go."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from blur_fusion.errors import BlurError
from blur_fusion.files import for_excel, printable, write_whole
from blur_fusion.model.prediction import EXPOSURE, FIELDS, Band, Prediction, is_loser
from blur_fusion.parallel import progress_bar
from blur_fusion.scan.tasks import Answer
from blur_fusion.startup import lead_nowhere

Consumer = Callable[[Prediction, bytes | None], None]  # of a photo and its thumbnail, if any


def _csv_line(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    words = (str(cell).lower() if isinstance(cell, bool) else cell for cell in cells)
    csv.writer(buffer, lineterminator="\n").writerow(words)
    return buffer.getvalue()


_COLOURS = {"blurred": 31, "unsure": 33, "sharp": 32, "unread": 35}  # ECMA-48: 31 is red


def on_terminal(line: str, path: str) -> str:
    """A line of the table for a terminal: in one row, the verdict in colour.

    A path that is too long loses its beginning. `NO_COLOR` is respected.
    """
    path = printable(path)
    left = shutil.get_terminal_size().columns - (len(line.rstrip("\n")) - len(path))
    if 20 <= left < len(path):
        line = line.replace(path, "…" + path[1 - left :], 1)
    word, blank, rest = line.partition(" ")
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return line if plain else f"\x1b[{_COLOURS[word]}m{word}\x1b[0m{blank}{rest}"


@dataclass
class Formatter:
    """Turns predictions into text, one by one.

    Attributes
    ----------
    name : str
        "table", "csv", "json", "jsonl", or "excel": CSV that a spreadsheet opens correctly.
    fields : tuple of str
        Of a prediction, in order; the table has a column for the exposure if they do.
    terminal : bool
        Whether a table is shown on a terminal; see :func:`on_terminal`.
    bursts : bool
        Whether the table has columns for burst and rank; "=" marks a tie with the sharpest.
    """

    name: str
    fields: tuple[str, ...] = FIELDS
    terminal: bool = False
    bursts: bool = False
    _count: int = field(default=0, init=False)

    def head(self) -> str:
        """What comes first, even if nothing follows."""
        if self.name in ("csv", "excel"):
            return ("\ufeff" if self.name == "excel" else "") + _csv_line(self.fields)
        return "[" if self.name == "json" else ""

    def row(self, prediction: Prediction) -> str:
        """One prediction."""
        self._count += 1
        if self.name == "table":
            line = self._table_row(prediction)
            if self.terminal:
                line = on_terminal(line, prediction.path)
            heads = ("verdict", "probability", "kind", EXPOSURE, "burst rank", "path")
            return line if self._count > 1 else self._table_line(*heads) + line
        values = {name: getattr(prediction, name) for name in self.fields}
        if self.name == "csv":
            return _csv_line(values.values())
        if self.name == "excel":
            return _csv_line(for_excel(v) if isinstance(v, str) else v for v in values.values())
        text = json.dumps(values, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # a path that is not UTF-8: escapes keep its bytes
            text = json.dumps(values)
        if self.name == "json":
            return ("\n" if self._count == 1 else ",\n") + text
        return text + "\n"

    def _table_row(self, one: Prediction) -> str:
        exposure = one.exposure if one.exposure not in (None, "normal") else ""
        place = f"{one.burst or '':>5} {one.rank or '':>4}{'=' if one.tie else ' '}"
        more, path = (exposure or "", place), printable(one.path)
        if one.pile == "unread":
            return self._table_line(
                "unread", "", "", *more, f"{path}: {printable(one.error or '')}"
            )
        kind = one.kind_of_blur
        return self._table_line(one.pile, f"{one.probability:.3f}", kind, *more, path)

    def _table_line(
        self, verdict: str, probability: str, kind: str, exposure: str, place: str, path: str
    ) -> str:
        more = f"{exposure:12} " if EXPOSURE in self.fields else ""
        more += f"{place:11} " if self.bursts else ""
        return f"{verdict:8} {probability:>11}  {kind:8} {more}{path}\n"

    def tail(self) -> str:
        """What comes last."""
        return ("\n" if self._count else "") + "]\n" if self.name == "json" else ""


@dataclass
class Tally:
    """Counts predictions for the summary, and collects those of photos if `photos` is a list."""

    exposure: bool = False  # whether the summary has it
    bursts: bool = False
    photos: list[Prediction] | None = None
    piles: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)  # of blurred photos
    exposures: Counter[str] = field(default_factory=Counter)
    frames: Counter[int] = field(default_factory=Counter)  # of each burst
    losers: int = 0

    def add(self, prediction: Prediction, thumbnail: bytes | None = None) -> None:
        """Count one."""
        self.piles[prediction.pile] += 1
        if kind := prediction.kind_of_blur:
            self.kinds[kind] += 1
        if prediction.exposure not in (None, "normal"):
            self.exposures[prediction.exposure] += 1
        if prediction.burst is not None:
            self.frames[prediction.burst] += 1
            self.losers += is_loser(prediction)
        if self.photos is not None and prediction.frame_s is None:
            self.photos.append(prediction)

    def line(self) -> str:
        """The summary."""
        if not (number := self.piles.total()):
            return "no photos found"
        kinds = f" ({_listed(self.kinds)})" if self.kinds else ""
        unsure, unread = (
            f", {self.piles[pile]} {pile}" if self.piles[pile] else ""
            for pile in ("unsure", "unread")
        )
        line = f"{number} {'photo' if number == 1 else 'photos'}: {self.piles['blurred']} blurred"
        line += f"{kinds}{unsure}, {self.piles['sharp']} sharp{unread}"
        if self.bursts:
            noun = "burst" if len(self.frames) == 1 else "bursts"
            line += f"; {len(self.frames) or 'no'} {noun}"
        if self.bursts and self.frames:
            line += f" of {self.frames.total()} photos, {self.losers} less sharp than the best"
        if self.exposure:
            line += f"; exposure: {_listed(self.exposures) or 'all normal'}"
        return line


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def in_order(predictions: list[Prediction], key: str) -> list[Prediction]:
    """Predictions sorted by a field, ascending; by probability, logit or blurred, descending.

    Those without a value come last. By burst, the sharpest of each comes first.
    """
    value = attrgetter(key)
    if key == "burst":
        predictions = sorted(predictions, key=lambda prediction: prediction.rank or 0)
    if key == "path":
        return sorted(predictions, key=lambda prediction: os.fsencode(prediction.path))
    known = [prediction for prediction in predictions if value(prediction) is not None]
    unknown = [prediction for prediction in predictions if value(prediction) is None]
    return sorted(known, key=value, reverse=key in ("probability", "logit", "blurred")) + unknown


@contextmanager
def open_output(
    formatter: Formatter,
    path: Path | None = None,
    force: bool = False,
    sort: str = "given",
    alone: bool = True,
) -> Iterator[Consumer]:
    """Write predictions to standard output, or to a file that is written whole or not at all.

    Parameters
    ----------
    formatter : Formatter
    path : Path, optional
        Instead of standard output; see `blur_fusion.files.write_whole`.
    force : bool
        Replace an existing file.
    sort : str
        A field, which delays all output to the end, or "given".
    alone : bool
        Whether this is the scan's only output: it ends when nobody reads standard output.
    """
    held: list[Prediction] = []
    sys.stdout.flush()
    formatter.terminal = path is None and sys.stdout.isatty()
    standard = nullcontext(sys.stdout.buffer)
    with standard if path is None else write_whole(path, force=force) as file:

        def write(text: str) -> None:
            try:
                file.write(text.encode("utf-8", "surrogateescape"))  # bytes of odd names stay
                if path is None:
                    file.flush()  # so that a pipe's reader gets each answer at once
            except BrokenPipeError:
                lead_nowhere(sys.stdout.fileno())
                if alone:
                    raise
            except OSError as error:
                raise BlurError(f"standard output: {error.strerror or error}") from None

        def add(prediction: Prediction, thumbnail: bytes | None = None) -> None:
            if sort == "given":
                write(formatter.row(prediction))
            else:
                held.append(prediction)

        def finish() -> None:
            for prediction in in_order(held, sort):
                write(formatter.row(prediction))
            write(formatter.tail())

        write(formatter.head())
        try:
            yield add
        except KeyboardInterrupt:
            if path is None:  # what was judged so far is complete JSON too
                finish()
            raise
        finish()


def hand_out(
    answers: Iterable[list[Answer]],
    total: int,
    threshold: float,
    consumers: Sequence[Consumer],
    band: Band | None = None,
) -> bool:
    """Hand the answers of a scan of `total` files to all consumers, settled by threshold and band.

    Returns whether Ctrl-C ended the scan.
    """
    bar = progress_bar(total, "scan", "photo") if total and sys.stderr.isatty() else None
    try:
        for found in answers:
            with bar.external_write_mode(file=sys.stdout) if bar is not None else nullcontext():
                for prediction, thumbnail in found:
                    prediction = prediction.settled(threshold, band)
                    for consume in consumers:
                        consume(prediction, thumbnail)
            if bar is not None:
                bar.update()
    except KeyboardInterrupt:
        return True
    finally:
        if bar is not None:
            bar.close()
    return False
