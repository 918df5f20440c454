"""The evaluate stage: judge the test images once, and write all that is shown of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blur_fusion.data.split import Row
from blur_fusion.data.store import Store
from blur_fusion.errors import require
from blur_fusion.evaluation import curves
from blur_fusion.evaluation import robustness as flips
from blur_fusion.evaluation.baselines import (
    ConstantBaseline,
    LaplacianBaseline,
    fit_constant,
    fit_laplacian,
    laplacian_variances,
)
from blur_fusion.evaluation.comparisons import measure_kinds
from blur_fusion.evaluation.metrics import Floats, Ints
from blur_fusion.evaluation.report import (
    Judged,
    Report,
    Truth,
    as_json,
    build,
    flat,
    judge,
    rounded,
)
from blur_fusion.evaluation.robustness import Trials, choose_images, run_trials
from blur_fusion.fusion.calibration import choose_threshold
from blur_fusion.parallel import shown
from blur_fusion.params import Params

if TYPE_CHECKING:
    from blur_fusion.model.scores import Detector, Scores


MODELS = ("cnn", "features", "fused")


@dataclass(frozen=True)
class Evaluation:
    """The test rows, what each model says of them, and of some of them perturbed."""

    index: Ints
    rows: tuple[Row, ...]
    truth: Truth
    scores: Scores
    judged: dict[str, Judged]
    trials: Trials
    images_per_second: float


def judged_models(scores: Scores) -> dict[str, Judged]:
    """The detector's three answers as rows of the table."""
    return {
        "cnn": judge(scores.thresholds["cnn"], scores.cnn),
        "features": judge(scores.thresholds["features"], scores.features),
        "fused": judge(scores.thresholds["fused"], scores.fused),
    }


def judged_constant(constant: ConstantBaseline, count: int) -> Judged:
    """The constant answer as a row of the table."""
    settings = {"share_blurred": constant.share_blurred}
    return Judged(constant.probabilities(count), constant.verdicts(count), None, settings)


def judged_laplacian(laplacian: LaplacianBaseline, variances: Floats) -> Judged:
    """Laplacian variance with its threshold as a row of the table."""
    probabilities, verdicts = laplacian.probabilities(variances), laplacian.verdicts(variances)
    settings = {"slope": laplacian.slope, "intercept": laplacian.intercept}
    return Judged(probabilities, verdicts, laplacian.threshold, settings)


def _indices(store: Store, split: str) -> Ints:
    indices = np.flatnonzero(store.splits == split)
    require(len(indices) > 0, f"the data set has no {split} images; give it more scenes")
    return indices


def evaluate(store: Store, detector: Detector, params: Params) -> Evaluation:
    """Judge every test image, and `evaluate.robustness_images` of them perturbed as well.

    Parameters
    ----------
    store : Store
        Working images, and rows whose files the Laplacian recipe and the trials read again.
    detector : Detector
    params : Params

    Raises
    ------
    BlurError
        A split is empty, the validation images are of one class, or a file is unreadable.
    """
    train, validation, test = (_indices(store, name) for name in ("train", "validation", "test"))

    def images() -> Iterator[np.ndarray]:
        for index in shown(test.tolist(), len(test), "evaluate"):
            yield store.image(index)

    began = time.perf_counter()
    scores = detector.predict(images())
    seconds = time.perf_counter() - began
    both = np.concatenate([validation, test])
    variances = laplacian_variances([store.rows[i].path for i in both], params.compute.workers)
    laplacian = fit_laplacian(
        store.labels[validation],
        variances[: len(validation)],
        params.threshold.max_false_alarm_rate,
        choose_threshold,
    )
    rows = tuple(store.rows[i] for i in test)
    truth = Truth(
        labels=store.labels[test],
        subsets=tuple(row.subset for row in rows),
        scenes=tuple(row.scene for row in rows),
    )
    count, codes = params.evaluate.robustness_images, truth.codes
    some = choose_images(truth.labels, codes, count, params.seed)
    tried = [rows[place] for place in some]
    return Evaluation(
        index=test,
        rows=rows,
        truth=truth,
        scores=scores,
        judged={
            "constant": judged_constant(fit_constant(store.labels[train]), len(test)),
            "laplacian": judged_laplacian(laplacian, variances[len(validation) :]),
            **judged_models(scores),
        },
        trials=run_trials(tried, test[some], codes[some], detector, laplacian, params),
        images_per_second=len(test) / seconds,
    )


def _predictions(evaluation: Evaluation, path: Path) -> None:
    header = "index name label subset scene kind cnn features fused verdict predicted_kind"
    scores, verdicts = evaluation.scores, evaluation.judged["fused"].verdicts
    lines = []
    for place, (index, row) in enumerate(zip(evaluation.index, evaluation.rows, strict=True)):
        known = [int(index), row.name, row.label, row.subset, row.scene, row.kind]
        answers = [float(getattr(scores, model)[place]) for model in MODELS]
        lines.append([*known, *answers, int(verdicts[place]), scores.kind[place]])
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
    truth, resamples, seed = evaluation.truth, params.evaluate.resamples, params.seed
    report = build(truth, evaluation.judged, store.dataset, params.evaluate, seed)
    known, named = [row.kind for row in evaluation.rows], evaluation.scores.kind
    report["kinds"] = rounded(measure_kinds(known, named, truth.codes, resamples, seed))
    report["robustness"] = rounded(flips.measure_flips(evaluation.trials, resamples, seed))
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(as_json(report), encoding="utf-8")
    for model in ("cnn", "fused"):
        (out / f"{model}.json").write_text(as_json(flat(report, model)), encoding="utf-8")
    _predictions(evaluation, out / "predictions.csv")
    curves.write_csv(out / "robustness.csv", flips.HEADER, flips.trial_rows(evaluation.trials))
    bins = params.evaluate.calibration_bins
    curves.write_curves(out / "plots", truth.labels, evaluation.judged, bins)
    curves.write_training(history, out / "plots" / "training.csv")
    return report
