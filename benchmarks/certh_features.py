"""`python -m benchmarks.certh_features FILE.csv`: two Laplacian measures, whole CERTH."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from blur_fusion.cli.options import params_option, path_argument
from blur_fusion.data.dataset import read_table
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.baselines import PUBLISHED_THRESHOLD, fit_constant
from blur_fusion.evaluation.intervals import Interval, intervals, scene_codes
from blur_fusion.evaluation.metrics import Flags, Floats, Ints, measure
from blur_fusion.evaluation.table import HEADINGS
from blur_fusion.params import Params

MEASURES = ("laplacian_variance", "laplacian_max")
COLUMNS = ("split", "subset", *MEASURES, "blurred")
SPLITS = ("train", "test")
_SMALLEST = 1e-3  # a flat image measures 0, its logarithm would not be finite


@dataclass(frozen=True)
class FeatureRows:
    """One row an image.

    Attributes
    ----------
    measures : ndarray of float, shape (n, 2)
        Laplacian variance and maximum.
    labels : ndarray of int, shape (n,)
        1 blurred, 0 sharp.
    train : ndarray of bool, shape (n,)
        The official training half; the others are the test half.
    """

    measures: Floats
    labels: Ints
    train: Flags

    @property
    def variances(self) -> Floats:
        """Laplacian variance, shape (n,)."""
        return self.measures[:, 0]

    @property
    def logarithms(self) -> npt.NDArray[np.float32]:
        """Natural logarithm of both measures, shape (n, 2)."""
        return np.log(np.maximum(self.measures, _SMALLEST)).astype(np.float32)


def _number(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BlurError(f"{where}: {column} is '{text}', must be a number") from None
    sound = math.isfinite(value) and value >= 0
    require(sound, f"{where}: {column} is '{text}', must be at least 0 and finite")
    return value


def read_feature_rows(path: Path) -> FeatureRows:
    """Read columns split ("train" or "test"), subset, both measures, blurred (1 or 0).

    Raises
    ------
    BlurError
        The file or a column is missing; a value is impossible; a half holds one class only.
    """
    measures, labels, train = [], [], []
    for line, row in read_table(path, COLUMNS):
        where = f"{path}: line {line}"
        split, label = row["split"], row["blurred"]
        require(split in SPLITS, f"{where}: split is '{split}', must be train or test")
        require(label in ("0", "1"), f"{where}: blurred is '{label}', must be 0 or 1")
        measures.append([_number(row[name], where, name) for name in MEASURES])
        labels.append(int(label))
        train.append(split == "train")
    rows = FeatureRows(
        np.array(measures, dtype=np.float64).reshape(-1, len(MEASURES)),
        np.array(labels, dtype=np.int64),
        np.array(train, dtype=np.bool_),
    )
    for split, part in zip(SPLITS, (rows.train, ~rows.train), strict=True):
        both = set(rows.labels[part].tolist()) == {0, 1}
        require(both, f"{path}: the {split} rows need sharp and blurred ones, both")
    return rows


SHOWN = ("accuracy", "balanced_accuracy", "recall", "false_alarm_rate", "auc")
Answer = tuple[Floats, Flags]  # a score in 0..1 that rises with blur, and the verdict
_FIRST, _WIDTH = 30, 15


@dataclass(frozen=True)
class Measured:
    """Figures of one way to answer on the test rows, with 95 % intervals."""

    values: dict[str, float | None]
    spread: dict[str, Interval]


def most_accurate_cut(labels: Ints, sharpness: Floats) -> float:
    """The cut that gives most right answers if rows *below* it are called blurred.

    Cuts are the values themselves; of equally good ones the lowest is taken, which calls fewest
    rows blurred.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        1 blurred, 0 sharp.
    sharpness : ndarray of float, shape (n,)
        Falls with blur.
    """
    distinct, place = np.unique(sharpness, return_inverse=True)
    gained = np.bincount(place, weights=2 * labels - 1, minlength=len(distinct))
    # Cut i flags all rows below distinct[i]; the last one flags every row.
    right = np.concatenate([[0.0], np.cumsum(gained)])
    cuts = np.append(distinct, np.nextafter(distinct[-1], np.inf))
    return float(cuts[int(np.argmax(right))])


def _laplacian(variances: Floats, threshold: float) -> Answer:
    return 1 / (1 + variances), variances < threshold


def _fit(rows: FeatureRows, chosen: Ints, params: Params, name: str, judged: Ints) -> Floats:
    """Logits of the rows `judged` from networks trained on the rows `chosen`."""
    from blur_fusion.fusion.dense import Inputs, fit_dense
    from blur_fusion.fusion.stack import Standardiser

    inputs = rows.logarithms
    standardiser = Standardiser.fit(inputs[chosen], params.fuse.clip)
    none = np.zeros(len(rows.labels), np.float32)  # there is no CNN to correct
    values = standardiser.apply(inputs[chosen])
    material = Inputs.plain(values, none[chosen], rows.labels[chosen])
    ensemble, _ = fit_dense(name, material, params.fuse, 100 * params.seed)
    return ensemble.logit(standardiser.apply(inputs[judged]), none[judged])


def stacked_dense(rows: FeatureRows, params: Params) -> tuple[Answer, float]:
    """The pipeline's dense networks on log variance and log maximum, judging the test rows.

    Calibration and threshold come from logits of the training rows out of fold, the threshold by
    accuracy as in the publications; the test rows are used for nothing but the answer.

    Returns
    -------
    answer : (ndarray of float, ndarray of bool), shape (t,) each
    threshold : float
        Probability above which a row is called blurred.
    """
    from sklearn.model_selection import StratifiedKFold

    from blur_fusion.cnn.fit import make_deterministic
    from blur_fusion.fusion.calibration import fit_calibration

    make_deterministic(params.seed, params.compute.threads)
    train, test = np.flatnonzero(rows.train), np.flatnonzero(~rows.train)
    labels, folds = rows.labels[train], params.split.folds
    rarer = int(min(labels.sum(), len(labels) - labels.sum()))
    require(rarer >= folds, f"a class has {rarer} training rows, {folds} folds need more")
    logits = np.zeros(len(train))
    dealer = StratifiedKFold(folds, shuffle=True, random_state=params.seed)
    for number, (rest, fold) in enumerate(dealer.split(train, labels)):
        logits[fold] = _fit(rows, train[rest], params, f"fold {number}", train[fold])
    calibration = fit_calibration(labels, logits)
    threshold = -most_accurate_cut(labels, -calibration.probability(logits))
    probability = calibration.probability(_fit(rows, train, params, "all", test))
    return (probability, probability > threshold), threshold


def answers(rows: FeatureRows, params: Params) -> dict[str, Answer]:
    """Every line of the table: its name, with scores and verdicts of the test rows."""
    train, test = rows.train, ~rows.train
    constant, count = fit_constant(rows.labels[train]), int(test.sum())
    optimum = most_accurate_cut(rows.labels[train], rows.variances[train])
    dense, threshold = stacked_dense(rows, params)
    return {
        "constant (blurred)": (constant.probabilities(count), constant.verdicts(count)),
        f"variance < {PUBLISHED_THRESHOLD:.0f} (published)": _laplacian(
            rows.variances[test], PUBLISHED_THRESHOLD
        ),
        f"variance < {optimum:.0f} (train optimum)": _laplacian(rows.variances[test], optimum),
        f"stacked dense (p > {threshold:.3f})": dense,
    }


def measure_answers(rows: FeatureRows, params: Params) -> dict[str, Measured]:
    """Figures of every answer on the test rows, all on the same resamples of rows."""
    labels, bins = rows.labels[~rows.train], params.evaluate.calibration_bins
    judged = answers(rows, params)
    spread = intervals(
        labels,
        judged,
        scene_codes(range(len(labels))),
        bins=bins,
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )
    return {
        name: Measured(measure(labels, *answer, bins), spread[name])
        for name, answer in judged.items()
    }


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}%"


def _between(spread: Interval) -> str:
    return "" if spread is None else f"{100 * spread[0]:.1f}-{100 * spread[1]:.1f}"


def as_text(rows: FeatureRows, found: dict[str, Measured], params: Params) -> str:
    """The table: two lines for each answer, figures and their intervals."""
    labels = rows.labels[~rows.train]

    def line(first: str, cells: list[str]) -> str:
        return (f"{first:<{_FIRST}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)).rstrip()

    lines = [
        f"{len(labels)} test rows, {int(labels.sum())} blurred; thresholds and network from "
        f"{int(rows.train.sum())} training rows alone",
        f"95 % intervals below each figure, from {params.evaluate.resamples} resamples by row: "
        "the file names no scenes,",
        "so the filtered images of one original count as independent and intervals come out "
        "too narrow",
        "",
        line("", [HEADINGS[metric] for metric in SHOWN]),
    ]
    for name, of in found.items():
        lines.append(line(name, [_percent(of.values[metric]) for metric in SHOWN]))
        lines.append(line("", [_between(of.spread[metric]) for metric in SHOWN]))
    return "\n".join(lines)


def report(rows: FeatureRows, params: Params) -> str:
    """Measure and show."""
    return as_text(rows, measure_answers(rows, params), params)


@click.command()
@path_argument
@params_option
def features_command(path: Path, params_file: Path) -> None:
    """Judge CERTH's official test half by Laplacian measures alone, read from the CSV file PATH.

    Its columns are split, subset, laplacian_variance, laplacian_max, blurred. Prints a constant
    answer, the published threshold, the best threshold of the training rows, and a stacked dense
    network on both measures, each with 95 % intervals.
    """
    from blur_fusion.params import load_params

    params = load_params(params_file)
    click.echo(report(read_feature_rows(path), params))


if __name__ == "__main__":
    run(features_command)
