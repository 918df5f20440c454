"""Write working images shard by shard: memory does not grow with their number."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np

from pipeline.config.progress import progress_bar
from pipeline.config.sections import ImageParams, LoadParams
from pipeline.data.dataset import DataSet
from pipeline.data.split import LABEL_NAMES, Row
from pipeline.images import working_image

IMAGES, DATASET, SHARDS = "images.csv", "dataset.json", "shards"
COLUMNS = (
    *("index", "name", "label", "kind", "subset", "scene", "split", "fold"),
    *("shard", "row", "height", "width"),
)
Shape = tuple[int, int]


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"{number:05d}.pkl"


def _write_shard(
    rows: Sequence[Row], path: Path, long_side: int, step: Callable[[], object]
) -> list[Shape]:
    """Write the working images of `rows`; only their shapes are handed back."""
    images = []
    for row in rows:
        images.append(np.ascontiguousarray(working_image(row.path, long_side)))
        step()
    joblib.dump(images, path, compress=0)  # uncompressed, so that it can be memory-mapped
    return [(int(image.shape[0]), int(image.shape[1])) for image in images]


def _write_table(rows: Sequence[Row], shapes: Sequence[Shape], size: int, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for index, (row, shape) in enumerate(zip(rows, shapes, strict=True)):
            what = (row.name, row.label, row.kind, row.subset, row.scene, row.split, row.fold)
            table.writerow((index, *what, index // size, index % size, *shape))


def summary(dataset: DataSet, rows: Sequence[Row]) -> dict[str, Any]:
    """Name, digest, notes, and the number of images by split, subset and label."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    counted = Counter((row.split, row.subset, LABEL_NAMES[row.label]) for row in rows)
    for (split, subset, label), number in counted.items():
        counts.setdefault(split, {}).setdefault(subset, {})[label] = number
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

    Shards are written in parallel by threads, which OpenCV's decoder and resizer do not block;
    each holds at most one shard in memory.

    Parameters
    ----------
    dataset : DataSet
        Where `rows` come from.
    rows : sequence of Row
        Their order gives the index.
    folder : Path or str
        Shards of an earlier run in it are removed.
    image_params : ImageParams
        Size of the working image.
    load_params : LoadParams
        Images per shard.
    workers : int
        Threads; 0 for all cores.

    Raises
    ------
    BlurError
        An image cannot be read; it is named.
    """
    folder = Path(folder)
    shards = folder / SHARDS
    shutil.rmtree(shards, ignore_errors=True)
    shards.mkdir(parents=True)
    cv2.setNumThreads(1)  # the cores are taken by the shards
    size = load_params.shard_images
    with progress_bar(len(rows), "load") as bar:
        shapes = joblib.Parallel(n_jobs=workers or joblib.cpu_count(), prefer="threads")(
            joblib.delayed(_write_shard)(
                rows[start : start + size],
                shards / shard_name(start // size),
                image_params.long_side,
                bar.update,
            )
            for start in range(0, len(rows), size)
        )
    _write_table(rows, [shape for part in shapes for shape in part], size, folder / IMAGES)
    text = json.dumps(summary(dataset, rows), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / DATASET).write_text(text + "\n", encoding="utf-8")
