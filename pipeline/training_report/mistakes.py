"""The worst errors as pictures, each beside its blur map."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.worst import worst_rows
from pipeline.explain.blur_map import BlurMap
from pipeline.explain.colours import data_uri, fitted, map_picture
from pipeline.training_report.tables import Table

_SIDE = 320  # pixels
COLUMNS = ("index", "name", "label", "kind", "cnn", "features", "fused", "verdict")

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sight:
    """How pictures are had: the stored working image (h, w) of an index, and its map."""

    image: Callable[[int], Pixels]
    blur_map: Callable[[Pixels], BlurMap]


def _figure(row: dict[str, str], sight: Sight) -> str:
    working = np.ascontiguousarray(sight.image(int(row["index"])))
    photo = np.repeat(working[..., None], 3, axis=2)
    name = html.escape(row["name"]).encode("ascii", "xmlcharrefreplace").decode()
    truth = f"blurred ({html.escape(row['kind'])})" if row["label"] == "1" else "sharp"
    if row["label"] == "1" and not row["kind"]:
        truth = "blurred"
    judged = ", ".join(f"{model} {float(row[model]):.2f}" for model in ("fused", "cnn", "features"))
    found = data_uri(fitted(map_picture(sight.blur_map(working)), _SIDE))
    return (
        f'<figure class="pair"><img src="{data_uri(fitted(photo, _SIDE))}" alt="{name}">'
        f'<img src="{found}" alt="blur map of {name}">'
        f"<figcaption>{name}<br>is {truth}; {judged}</figcaption></figure>\n"
    )


def mistakes(table: Table, count: int, sight: Sight) -> dict[str, list[str]]:
    """HTML figures of the `count` worst errors, by heading: misses, then false alarms.

    Parameters
    ----------
    table : Table
        predictions.csv, with `COLUMNS`.
    count : int
    sight : Sight
    """
    rows = table.rows()
    labels = np.array([int(row["label"]) for row in rows], dtype=np.int64)
    fused = np.array([float(row["fused"]) for row in rows])
    verdicts = np.array([row["verdict"] == "1" for row in rows])
    found: dict[str, list[str]] = {"Missed: blurred, called sharp": [], "False alarms": []}
    for place in worst_rows(labels, fused, verdicts, count):
        heading = list(found)[0 if labels[place] else 1]
        found[heading].append(_figure(rows[int(place)], sight))
    return found
