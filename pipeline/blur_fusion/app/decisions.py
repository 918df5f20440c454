"""Decisions on disk: the file is complete after each one, even if the program is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from blur_fusion.errors import require
from blur_fusion.files import flush, identity, os_errors, write_whole
from blur_fusion.model.prediction import Band, Prediction

NAMES = {"-": "none", "k": "keep", "r": "reject"}  # as the page's script has them
_LETTERS = {name: letter for letter, name in NAMES.items()}


class DecisionFile:
    """Decisions on photos, in the JSON that the pages export; undecided photos are not in it.

    Decisions on photos that are no longer here stay in it, and so do those that another program has
    added meanwhile.

    Parameters
    ----------
    path : Path
        Created with the first decision.
    folder : Path
        Absolute path of the photos' folder. If the file names another one, as after a move of the
        folder, its decisions hold for the photos at the same places.
    predictions : sequence of Prediction
        With absolute paths, by a classifier with threshold 0.

    Raises
    ------
    BlurError
        The file holds something else or cannot be read; its folder is not writable.
    """

    def __init__(self, path: Path, folder: Path, predictions: Sequence[Prediction]) -> None:
        self.path, self._folder, self._predictions = path, folder, predictions
        self._lock = Lock()
        self._records: dict[str, dict[str, Any]] = {}  # by path
        self._known: dict[str, int] | None = None  # the file when it was last read
        writable = path.parent.is_dir() and os.access(path.parent, os.W_OK)
        require(writable, f"{path.parent}: cannot be written; choose a file with --decisions")
        self._read()

    def _read(self) -> None:
        if not os.path.lexists(self.path):
            return
        with os_errors(self.path, "cannot be read"):
            self._known, content = identity(str(self.path)), self.path.read_bytes()
        try:
            found = json.loads(content)
            folder = found.get("folder") or str(self._folder)
            records = {self._here(record["path"], folder): record for record in found["photos"]}
            good = all(record["decision"] in _LETTERS for record in records.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        line = f"{self.path}: does not hold decisions of blur; choose another file with --decisions"
        require(good, line)
        self._records = {path: {**record, "path": path} for path, record in records.items()}

    def _here(self, path: str, folder: str) -> str:
        """The path of a photo of `folder` in our folder."""
        inside = folder != str(self._folder) and Path(path).is_relative_to(folder)
        return str(self._folder / Path(path).relative_to(folder)) if inside else path

    def letters(self) -> str:
        """A letter of `NAMES` for each of the predictions."""
        found = (self._records.get(one.path, {}).get("decision") for one in self._predictions)
        return "".join(_LETTERS[name or "none"] for name in found)

    def decide(
        self, letters: Mapping[int, str], threshold: float, band: Band | None = None
    ) -> None:
        """Store a letter of `NAMES` for each photo, by number; on disk when this returns.

        Kinds and verdicts are written by `threshold` and `band`, see `Prediction.settled`.

        Raises
        ------
        BlurError
            The file cannot be written.
        """
        with self._lock:
            there = os.path.lexists(self.path)
            if there and identity(str(self.path)) != self._known:
                self._read()
            for number, letter in letters.items():
                one = self._predictions[number].settled(threshold, band)
                self._records[one.path] = {
                    "path": one.path,
                    "probability": one.probability,
                    "kind": one.kind,
                    "verdict": "unreadable" if one.error is not None else one.pile,
                    "decision": NAMES[letter],
                }
            self._write(threshold, there)

    def _write(self, threshold: float, there: bool) -> None:
        records = [one for one in self._records.values() if one["decision"] != "none"]
        lines = ",\n".join(map(json.dumps, records))  # ASCII, which keeps the bytes of odd names
        head = json.dumps({"report": "review", "folder": str(self._folder), "threshold": threshold})
        with write_whole(self.path, force=there) as file:
            file.write(f'{head[:-1]}, "photos": [\n{lines}\n]}}\n'.encode())
            flush(file)
        self._known = identity(str(self.path))
