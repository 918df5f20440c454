"""The evaluate stage: judges the test images once and writes metrics, predictions and curves."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

from blur_fusion.data.split import LABEL_NAMES, Row
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation import report
from blur_fusion.evaluation import robustness as flips
from blur_fusion.evaluation.baselines import fit_baselines, indices
from blur_fusion.evaluation.metrics import METRICS, Answers, Floats, Ints, calibration_bins
from blur_fusion.evaluation.report import OURS, Report, Said, as_json, write_csv
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.params import Params

PLOTTED = ("laplacian", *OURS)  # these rank images; ours are calibrated too
_POINTS = 400  # of a curve at most: the report holds them all


def evaluate(
    store: Store, ours: Mapping[str, Classifier], params: Params, out: Path, history: Path
) -> tuple[Report, float]:
    """Judge every test image, some of them perturbed as well, and write the results into `out`.

    metrics.json, cnn.json, fused.json, predictions.csv, robustness.csv, plots/.

    Parameters
    ----------
    store : Store
        Our classifiers judge its working images, the baselines and the trials its files.
    ours : mapping of Classifier
        `OURS`.
    params : Params
    out : Path
        The stage's folder.
    history : Path
        The CNN's history.csv.

    Returns
    -------
    report : dict
        What metrics.json holds.
    speed : float
        Images a second, judged by all of ours.

    Raises
    ------
    BlurError
        A split is empty or of one class, or a file is unreadable.
    """
    test, workers = indices(store, "test"), params.compute.workers
    baselines = {one.name: one for one in fit_baselines(store, params)}
    rows = [store.rows[i] for i in test]
    stored = (Photo(store.image(i), str(store.rows[i].path)) for i in test)
    began = time.perf_counter()
    by_ours = list(report.predict_each(ours, stored, len(test), "evaluate", workers))
    speed = len(test) / (time.perf_counter() - began)
    files = (Photo(row.path) for row in rows)
    others = report.predict_each(baselines, files, len(test), "baselines", workers)
    said = [{**one, **other} for one, other in zip(by_ours, others, strict=True)]
    found = report.build(rows, {**baselines, **ours}, said, store.dataset, params)
    trials = flips.run_trials(rows, test, {**ours, "laplacian": baselines["laplacian"]}, params)
    found["robustness"] = flips.measure_flips(trials, params.evaluate.resamples, params.seed)
    found = report.rounded(found)
    _write(found, rows, said, out, test)
    write_csv(out / "robustness.csv", flips.HEADER, flips.trial_rows(trials))
    answers = {name: Answers.of(one[name] for one in said) for name in PLOTTED}
    _write_curves(out / "plots", store.labels[test], answers, params.evaluate.calibration_bins)
    _write_training(history, out / "plots" / "training.csv")
    return found, speed


def _write(
    found: Report, rows: Sequence[Row], said: Sequence[Said], out: Path, index: Ints
) -> None:
    """Write metrics.json, the metrics of two models for `dvc metrics`, and predictions.csv."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(as_json(found), encoding="utf-8")
    for model in ("cnn", "fused"):
        values = {metric: found[model]["overall"][metric]["value"] for metric in METRICS}
        flat = as_json({name: one for name, one in values.items() if one is not None})
        (out / f"{model}.json").write_text(flat, encoding="utf-8")
    header = ("index", *flips.KNOWN, *OURS, "verdict", "predicted_kind")
    lines = [
        [
            *(number, *flips.known(row), *(one[model].probability for model in OURS)),
            *(int(one["fused"].blurred is True), one["fused"].kind),
        ]
        for number, row, one in zip(index.tolist(), rows, said, strict=True)
    ]
    write_csv(out / "predictions.csv", header, lines)


def _thinned(*columns: Floats) -> list[list[float]]:
    """At most `_POINTS` rows of the columns, with the first and last."""
    count = len(columns[0])
    chosen = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    rows: list[list[float]] = np.stack(columns, axis=1)[chosen].tolist()
    return rows


def _calibration(labels: Ints, probabilities: Floats, bins: int) -> Iterator[tuple[object, ...]]:
    """Mean probability, proportion blurred and number of images of each bin that holds any."""
    number = calibration_bins(probabilities, bins)
    for bin_number in np.unique(number):
        held = number == bin_number
        yield float(probabilities[held].mean()), float(labels[held].mean()), int(held.sum())


def _write_curves(folder: Path, labels: Ints, answers: Mapping[str, Answers], bins: int) -> None:
    """Write a file for each model and curve, which `dvc plots` and the training report draw."""
    line = "the test images are all sharp or all blurred: no curve to draw; add the other class"
    require(len(np.unique(labels)) == 2, line)
    for model in PLOTTED:
        probabilities = answers[model].probabilities
        rates = _thinned(*sk.roc_curve(labels, probabilities)[:2])
        write_csv(folder / f"roc_{model}.csv", ("false_alarm_rate", "recall"), rates)
        precision, recall, _ = sk.precision_recall_curve(labels, probabilities)
        pairs = _thinned(recall, precision)
        write_csv(folder / f"precision_recall_{model}.csv", ("recall", "precision"), pairs)
        if model not in OURS:
            continue
        header = ("probability", "share_blurred", "images")
        shares = _calibration(labels, probabilities, bins)
        write_csv(folder / f"calibration_{model}.csv", header, shares)
        verdicts = answers[model].verdicts.astype(int)
        named = ((LABEL_NAMES[y], LABEL_NAMES[v]) for y, v in zip(labels, verdicts, strict=True))
        write_csv(folder / f"confusion_{model}.csv", ("actual", "predicted"), named)


def _write_training(history: Path, path: Path) -> None:
    """Copy the curves of the final fit from the CNN's history.csv, for `dvc plots`."""
    columns = ("epoch", "loss", "validation_loss", "validation_auc")
    try:
        with history.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("fit") == "final"]
    except FileNotFoundError:
        raise BlurError(f"{history}: no such file; run `make repro`") from None
    require(bool(rows), f"{history}: holds no final fit; run `make repro` again")
    write_csv(path, columns, ([row[column] for column in columns] for row in rows))
