"""Gather what `make repro` left below artifacts, and write the report."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.config import Params
from pipeline.config.errors import BlurError
from pipeline.data.store import Store
from pipeline.evaluation.report import read_report
from pipeline.explain.blur_map import BlurMap, blur_map
from pipeline.explain.words import READ_MAP
from pipeline.training_report import page
from pipeline.training_report.charts import Axis, chart, curve
from pipeline.training_report.mistakes import COLUMNS, Pixels, Sight, mistakes
from pipeline.training_report.tables import Table, read_table

_RANKED = ("fused", "cnn", "features", "laplacian")
_CALIBRATED = ("fused", "cnn", "features")
_HISTORY = ("fit", "epoch", "loss", "validation_loss", "validation_auc")


def trained_map(artifacts: Path, params: Params) -> Callable[[Pixels], BlurMap]:
    """The blur map of the network that the stage `cnn` trained."""
    from pipeline.export.network import network_onnx
    from pipeline.networks.predict import Network
    from pipeline.serving.network import OnnxNetwork

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
    return page.section(
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
        page.section(
            "ROC, precision and recall",
            "Every point is a threshold: how many of the blurred photos are found (recall) "
            "against how many of the sharp ones are flagged (left; the upper left corner is best, "
            "the grey line is chance) and against how many of those flagged are blurred (right).",
            f'<div class="charts">{both}</div>',
        ),
        page.section(
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
    return [page.section("Robustness", reading, page.robustness(report["robustness"]))]


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
        page.section(
            "Results",
            "Each figure stands above its 95 % interval, resampled by scene. Log-loss, calibration "
            "error and false alarms are better when small, the others when large.",
            page.results(report),
        ),
        _training(artifacts),
        *_curves(folder / "plots"),
        page.section(
            "Confusion",
            "Rows say what a photo is, columns what it was called; right answers are bold.",
            page.confusion(report),
        ),
        *_robustness(report),
        page.section(
            "Worst errors",
            "The test images that were judged wrongly with most confidence, each beside its blur "
            f"map, with the probability of blur by each model. {READ_MAP}",
            page.scale() + worst,
        ),
    ]
    return page.page("Training report", about, sections)


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
