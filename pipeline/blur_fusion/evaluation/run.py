"""The evaluate stage: judge the test images once, and write all that is shown of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blur_fusion.data.split import Row
from blur_fusion.data.store import Store
from blur_fusion.errors import require
from blur_fusion.evaluation import curves
from blur_fusion.evaluation import robustness as flips
from blur_fusion.evaluation.baselines import fit_constant, fit_laplacian, laplacian_variances
from blur_fusion.evaluation.metrics import Answers, Ints
from blur_fusion.evaluation.report import (
    OURS,
    Report,
    Said,
    Truth,
    as_json,
    build,
    flat,
    predict_each,
    readable,
    rounded,
)
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.params import Params


@dataclass(frozen=True)
class Evaluation:
    """The test rows, what each classifier says of them, and of some of them perturbed."""

    index: Ints
    rows: tuple[Row, ...]
    classifiers: dict[str, Classifier]
    said: tuple[Said, ...]
    trials: flips.Trials
    images_per_second: float


def _indices(store: Store, split: str) -> Ints:
    indices = np.flatnonzero(store.splits == split)
    require(len(indices) > 0, f"the data set has no {split} images; give it more scenes")
    return indices


def evaluate(store: Store, ours: Mapping[str, Classifier], params: Params) -> Evaluation:
    """Judge every test image, and `evaluate.robustness_images` of them perturbed as well.

    Parameters
    ----------
    store : Store
        Working images for our classifiers, and rows whose files the baselines and the trials read.
    ours : mapping of Classifier
        `cnn`, `features` and `fused`.
    params : Params

    Raises
    ------
    BlurError
        A split is empty, the validation images are of one class, or a file is unreadable.
    """
    train, validation, test = (_indices(store, name) for name in ("train", "validation", "test"))
    rows, workers = tuple(store.rows[i] for i in test), params.compute.workers
    stored = (Photo(store.image(i), str(store.rows[i].path)) for i in test)
    began = time.perf_counter()
    said = [readable(one) for one in predict_each(ours, stored, len(test), "evaluate", workers)]
    seconds = time.perf_counter() - began
    variances = laplacian_variances([store.rows[i].path for i in validation], workers)
    rate = params.threshold.max_false_alarm_rate
    baselines: dict[str, Classifier] = {
        "constant": fit_constant(store.labels[train]),
        "laplacian": fit_laplacian(store.labels[validation], variances, rate),
    }
    files = predict_each(baselines, (Photo(row.path) for row in rows), len(rows), "files", workers)
    both = tuple({**readable(one), **more} for one, more in zip(files, said, strict=True))
    truth = Truth.of(rows)
    count = params.evaluate.robustness_images
    some = flips.choose_images(truth.labels, truth.codes, count, params.seed)
    judges: dict[str, Classifier] = {**ours, "laplacian": baselines["laplacian"]}
    tried = [rows[place] for place in some]
    trials = flips.run_trials(tried, test[some], truth.codes[some], judges, params)
    return Evaluation(test, rows, {**baselines, **ours}, both, trials, len(test) / seconds)


def _predictions(evaluation: Evaluation, path: Path) -> None:
    header = "index name label subset scene kind cnn features fused verdict predicted_kind"
    lines = []
    for index, row, said in zip(evaluation.index, evaluation.rows, evaluation.said, strict=True):
        known = [int(index), row.name, row.label, row.subset, row.scene, row.kind]
        probabilities = [said[model].probability for model in OURS]
        lines.append([*known, *probabilities, int(said["fused"].blurred or 0), said["fused"].kind])
    curves.write_csv(path, header.split(), lines)


def write_evaluation(
    evaluation: Evaluation, store: Store, params: Params, out: Path, history: Path
) -> Report:
    """Write all figures and plots into `out`.

    metrics.json, cnn.json, fused.json, predictions.csv, robustness.csv, plots/.

    Parameters
    ----------
    evaluation : Evaluation
    store : Store
        Names the data set.
    params : Params
    out : Path
        The stage's folder.
    history : Path
        The CNN's history.csv.

    Returns
    -------
    dict
        What metrics.json holds.
    """
    rows, said, trials = evaluation.rows, evaluation.said, evaluation.trials
    report = build(rows, evaluation.classifiers, said, store.dataset, params)
    report["robustness"] = flips.measure_flips(trials, params.evaluate.resamples, params.seed)
    report = rounded(report)
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(as_json(report), encoding="utf-8")
    for model in ("cnn", "fused"):
        (out / f"{model}.json").write_text(as_json(flat(report, model)), encoding="utf-8")
    _predictions(evaluation, out / "predictions.csv")
    curves.write_csv(out / "robustness.csv", flips.HEADER, flips.trial_rows(trials))
    answers = {name: Answers.of(one[name] for one in said) for name in curves.PLOTTED}
    labels, bins = Truth.of(rows).labels, params.evaluate.calibration_bins
    curves.write_curves(out / "plots", labels, answers, bins)
    curves.write_training(history, out / "plots" / "training.csv")
    return report
