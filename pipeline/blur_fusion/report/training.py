"""The training report: one page of what `make repro` measured, and how to read it."""

from __future__ import annotations

import csv
import html
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from blur_fusion.cli.options import model_dir_option, params_option
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.metrics import worst_rows
from blur_fusion.evaluation.report import read_report
from blur_fusion.evaluation.table import HEADINGS, MODELS, counted
from blur_fusion.explain.blur_map import BlurMap, blur_map
from blur_fusion.explain.drawing import BLURRED, data_uri, fitted, map_picture, scale_picture
from blur_fusion.explain.explanation import READ_MAP
from blur_fusion.params import Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes


REPRO = "run 'make repro'"


@dataclass(frozen=True)
class Table:
    """Columns of a CSV file by name."""

    columns: dict[str, list[str]]

    def numbers(self, name: str) -> list[float]:
        """A column as numbers."""
        return [float(value) for value in self.columns[name]]

    def rows(self) -> list[dict[str, str]]:
        """Row by row."""
        return [
            dict(zip(self.columns, values, strict=True))
            for values in zip(*self.columns.values(), strict=True)
        ]


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a CSV file that a stage wrote.

    Raises
    ------
    BlurError
        It is missing, damaged or lacks a column that is needed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            rows = list(reader)
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; {REPRO} first") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BlurError(f"{path}: cannot be read ({error}); {REPRO} again") from None
    absent = [name for name in needed if name not in names]
    require(not absent, f"{path}: lacks the column {', '.join(absent)}; {REPRO} again")
    whole = all(None not in row and None not in row.values() for row in rows)
    require(whole, f"{path}: has rows of another length; {REPRO} again")
    return Table({name: [row[name] for row in rows] for name in names})


# Okabe and Ito's colours, told apart by colour-blind people too, and by dashes.
LOOKS = {
    "fused": ("#000000", "-"),
    "cnn": ("#0072b2", "--"),
    "features": ("#d55e00", "-."),
    "laplacian": ("#777777", ":"),
}
_OTHERS = (("#000000", "-"), ("#0072b2", "--"), ("#d55e00", "-."), ("#009e73", ":"))
_SETTINGS: Any = {  # Matplotlib types its names one by one
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "blur",  # the same curves give the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Axis:
    """Label and range, None where the values say."""

    label: str
    span: tuple[float, float] | None = (0.0, 1.0)


def _look(name: str, number: int) -> tuple[str, str]:
    return LOOKS.get(name, _OTHERS[number % len(_OTHERS)])


def _dress(axes: Axes, across: Axis, up: Axis, height: int) -> None:
    axes.set_xlabel(across.label)
    axes.set_ylabel(up.label)
    if across.span is not None:
        axes.set_xlim(*across.span)
    if up.span is not None:
        axes.set_ylim(*up.span)
    if height > 1:
        axes.legend()


def chart(
    curves: Mapping[str, tuple[list[float], list[float]]],
    across: Axis,
    up: Axis,
    *,
    diagonal: bool = False,
    marks: bool = False,
) -> str:
    """Curves in one pair of axes, SVG.

    Parameters
    ----------
    curves : mapping
        Name to values across and up.
    across, up : Axis
    diagonal : bool
        Draw where chance, or perfect calibration, lies.
    marks : bool
        Mark each point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.subplots()
        if diagonal:
            axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for number, (name, (x, y)) in enumerate(curves.items()):
            colour, line = _look(name, number)
            marker = "o" if marks else ""
            axes.plot(x, y, line, color=colour, label=name, marker=marker, markersize=3, lw=1.4)
        _dress(axes, across, up, len(curves))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def curve(table: Table, across: str, up: str) -> tuple[list[float], list[float]]:
    """Two columns of a table."""
    return table.numbers(across), table.numbers(up)


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


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { max-width: 64rem; margin: 3rem auto; padding: 0 1.25rem; color: #111; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; font-weight: 650; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 2.5rem 0 .5rem; border-top: 1px solid #111;
  padding-top: .75rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 1.25rem 0 .5rem; }
p { max-width: 46rem; margin: 0 0 .6rem; }
.soft, small { color: #555; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; }
th { font-weight: 600; border-bottom-color: #111; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td small { display: block; white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1rem; } .charts svg { width: 100%; max-width: 32rem; height: auto; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr));
  gap: 1.25rem 1.5rem; }
.pair { margin: 0; display: grid; grid-template-columns: 1fr 1fr; gap: .4rem;
  align-content: start; }
.pair img { width: 100%; display: block; } figcaption { grid-column: 1 / -1; font-size: .8rem;
  color: #555; overflow-wrap: anywhere; }
.scale { width: 9rem; height: .7rem; vertical-align: middle; }
"""


def escaped(value: object) -> str:
    """As HTML in ASCII."""
    return html.escape(str(value)).encode("ascii", "xmlcharrefreplace").decode()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML."""
    first = "".join(f"<th>{escaped(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>\n"
    )


def _cell(figure: Mapping[str, float | None], percent: bool = False) -> str:
    """A figure with its interval below."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return "n/a"
    shown = (lambda number: f"{100 * number:.1f} %") if percent else (lambda n: f"{n:.3f}")
    spread = "" if low is None or high is None else f"<small>{shown(low)} to {shown(high)}</small>"
    return shown(value) + spread


def results(report: Mapping[str, Any]) -> str:
    """All models by all metrics."""
    models = [model for model in MODELS if model in report]
    rows = [
        [escaped(model), *(_cell(report[model]["overall"][metric]) for metric in HEADINGS)]
        for model in models
    ]
    counts = "".join(
        f"<br>{escaped(model)}: {counted(report[model]['overall']['counts'])}" for model in models
    )
    return table(["", *HEADINGS.values()], rows) + f'<p class="soft">{counts[4:]}</p>'


def confusion(report: Mapping[str, Any]) -> str:
    """Fused verdicts against the truth, and kinds against named kinds."""
    counts = report["fused"]["overall"]["counts"]
    found, flagged = counts["found"], counts["flagged"]
    rows = [
        ["blurred", f"<b>{found}</b>", str(counts["blurred"] - found)],
        ["sharp", str(flagged), f"<b>{counts['sharp'] - flagged}</b>"],
    ]
    parts = [table(["is", "called blurred", "called sharp"], rows)]
    kinds = report.get("kinds", {}).get("confusion")
    if kinds:
        names = list(kinds)
        lines = [
            [escaped(true), *(_right(kinds[true][name], true == name) for name in names)]
            for true in names
        ]
        parts.append(table(["is", *(f"named {name}" for name in names)], lines))
    return f'<div class="charts">{"".join(parts)}</div>'


def _right(count: int, right: bool) -> str:
    return f"<b>{count}</b>" if right else str(count)


def robustness(found: Mapping[str, Any]) -> str:
    """Share of verdicts that flip, by perturbation and judge."""
    judges = list(found["mean"])
    rows = [
        [escaped(row["name"]), str(row["images"]), *(_cell(row[judge], True) for judge in judges)]
        for row in found["perturbations"]
        if row["images"]
    ]
    mean = ["<b>mean</b>", "", *(_cell(found["mean"][judge], True) for judge in judges)]
    return table(["", "images", *judges], [*rows, mean])


def scale() -> str:
    """The blur map's colours from sharp to blurred."""
    uri = data_uri(scale_picture(BLURRED, 144, 1), ".png")
    return f'<p>sharp <img class="scale" src="{uri}" alt="scale"> blurred</p>'


def section(title: str, reading: str, body: str) -> str:
    """A part of the page: what it is, how to read it, and itself."""
    return f"<h2>{escaped(title)}</h2>\n<p>{escaped(reading)}</p>\n{body}\n"


def page(title: str, about: str, sections: Sequence[str]) -> str:
    """The whole page; it needs no other file and fetches nothing."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{escaped(title)}</h1>\n<p class="soft">{escaped(about)}</p>\n'
        + "".join(sections)
        + "</body></html>\n"
    )


_RANKED = ("fused", "cnn", "features", "laplacian")
_CALIBRATED = ("fused", "cnn", "features")
_HISTORY = ("fit", "epoch", "loss", "validation_loss", "validation_auc")


def trained_map(artifacts: Path, params: Params) -> Callable[[Pixels], BlurMap]:
    """The blur map of the network that the stage `cnn` trained."""
    from blur_fusion.cnn.fit import Network
    from blur_fusion.model.network import OnnxNetwork
    from blur_fusion.model.onnx import network_onnx

    folder = artifacts / "cnn"
    network = OnnxNetwork(network_onnx(Network.load(folder, params.cnn).model), str(folder))
    return lambda working: blur_map(working, network.maps(working)[0])


def _training(artifacts: Path) -> str:
    table = read_table(artifacts / "cnn" / "history.csv", _HISTORY)
    fits: dict[str, list[dict[str, str]]] = {}
    for row in table.rows():
        fits.setdefault(row["fit"], []).append(row)

    def drawn(name: str, label: str, span: tuple[float, float] | None) -> str:
        curves = {
            fit: ([float(r["epoch"]) for r in rows], [float(r[name]) for r in rows])
            for fit, rows in fits.items()
        }
        return chart(curves, Axis("epoch", None), Axis(label, span), marks=True)

    charts = [
        drawn("loss", "loss on training crops", None),
        drawn("validation_loss", "log-loss on validation images", None),
        drawn("validation_auc", "AUC on validation images", None),
    ]
    return section(
        "Training of the network",
        "Each line is one fit: one for each fold, judged on images it did not see, and 'final' on "
        "all training images. The weights of the last epoch are kept; a line that rises again at "
        "its end would mean learning by heart.",
        f'<div class="charts">{"".join(charts)}</div>',
    )


def _curves(plots: Path) -> list[str]:
    def tables(kind: str, models: tuple[str, ...], *columns: str) -> dict[str, Table]:
        return {model: read_table(plots / f"{kind}_{model}.csv", columns) for model in models}

    rates = tables("roc", _RANKED, "false_alarm_rate", "recall")
    roc = {name: curve(table, "false_alarm_rate", "recall") for name, table in rates.items()}
    pairs = tables("precision_recall", _RANKED, "recall", "precision")
    precise = {name: curve(table, "recall", "precision") for name, table in pairs.items()}
    bins = tables("calibration", _CALIBRATED, "probability", "share_blurred")
    sure = {name: curve(table, "probability", "share_blurred") for name, table in bins.items()}
    alarms, recall = Axis("false-alarm rate"), Axis("recall")
    both = chart(roc, alarms, recall, diagonal=True) + chart(precise, recall, Axis("precision"))
    calibration = chart(
        sure, Axis("stated probability"), Axis("share blurred"), diagonal=True, marks=True
    )
    return [
        section(
            "ROC, precision and recall",
            "Every point is a threshold: how many of the blurred photos are found (recall) "
            "against how many of the sharp ones are flagged (left; the upper left corner is best, "
            "the grey line is chance) and against how many of those flagged are blurred (right).",
            f'<div class="charts">{both}</div>',
        ),
        section(
            "Calibration",
            "Of photos that are given a probability, that share should be blurred: on the grey "
            "line a probability can be taken at its word, below it too much blur is claimed.",
            f'<div class="charts">{calibration}</div>',
        ),
    ]


def _robustness(report: dict[str, Any]) -> list[str]:
    if "robustness" not in report:
        return []
    reading = (
        "The same pictures changed in ways that leave their focus alone: how often the verdict "
        "flips, with 95 % intervals. Small is good; 'laplacian' is the usual recipe."
    )
    return [section("Robustness", reading, robustness(report["robustness"]))]


def build(artifacts: Path, params: Params, look: Callable[[Pixels], BlurMap]) -> str:
    """The report's HTML.

    Parameters
    ----------
    artifacts : Path
        As `make repro` leaves it.
    params : Params
    look : callable
        Blur map of a working image; see :func:`trained_map`.

    Raises
    ------
    BlurError
        Something is missing or damaged.
    """
    folder = artifacts / "evaluate"
    report = read_report(folder / "metrics.json")
    dataset, threshold = report["dataset"], report["fused"]["threshold"]
    store = Store.open(artifacts / "load")
    table = read_table(folder / "predictions.csv", COLUMNS)
    found = mistakes(table, params.evaluate.worst_images, Sight(store.image, look))
    worst = "".join(
        f'<h3>{heading}</h3><div class="pairs">{"".join(figures) or "None."}</div>'
        for heading, figures in found.items()
    )
    about = (
        f"Data set {dataset['name']} {dataset['digest'][:12]}: {dataset['images']} test images of "
        f"{dataset['scenes']} scenes, {dataset['blurred']} blurred. Blurred from a fused "
        f"probability of {threshold:.3f} on. The test images were judged once."
    )
    sections = [
        section(
            "Results",
            "Each figure stands above its 95 % interval, resampled by scene. Log-loss, calibration "
            "error and false alarms are better when small, the others when large.",
            results(report),
        ),
        _training(artifacts),
        *_curves(folder / "plots"),
        section(
            "Confusion",
            "Rows say what a photo is, columns what it was called; right answers are bold.",
            confusion(report),
        ),
        *_robustness(report),
        section(
            "Worst errors",
            "The test images that were judged wrongly with most confidence, each beside its blur "
            f"map, with the probability of blur by each model. {READ_MAP}",
            scale() + worst,
        ),
    ]
    return page("Training report", about, sections)


def write_report(artifacts: Path, params: Params) -> Path:
    """Write `artifacts`/evaluate/report.html anew, whole or not at all; gives its path back.

    Raises
    ------
    BlurError
        Something is missing or damaged, or the page cannot be written.
    """
    text = build(artifacts, params, trained_map(artifacts, params))
    path = artifacts / "evaluate" / "report.html"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise BlurError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)
    return path


@click.command()
@model_dir_option
@params_option
def report_command(model_dir: Path, params_file: Path) -> None:
    """Gather curves, tables and the worst errors of the last run in one page."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from blur_fusion.params import load_params

    click.echo(f"{write_report(model_dir, load_params(params_file))}: written")


if __name__ == "__main__":
    run(report_command)
