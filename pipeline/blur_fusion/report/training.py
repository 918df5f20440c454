"""The training report: one page of what `make repro` measured, and how to read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.metrics import HEADINGS, figure, interval, worst_rows
from blur_fusion.evaluation.report import Report, read_report
from blur_fusion.evaluation.table import counted, models_of
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
RANKED = ("fused", "cnn", "features", "laplacian")
CALIBRATED = ("fused", "cnn", "features")
_SIDE = 320  # pixels of a mistake's pictures
_MISSED, _ALARMS = "Missed: blurred, called sharp", "False alarms"

# Okabe and Ito's colours, told apart by colour-blind people too, and by dashes.
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
Curves = Mapping[str, list[list[float]]]  # name to values across and up


@dataclass(frozen=True)
class Cell:
    """Text of a table's cell, what stands small below it, and whether it counts right answers."""

    text: str
    below: str = ""
    right: bool = False


Table = tuple[Sequence[str], Sequence[Sequence[Cell]]]  # a heading for each column, and rows


@dataclass(frozen=True)
class Part:
    """A part of the page: what it is, how to read it, and itself; charts are SVG."""

    title: str
    reading: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    charts: Sequence[str] = ()


def read_rows(path: Path, needed: Iterable[str]) -> Rows:
    """Read a CSV file that a stage wrote.

    Raises
    ------
    BlurError
        It is missing, damaged or lacks a column that is needed.
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


def chart(
    curves: Curves, labels: Iterable[str], rates: bool = True, chance: bool = False, mark: str = ""
) -> str:
    """Curves in one pair of axes, SVG.

    Parameters
    ----------
    curves : mapping
    labels : iterable of str
        Of the axis across and the one up.
    rates : bool
        Both axes reach from 0 to 1; else as far as the values do.
    chance : bool
        Draw where chance, or perfect calibration, lies.
    mark : str
        Matplotlib's marker of each point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        drawn = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = drawn.subplots()
        if chance:
            axes.plot(_UNIT, _UNIT, color="#bbbbbb", linewidth=0.8)
        for (name, (x, y)), (colour, line) in zip(curves.items(), cycle(_LOOKS), strict=False):
            axes.plot(x, y, line, color=colour, label=name, marker=mark, markersize=3, lw=1.4)
        across, up = labels
        axes.set(xlabel=across, ylabel=up)
        if rates:
            axes.set(xlim=_UNIT, ylim=_UNIT)
        if len(curves) > 1:
            axes.legend()
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _measured(found: Mapping[str, Any], form: str = ".3f") -> Cell:
    return Cell(figure(found, form), interval(found, form, " to "))


def _results(report: Report) -> Part:
    overall = {model: report[model]["overall"] for model in models_of(report)}
    rows = [
        [Cell(model), *(_measured(found[metric]) for metric in HEADINGS)]
        for model, found in overall.items()
    ]
    return Part(
        "Results",
        "Each figure stands above its 95 % interval, resampled by scene. Log-loss, calibration "
        "error and false alarms are better when small, the others when large.",
        [(["", *HEADINGS.values()], rows)],
        [f"{model}: {counted(found['counts'])}" for model, found in overall.items()],
    )


def _training(artifacts: Path) -> Part:
    columns = {
        "loss": "loss on training crops",
        "validation_loss": "log-loss on validation images",
        "validation_auc": "AUC on validation images",
    }
    fits: dict[str, Rows] = {}
    for row in read_rows(artifacts / "cnn" / "history.csv", ["fit", "epoch", *columns]):
        fits.setdefault(row["fit"], []).append(row)
    charts = []
    for name, label in columns.items():
        curves = {fit: _columns(rows, "epoch", name) for fit, rows in fits.items()}
        charts.append(chart(curves, ("epoch", label), rates=False, mark="o"))
    return Part(
        "Training of the network",
        "Each line is one fit: one for each fold, judged on images it did not see, and 'final' on "
        "all training images. The weights of the last epoch are kept; a line that rises again at "
        "its end would mean learning by heart.",
        charts=charts,
    )


def _curves(
    plots: Path, kind: str, models: Sequence[str], axes: Mapping[str, str], **look: Any
) -> str:
    """Chart of a curve of each model; `axes` gives the columns across and up their labels."""
    tables = {name: read_rows(plots / f"{kind}_{name}.csv", axes) for name in models}
    curves = {name: _columns(rows, *axes) for name, rows in tables.items()}
    return chart(curves, axes.values(), **look)


def _ranking(plots: Path) -> Part:
    roc = {"false_alarm_rate": "false-alarm rate", "recall": "recall"}
    precision = {"recall": "recall", "precision": "precision"}
    return Part(
        "ROC, precision and recall",
        "Every point is a threshold: how many of the blurred photos are found (recall) "
        "against how many of the sharp ones are flagged (left; the upper left corner is best, "
        "the grey line is chance) and against how many of those flagged are blurred (right).",
        charts=[
            _curves(plots, "roc", RANKED, roc, chance=True),
            _curves(plots, "precision_recall", RANKED, precision),
        ],
    )


def _calibration(plots: Path) -> Part:
    axes = {"probability": "stated probability", "share_blurred": "share blurred"}
    return Part(
        "Calibration",
        "Of photos that are given a probability, that share should be blurred: on the grey "
        "line a probability can be taken at its word, below it too much blur is claimed.",
        charts=[_curves(plots, "calibration", CALIBRATED, axes, chance=True, mark="o")],
    )


def _confusion(report: Report) -> Part:
    """Fused verdicts against the truth, and kinds against named kinds."""
    counts = report["fused"]["overall"]["counts"]
    found, flagged = counts["found"], counts["flagged"]
    table = {
        "blurred": {"blurred": found, "sharp": counts["blurred"] - found},
        "sharp": {"blurred": flagged, "sharp": counts["sharp"] - flagged},
    }
    kinds = report.get("kinds", {}).get("confusion", {})
    tables = [_matrix("called", table), *([_matrix("named", kinds)] if kinds else [])]
    reading = "Rows say what a photo is, columns what it was called; right answers are bold."
    return Part("Confusion", reading, tables)


def _matrix(said: str, counts: Mapping[str, Mapping[str, int]]) -> Table:
    rows = [
        [Cell(true), *(Cell(str(row[name]), right=name == true) for name in counts)]
        for true, row in counts.items()
    ]
    return ["is", *(f"{said} {name}" for name in counts)], rows


def _robustness(found: Mapping[str, Any]) -> Part:
    mean = found["mean"]
    rows = [
        [Cell(row["name"]), Cell(str(row["images"])), *(_measured(row[j], ".1%") for j in mean)]
        for row in found["perturbations"]
        if row["images"]
    ]
    last = [Cell("mean", right=True), Cell(""), *(_measured(mean[j], ".1%") for j in mean)]
    return Part(
        "Robustness",
        "The same pictures changed in ways that leave their focus alone: how often the verdict "
        "flips, with 95 % intervals. Small is good; 'laplacian' is the usual recipe.",
        [(["", "images", *mean], [*rows, last])],
    )


def _mistakes(
    rows: Rows, count: int, store: Store, look: Callable[[Pixels], BlurMap]
) -> dict[str, list[dict[str, str]]]:
    """The `count` worst errors of predictions.csv, by heading: misses, then false alarms."""
    labels, verdicts, fused = np.array(_columns(rows, "label", "verdict", "fused"))
    found: dict[str, list[dict[str, str]]] = {_MISSED: [], _ALARMS: []}
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
    """Write `artifacts`/evaluate/report.html anew, whole or not at all; gives its path back.

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
    report = read_report(folder / "metrics.json")
    dataset, plots = report["dataset"], folder / "plots"
    parts = [_results(report), _training(artifacts), _ranking(plots), _calibration(plots)]
    parts.append(_confusion(report))
    if "robustness" in report:
        parts.append(_robustness(report["robustness"]))
    rows, store = read_rows(folder / "predictions.csv", PREDICTIONS), Store.open(artifacts / "load")
    values = {
        "title": "Training report",
        "layout": "page",
        "about": f"Data set {dataset['name']} {dataset['digest'][:12]}: {dataset['images']} test "
        f"images of {dataset['scenes']} scenes, {dataset['blurred']} blurred. Blurred from a fused "
        f"probability of {report['fused']['threshold']:.3f} on. The test images were judged once.",
        "parts_of_report": parts,
        "worst": _mistakes(rows, params.evaluate.worst_images, store, look),
    }
    path = folder / "report.html"
    with write_whole(path, force=True) as file:
        file.writelines(pieces("training.html", **values, **SHOWN))
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
