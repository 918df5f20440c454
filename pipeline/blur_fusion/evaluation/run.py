"""The evaluate stage: judge the test images once, and write all that is shown of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from blur_fusion.data.split import Row
from blur_fusion.data.store import Store
from blur_fusion.evaluation import curves, report
from blur_fusion.evaluation import robustness as flips
from blur_fusion.evaluation.baselines import fit_baselines, indices
from blur_fusion.evaluation.metrics import METRICS, Answers, Ints
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.params import Params


def evaluate(
    store: Store, ours: Mapping[str, Classifier], params: Params, out: Path, history: Path
) -> tuple[report.Report, float]:
    """Judge every test image, some of them perturbed as well, and write all of it into `out`.

    metrics.json, cnn.json, fused.json, predictions.csv, robustness.csv, plots/.

    Parameters
    ----------
    store : Store
        Working images for our classifiers, and rows whose files the baselines and the trials read.
    ours : mapping of Classifier
        `cnn`, `features` and `fused`.
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
        A split is empty, the validation images are of one class, or a file is unreadable.
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
    curves.write_csv(out / "robustness.csv", flips.HEADER, flips.trial_rows(trials))
    answers = {name: Answers.of(one[name] for one in said) for name in curves.PLOTTED}
    labels, bins = store.labels[test], params.evaluate.calibration_bins
    curves.write_curves(out / "plots", labels, answers, bins)
    curves.write_training(history, out / "plots" / "training.csv")
    return found, speed


def _write(
    found: report.Report, rows: Sequence[Row], said: Sequence[report.Said], out: Path, index: Ints
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(report.as_json(found), encoding="utf-8")
    for model in ("cnn", "fused"):
        values = {metric: found[model]["overall"][metric]["value"] for metric in METRICS}
        flat = report.as_json({name: one for name, one in values.items() if one is not None})
        (out / f"{model}.json").write_text(flat, encoding="utf-8")
    header = ("index", *flips.KNOWN, *report.OURS, "verdict", "predicted_kind")
    lines = [
        [
            *(number, *flips.known(row), *(one[model].probability for model in report.OURS)),
            *(int(one["fused"].blurred is True), one["fused"].kind),
        ]
        for number, row, one in zip(index.tolist(), rows, said, strict=True)
    ]
    curves.write_csv(out / "predictions.csv", header, lines)
