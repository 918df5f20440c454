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
from blur_fusion.progress import progress_bar
from blur_fusion.scan.tasks import Answer
from blur_fusion.startup import lead_nowhere

Consumer = Callable[[Prediction, bytes | None], None]  # of a photo and its thumbnail, if any


def _csv_line(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    words = (str(cell).lower() if isinstance(cell, bool) else cell for cell in cells)
    csv.writer(buffer, lineterminator="\n").writerow(words)
    return buffer.getvalue()


def _table_head(exposed: bool, bursts: bool) -> str:
    more = (f"{EXPOSURE:12} " if exposed else "") + (
        f"{'burst':>5} {'rank':>4}  " if bursts else ""
    )
    return f"{'verdict':8} {'probability':>11}  {'kind':8} {more}path\n"


def _table_line(prediction: Prediction, exposed: bool, bursts: bool) -> str:
    path = printable(prediction.path)
    flag = prediction.exposure if prediction.exposure not in (None, "normal") else ""
    more = f"{flag:12} " if exposed else ""
    if bursts:
        rank = f"{prediction.rank or ''}{'=' if prediction.tie else ' '}"
        more += f"{prediction.burst or '':>5} {rank:>5} "
    if prediction.error is not None or prediction.probability is None:
        reason = printable(prediction.error or "")
        return f"{'unread':8} {'':>11}  {'':8} {more}{path}: {reason}\n"
    word = prediction.pile
    kind = prediction.kind if word == "blurred" else ""
    return f"{word:8} {prediction.probability:11.3f}  {kind or '':8} {more}{path}\n"


_COLOURS = {"blurred": 31, "unsure": 33, "sharp": 32, "unread": 35}  # ECMA-48: 31 is red


def on_terminal(line: str, path: str) -> str:
    """A line of the table as a terminal shows it: in one row, its verdict in colour.

    Too long a path loses its beginning. `NO_COLOR` and terminals without colours are respected.
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
    """Turns predictions into text one by one.

    Attributes
    ----------
    name : str
        "table", "csv", "json", "jsonl", or "excel": CSV that a spreadsheet opens as it is.
    fields : tuple of str
        Of a prediction, in order; the table holds a column of exposures if they do.
    terminal : bool
        Whether a table is shown on a terminal; see :func:`on_terminal`.
    bursts : bool
        Whether the table says each photo's burst and its rank there; "=" shares the first place.
    """

    name: str
    fields: tuple[str, ...] = FIELDS
    terminal: bool = False
    bursts: bool = False
    _count: int = field(default=0, init=False)

    def head(self) -> str:
        """What comes first, also where nothing follows."""
        return {
            "csv": _csv_line(self.fields),
            "excel": "\ufeff" + _csv_line(self.fields),
            "json": "[",
        }.get(self.name, "")

    def row(self, prediction: Prediction) -> str:
        """One prediction."""
        self._count += 1
        if self.name == "table":
            exposed = EXPOSURE in self.fields
            line = _table_line(prediction, exposed, self.bursts)
            if self.terminal:
                line = on_terminal(line, prediction.path)
            return line if self._count > 1 else _table_head(exposed, self.bursts) + line
        values = {name: getattr(prediction, name) for name in self.fields}
        if self.name == "csv":
            return _csv_line(values.values())
        if self.name == "excel":
            return _csv_line(for_excel(v) if isinstance(v, str) else v for v in values.values())
        text = json.dumps(values, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # a path that is no UTF-8: escapes keep its bytes
            text = json.dumps(values)
        if self.name == "json":
            return ("\n" if self._count == 1 else ",\n") + text
        return text + "\n"

    def tail(self) -> str:
        """What comes last."""
        return ("\n" if self._count else "") + "]\n" if self.name == "json" else ""


@dataclass
class Tally:
    """Counts of predictions; of bursts, exposures and the photos, only where these are set."""

    sharp: int = 0
    unsure: int = 0
    unread: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    exposed: Counter[str] | None = None
    bursts: Counter[int] | None = None
    losers: int = 0
    photos: list[Prediction] | None = None

    def add(self, prediction: Prediction, thumbnail: bytes | None = None) -> None:
        """Count one."""
        if self.exposed is not None and prediction.exposure not in (None, "normal"):
            self.exposed[prediction.exposure] += 1
        if self.bursts is not None and prediction.burst is not None:
            self.bursts[prediction.burst] += 1
            self.losers += is_loser(prediction)
        if self.photos is not None and prediction.frame_s is None:
            self.photos.append(prediction)
        pile = prediction.pile
        if pile == "blurred":
            self.kinds[prediction.kind or "unknown"] += 1
        else:
            setattr(self, pile, getattr(self, pile) + 1)

    def line(self) -> str:
        """The summary."""
        blurred = self.kinds.total()
        number = blurred + self.unsure + self.sharp + self.unread
        if not number:
            return "no photos found"
        kinds = f" ({_listed(self.kinds)})" if blurred else ""
        unsure = f", {self.unsure} unsure" if self.unsure else ""
        unread = f", {self.unread} unread" if self.unread else ""
        noun = "photo" if number == 1 else "photos"
        line = f"{number} {noun}: {blurred} blurred{kinds}{unsure}, {self.sharp} sharp{unread}"
        line += self._of_bursts()
        if self.exposed is None:
            return line
        return f"{line}; exposure: {_listed(self.exposed) or 'all normal'}"

    def _of_bursts(self) -> str:
        if self.bursts is None:
            return ""
        noun = "burst" if len(self.bursts) == 1 else "bursts"
        number = self.bursts.total()
        more = f" of {number} photos, {self.losers} less sharp than the best" if number else ""
        return f"; {len(self.bursts) or 'no'} {noun}{more}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def in_order(predictions: list[Prediction], key: str) -> list[Prediction]:
    """Predictions by a field: text and numbers ascending, what speaks for blur descending.

    So the most blurred come first by `probability`, `logit` or `blurred`, and the sharpest of each
    burst by `burst`; files that could not be read, or are alone, come last.
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
    """Write predictions to a file, which is whole or not there, or to standard output.

    Parameters
    ----------
    formatter : Formatter
    path : Path, optional
        Instead of standard output.
    force : bool
        Replace a file that exists.
    sort : str
        A field, which holds the predictions back to the end, or "given".
    alone : bool
        Whether nothing else comes of the scan, which ends when nobody reads standard output.

    Yields
    ------
    callable
        Takes one prediction.

    Raises
    ------
    BlurError
        See `blur_fusion.files.write_whole`.
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
                    file.flush()  # whoever reads a pipe sees each answer when it is there
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
            if path is None:  # what was judged so far is whole, too
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

    Returns
    -------
    bool
        Whether Ctrl-C ended the scan, in good order: what was judged is in the cache.
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
