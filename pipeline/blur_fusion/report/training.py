"""The training report: one page of what `make repro` measured, and how to read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.metrics import HEADINGS, figure, interval, worst_rows
from blur_fusion.evaluation.report import read_report
from blur_fusion.evaluation.table import found_and_flagged, models_of
from blur_fusion.explain.blur_map import BlurMap
from blur_fusion.explain.drawing import fitted, map_picture
from blur_fusion.explain.explainer import Explainer
from blur_fusion.files import write_whole
from blur_fusion.images.thumbnails import data_uri
from blur_fusion.model.classifier import load
from blur_fusion.params import Params, load_params
from blur_fusion.report.explained import SHOWN
from blur_fusion.report.pages import pieces

REPRO = "run 'make repro'"
PREDICTIONS = ("index", "name", "label", "kind", "cnn", "features", "fused", "verdict")
CALIBRATED = ("fused", "cnn", "features")
RANKED = (*CALIBRATED, "laplacian")
_SIDE = 320  # pixels of a mistake's pictures
_MISSED, _ALARMS = "Missed: blurred, called sharp", "False alarms"

# Okabe and Ito's colours, which colour-blind people can tell apart, and dashes.
_LOOKS = (("#000000", "-"), ("#0072b2", "--"), ("#d55e00", "-."), ("#009e73", ":"))
_SETTINGS: Any = {  # Matplotlib types its names one by one
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "blur",  # the same curves give the same bytes
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_UNIT = (0.0, 1.0)

Pixels = npt.NDArray[np.uint8]
Rows = list[dict[str, str]]


def read_rows(path: Path, needed: Iterable[str]) -> Rows:
    """Read a CSV file that a stage wrote.

    Raises a BlurError if it is missing, damaged or lacks a column.
    """
    require(path.is_file(), f"{path}: no such file; {REPRO} first")
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BlurError(f"{path}: cannot be read ({error}); {REPRO} again") from None
    absent = [name for name in needed if name not in names]
    require(not absent, f"{path}: lacks the column {', '.join(absent)}; {REPRO} again")
    whole = all(None not in row and None not in row.values() for row in rows)
    require(whole, f"{path}: has rows of another length; {REPRO} again")
    return rows


def _columns(rows: Rows, *names: str) -> list[list[float]]:
    return [[float(row[name]) for row in rows] for name in names]


def _chart(
    tables: Mapping[str, Rows],
    axes: Mapping[str, str],
    rates: bool = True,
    chance: bool = False,
    mark: str = "",
) -> str:
    """A curve of each table in one SVG chart.

    Parameters
    ----------
    tables : mapping of rows
        By name of the curve.
    axes : mapping of str
        The columns across and up, with their labels.
    rates : bool
        Both axes run from 0 to 1.
    chance : bool
        Draw where chance, or perfect calibration, lies.
    mark : str
        Matplotlib's marker of each point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        drawn = Figure(figsize=(4.6, 3.4), layout="constrained")
        plot = drawn.subplots()
        if chance:
            plot.plot(_UNIT, _UNIT, color="#bbbbbb", linewidth=0.8)
        for (name, rows), (colour, line) in zip(tables.items(), cycle(_LOOKS), strict=False):
            look: Any = {"color": colour, "marker": mark, "markersize": 3, "lw": 1.4}
            plot.plot(*_columns(rows, *axes), line, label=name, **look)
        across, up = axes.values()
        plot.set(xlabel=across, ylabel=up)
        if rates:
            plot.set(xlim=_UNIT, ylim=_UNIT)
        if len(tables) > 1:
            plot.legend()
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _training_charts(history: Path) -> list[str]:
    """A chart of each column, with a curve for each fit."""
    labels = {
        "loss": "loss on training crops",
        "validation_loss": "log-loss on validation images",
        "validation_auc": "AUC on validation images",
    }
    fits: dict[str, Rows] = {}
    for row in read_rows(history, ["fit", "epoch", *labels]):
        fits.setdefault(row["fit"], []).append(row)
    return [
        _chart(fits, {"epoch": "epoch", name: label}, rates=False, mark="o")
        for name, label in labels.items()
    ]


def _curves(
    plots: Path, kind: str, models: Sequence[str], axes: Mapping[str, str], **look: Any
) -> str:
    tables = {name: read_rows(plots / f"{kind}_{name}.csv", axes) for name in models}
    return _chart(tables, axes, **look)


def _charts(artifacts: Path) -> dict[str, list[str]]:
    """The charts of each part of the page."""
    plots = artifacts / "evaluate" / "plots"
    roc = {"false_alarm_rate": "false-alarm rate", "recall": "recall"}
    precision = {"recall": "recall", "precision": "precision"}
    shares = {"probability": "stated probability", "share_blurred": "share blurred"}
    return {
        "training": _training_charts(artifacts / "cnn" / "history.csv"),
        "ranking": [
            _curves(plots, "roc", RANKED, roc, chance=True),
            _curves(plots, "precision_recall", RANKED, precision),
        ],
        "calibration": [_curves(plots, "calibration", CALIBRATED, shares, chance=True, mark="o")],
    }


def _mistakes(
    rows: Rows, count: int, store: Store, look: Callable[[Pixels], BlurMap]
) -> dict[str, Rows]:
    """The `count` worst mistakes of predictions.csv, by heading."""
    labels, verdicts, fused = np.array(_columns(rows, "label", "verdict", "fused"))
    found: dict[str, Rows] = {_MISSED: [], _ALARMS: []}
    for row in (rows[n] for n in worst_rows(labels.astype(np.int64), fused, verdicts == 1, count)):
        working = np.ascontiguousarray(store.image(int(row["index"])))
        blurred = f"blurred ({row['kind']})" if row["kind"] else "blurred"
        mistake = {
            "name": row["name"],
            "truth": blurred if row["label"] == "1" else "sharp",
            "judged": ", ".join(f"{model} {float(row[model]):.2f}" for model in CALIBRATED),
            "photo": data_uri(fitted(working, _SIDE)),
            "map": data_uri(fitted(map_picture(look(working)), _SIDE)),
        }
        found[_MISSED if row["label"] == "1" else _ALARMS].append(mistake)
    return found


def write_report(artifacts: Path, params: Params, look: Callable[[Pixels], BlurMap]) -> Path:
    """Write `artifacts`/evaluate/report.html and return its path.

    Parameters
    ----------
    artifacts : Path
        As `make repro` leaves it.
    params : Params
    look : callable
        Blur map of a working image (h, w).

    Raises
    ------
    BlurError
        Something is missing or damaged, or the page cannot be written.
    """
    folder = artifacts / "evaluate"
    report, charts = read_report(folder / "metrics.json"), _charts(artifacts)
    rows, store = read_rows(folder / "predictions.csv", PREDICTIONS), Store.open(artifacts / "load")
    values: dict[str, Any] = {
        "report": report,
        "charts": charts,
        "models": models_of(report),
        "headings": HEADINGS,
        "worst": _mistakes(rows, params.evaluate.worst_images, store, look),
    }
    shown = {
        **SHOWN,
        "found_and_flagged": found_and_flagged,
        "figure": figure,
        "interval": interval,
    }
    html = pieces("training.html", title="Training report", layout="page", **values, **shown)
    path = folder / "report.html"
    with write_whole(path, force=True) as file:
        file.writelines(html)
    return path


_PATH = click.Path(path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--model-dir", type=_PATH, default="artifacts", help="What 'make repro' wrote.")
@click.option("--params", "params_file", type=_PATH, default="params.yaml", help="Of that run.")
def report_command(model_dir: Path, params_file: Path) -> None:
    """Gather curves, tables and the worst errors of the last run in one page."""
    params = load_params(params_file)
    path = write_report(model_dir, params, Explainer(load(model_dir / "fuse")).blur_map)
    click.echo(f"{path}: written")


if __name__ == "__main__":
    run(report_command)
