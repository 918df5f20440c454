"""From verdicts to the contents of metrics.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blur_fusion.errors import BlurError
from blur_fusion.evaluation.comparisons import compare, differences
from blur_fusion.evaluation.intervals import measured, scene_codes
from blur_fusion.evaluation.metrics import METRICS, Answers, Floats, Ints
from blur_fusion.params import EvaluateParams

Report = dict[str, Any]


@dataclass(frozen=True)
class Judged(Answers):
    """What one model says of n images, and what makes it say so."""

    threshold: float | None
    settings: Mapping[str, float]  # what else makes the answer, to answer again on other images


@dataclass(frozen=True)
class Truth:
    """Labels of n images, 1 is blurred, with their subsets and scenes."""

    labels: Ints
    subsets: tuple[str, ...]
    scenes: tuple[str, ...]

    @property
    def codes(self) -> Ints:
        """Scene number of each image; a scene's key is (subset, scene)."""
        return scene_codes(list(zip(self.subsets, self.scenes, strict=True)))

    def members(self) -> dict[str, Ints]:
        """Indices of the images of each subset, in order of names."""
        names = np.array(self.subsets)
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def judge(threshold: float, probabilities: Floats) -> Judged:
    """A model whose verdict is probability >= threshold."""
    scores = np.asarray(probabilities, dtype=np.float64)
    return Judged(scores, scores >= threshold, threshold, {})


def _chosen(judged: Mapping[str, Judged], rows: Ints) -> dict[str, Answers]:
    return {
        name: Answers(one.probabilities[rows], one.verdicts[rows]) for name, one in judged.items()
    }


def build(
    truth: Truth,
    judged: Mapping[str, Judged],
    dataset: Mapping[str, str],
    params: EvaluateParams,
    seed: int,
) -> Report:
    """Everything that the table shows.

    Parameters
    ----------
    truth : Truth
        n labelled images.
    judged : mapping of Judged
        One entry for each row of the table; `cnn` and `fused` are compared by McNemar's test.
    dataset : mapping
        `name` and `digest`.
    params : EvaluateParams
    seed : int

    Returns
    -------
    dict
        For each model `threshold`, `overall` and `subsets`: metric -> value, low, high (95 %
        interval; None where undefined) and `counts`. Beside them `dataset`, `differences`,
        `mcnemar`, `interval`.
    """
    report: Report = {
        name: {"threshold": model.threshold, **model.settings, "subsets": {}}
        for name, model in judged.items()
    }
    overall, draws = measured(truth.labels, judged, truth.codes, params, seed)
    for name, values in overall.items():
        report[name]["overall"] = values
    for subset, rows in truth.members().items():
        part, _ = measured(
            truth.labels[rows], _chosen(judged, rows), truth.codes[rows], params, seed
        )
        for name, values in part.items():
            report[name]["subsets"][subset] = values
    codes = truth.codes
    report["dataset"] = {
        "name": dataset["name"],
        "digest": dataset["digest"],
        "images": len(truth.labels),
        "blurred": int(truth.labels.sum()),
        "scenes": len(set(codes.tolist())),
        "subsets": {name: len(rows) for name, rows in truth.members().items()},
    }
    report["interval"] = {"level": 0.95, "resamples": params.resamples, "unit": "scene"}
    report["differences"] = differences(draws)
    cnn, fused = judged["cnn"].verdicts, judged["fused"].verdicts
    report["mcnemar"] = compare(truth.labels, cnn, fused, codes, seed)
    return rounded(report)


def flat(report: Report, model: str) -> dict[str, float]:
    """One model's overall figures without intervals, for `dvc metrics show`."""
    overall = report[model]["overall"]
    return {name: overall[name]["value"] for name in METRICS if overall[name]["value"] is not None}


def rounded(value: Any) -> Any:
    """`value` with every float rounded to 6 decimals, so that files stay byte-stable."""
    if isinstance(value, float):
        return round(value, 6) + 0.0  # no -0.0
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(item) for item in value]
    return value


def as_json(value: Any) -> str:
    """JSON text with sorted keys and an end of line."""
    return json.dumps(rounded(value), indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_report(path: Path) -> Report:
    """Read metrics.json.

    Raises
    ------
    BlurError
        It is missing, no JSON, or holds something else.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; run `make repro` first") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BlurError(f"{path}: is no JSON ({error}); run `make repro` again") from None
    if not isinstance(report, dict) or "dataset" not in report or "fused" not in report:
        raise BlurError(f"{path}: is no report of the evaluate stage; run `make repro` again")
    return report
