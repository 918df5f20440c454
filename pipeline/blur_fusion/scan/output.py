"""Predictions as lines of text, and where they go."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from blur_fusion.errors import BlurError
from blur_fusion.files import for_excel, printable, write_whole
from blur_fusion.model.prediction import EXPOSURE, FIELDS, Prediction

Consumer = Callable[[Prediction, bytes | None], None]  # of a photo and its small JPEG, if any


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv_line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _table_line(prediction: Prediction, exposed: bool) -> str:
    path = printable(prediction.path)
    flag = prediction.exposure if prediction.exposure not in (None, "normal") else ""
    exposure = f"{flag:12} " if exposed else ""
    if prediction.error is not None or prediction.probability is None:
        reason = printable(prediction.error or "")
        return f"{'unread':8} {'':>11}  {'':8} {exposure}{path}: {reason}\n"
    word = "blurred" if prediction.blurred else "sharp"
    kind = prediction.kind if prediction.blurred else ""
    return f"{word:8} {prediction.probability:11.3f}  {kind or '':8} {exposure}{path}\n"


@dataclass
class Formatter:
    """Turns predictions into text one by one.

    Attributes
    ----------
    name : str
        "table", "csv", "json", "jsonl", or "excel": CSV that a spreadsheet opens as it is.
    fields : tuple of str
        Of a prediction, in order; the table holds a column of exposures if they do.
    """

    name: str
    fields: tuple[str, ...] = FIELDS
    _count: int = field(default=0, init=False)

    def head(self) -> str:
        """What comes first."""
        exposure = f"{EXPOSURE:12} " if EXPOSURE in self.fields else ""
        return {
            "table": f"{'verdict':8} {'probability':>11}  {'kind':8} {exposure}path\n",
            "csv": _csv_line(list(self.fields)),
            "excel": "\ufeff" + _csv_line(list(self.fields)),
            "json": "[",
        }.get(self.name, "")

    def row(self, prediction: Prediction) -> str:
        """One prediction."""
        self._count += 1
        if self.name == "table":
            return _table_line(prediction, EXPOSURE in self.fields)
        values = {name: getattr(prediction, name) for name in self.fields}
        if self.name == "excel":
            texts = {name: for_excel(v) for name, v in values.items() if isinstance(v, str)}
            return _csv_line([_cell(value) for value in (values | texts).values()])
        if self.name == "csv":
            return _csv_line([_cell(value) for value in values.values()])
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
    """Counts of predictions; `exposed` counts exposures too, where it is set."""

    sharp: int = 0
    unread: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    exposed: Counter[str] | None = None

    def add(self, prediction: Prediction, thumbnail: bytes | None = None) -> None:
        """Count one."""
        if self.exposed is not None and prediction.exposure not in (None, "normal"):
            self.exposed[prediction.exposure] += 1
        if prediction.error is not None:
            self.unread += 1
        elif prediction.blurred:
            self.kinds[prediction.kind or "unknown"] += 1
        else:
            self.sharp += 1

    def line(self) -> str:
        """The summary."""
        blurred = self.kinds.total()
        number = blurred + self.sharp + self.unread
        kinds = f" ({_listed(self.kinds)})" if blurred else ""
        unread = f", {self.unread} unread" if self.unread else ""
        noun = "photo" if number == 1 else "photos"
        line = f"{number} {noun}: {blurred} blurred{kinds}, {self.sharp} sharp{unread}"
        if self.exposed is None:
            return line
        return f"{line}; exposure: {_listed(self.exposed) or 'all normal'}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def in_order(predictions: list[Prediction], key: str) -> list[Prediction]:
    """Predictions by a field: text and numbers ascending, what speaks for blur descending.

    So the most blurred come first by `probability`, `logit` or `blurred`; files that could not be
    read come last.
    """
    if key == "given":
        return predictions
    if key == "path":
        return sorted(predictions, key=lambda prediction: os.fsencode(prediction.path))
    known = [prediction for prediction in predictions if getattr(prediction, key) is not None]
    unknown = [prediction for prediction in predictions if getattr(prediction, key) is None]
    descending = key in ("probability", "logit", "blurred")
    known.sort(key=lambda prediction: getattr(prediction, key), reverse=descending)
    return known + unknown


@contextmanager
def open_output(
    style: str,
    path: Path | None = None,
    force: bool = False,
    fields: tuple[str, ...] = FIELDS,
    sort: str = "given",
    alone: bool = True,
) -> Iterator[Consumer]:
    """Write predictions to a file, which is whole or not there, or to standard output.

    Parameters
    ----------
    style : str
        See :class:`Formatter`.
    path : Path, optional
        Instead of standard output.
    force : bool
        Replace a file that exists.
    fields : tuple of str
        Of a prediction.
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
    formatter = Formatter(style, fields)
    held: list[Prediction] = []
    sys.stdout.flush()
    standard = nullcontext(sys.stdout.buffer)
    with standard if path is None else write_whole(path, force=force) as file:

        def write(text: str) -> None:
            try:
                file.write(text.encode("utf-8", "surrogateescape"))  # bytes of odd names stay
                if path is None:
                    file.flush()  # whoever reads a pipe sees each answer when it is there
            except BrokenPipeError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, sys.stdout.fileno())
                os.close(nowhere)
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
