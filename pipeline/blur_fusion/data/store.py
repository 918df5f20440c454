"""Working images in memory-mapped shards, and their split as CSV: what the stage `load` writes."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import numpy.typing as npt

from blur_fusion.data.dataset import DataSet
from blur_fusion.data.split import LABEL_NAMES, Row
from blur_fusion.errors import BlurError, require
from blur_fusion.images.photo import working_image
from blur_fusion.parallel import ordered_map, progress_bar
from blur_fusion.params import ImageParams, LoadParams

IMAGES, DATASET, SHARDS = "images.csv", "dataset.json", "shards"
WHAT = ("name", "label", "kind", "subset", "scene", "split", "fold")
COLUMNS = ["index", *WHAT, "shard", "row", "height", "width"]
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
OPEN_MAPS = 16384  # images mapped at once; Linux allows 65,530 for a process


class Store:
    """Stored working images, read-only; see :meth:`Store.open`.

    Attributes
    ----------
    rows : list of Row
    labels, folds : ndarray of int, shape (N,)
    splits, kinds : ndarray of str, shape (N,)
    dataset : dict
        Name, digest, notes and counts of the data set.
    """

    def __init__(self, folder: Path, dataset: dict[str, Any], lines: list[dict[str, str]]) -> None:
        self.folder, self.dataset = folder, dataset
        self.rows = [_row(line, dataset) for line in lines]
        self._places = [(int(line["shard"]), int(line["row"])) for line in lines]
        self.labels = np.array([row.label for row in self.rows], dtype=np.int64)
        self.splits = np.array([row.split for row in self.rows], dtype=np.str_)
        self.folds = np.array([row.fold for row in self.rows], dtype=np.int64)
        self.kinds = np.array([row.kind for row in self.rows], dtype=np.str_)
        self._open: OrderedDict[int, list[npt.NDArray[np.uint8]]] = OrderedDict()

    @classmethod
    def open(cls, folder: Path | str = "artifacts/load") -> Store:
        """Open `folder`; images are read when they are asked for.

        Raises
        ------
        BlurError
            The folder is missing or incomplete.
        """
        folder = Path(folder)
        try:
            dataset = json.loads((folder / DATASET).read_text(encoding="utf-8"))
            with (folder / IMAGES).open(**_TEXT) as file:
                table = csv.DictReader(file)
                lines = list(table)
        except (OSError, ValueError) as error:
            raise BlurError(f"{folder}: no stored images ({error}); run the stage load") from None
        line = f"{folder / IMAGES}: unknown columns; run the stage load again"
        require(table.fieldnames == COLUMNS, line)
        return cls(folder, dataset, lines)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave mapped images behind."""
        return {**self.__dict__, "_open": OrderedDict()}

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """Map working image `index`: grey, uint8, shape (H, W), read-only.

        Raises
        ------
        BlurError
            Its shard is missing or damaged.
        """
        shard, row = self._places[index]
        return np.asarray(self._shard(shard)[row])

    def _shard(self, number: int) -> list[npt.NDArray[np.uint8]]:
        """The images of a shard; the most recently used stay mapped."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        path = self.folder / SHARDS / f"{number:05d}.pkl"
        try:
            images: list[npt.NDArray[np.uint8]] = joblib.load(path, mmap_mode="r")
        except Exception as error:  # a damaged pickle may raise anything
            raise BlurError(f"{path}: cannot be read ({error}); run the stage load") from None
        self._open[number] = images
        while len(self._open) > max(1, OPEN_MAPS // max(1, len(images))):
            self._open.popitem(last=False)
        return images


def _row(line: dict[str, str], dataset: dict[str, Any]) -> Row:
    half = "test" if line["split"] == "test" else "train"
    known: dict[str, Any] = {name: line[name] for name in WHAT}
    known |= {name: int(line[name]) for name in ("label", "fold")}
    path = Path(dataset["root"]) / line["name"]
    return Row(path=path, half=half if dataset["halves"] else "", **known)


def _write_table(
    rows: Sequence[Row], shapes: Sequence[tuple[int, ...]], size: int, path: Path
) -> None:
    with path.open("w", **_TEXT) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for index, (row, shape) in enumerate(zip(rows, shapes, strict=True)):
            what = (getattr(row, name) for name in WHAT)
            table.writerow((index, *what, index // size, index % size, *shape))


def summary(dataset: DataSet, rows: Sequence[Row]) -> dict[str, Any]:
    """Name, digest and notes, and the number of images by split, subset and label."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for row in rows:
        subsets = counts.setdefault(row.split, {})
        subsets.setdefault(row.subset, Counter())[LABEL_NAMES[row.label]] += 1
    return {
        "name": dataset.name,
        "root": dataset.root.as_posix(),
        "digest": dataset.digest,
        "halves": any(row.half for row in rows),
        "notes": list(dataset.notes),
        "counts": counts,
    }


def write_store(
    dataset: DataSet,
    rows: Sequence[Row],
    folder: Path | str,
    image_params: ImageParams,
    load_params: LoadParams,
    workers: int = 0,
) -> None:
    """Write the working images of `rows`, `images.csv` and `dataset.json` into `folder`.

    Shards of an earlier run are removed. Each of `workers` threads (0: one per core) holds at most
    one shard in memory.

    Raises
    ------
    BlurError
        An image cannot be read.
    """
    folder = Path(folder)
    shards = folder / SHARDS
    shutil.rmtree(shards, ignore_errors=True)
    shards.mkdir(parents=True)
    cv2.setNumThreads(1)  # the shards use all cores
    size = load_params.shard_images
    with progress_bar(len(rows), "load") as bar:

        def write_shard(start: int) -> list[tuple[int, ...]]:
            """Write the working images of a shard; give their shapes."""
            images = []
            for row in rows[start : start + size]:
                image = working_image(row.path, image_params.long_side)
                images.append(np.ascontiguousarray(image))
                bar.update()
            # Uncompressed, so that it can be memory-mapped.
            joblib.dump(images, shards / f"{start // size:05d}.pkl", compress=0)
            return [image.shape for image in images]

        starts = range(0, len(rows), size)
        shapes = [shape for part in ordered_map(write_shard, starts, workers) for shape in part]
    _write_table(rows, shapes, size, folder / IMAGES)
    text = json.dumps(summary(dataset, rows), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / DATASET).write_text(text + "\n", encoding="utf-8")
