"""The table that `make repro` and `blur test` print, from the contents of metrics.json."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.details import difference_lines, kind_lines, robustness_lines
from pipeline.evaluation.report import Report

HEADINGS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
    "log_loss": "log-loss",
    "calibration_error": "calibration",
}
MODELS = ("constant", "laplacian_470", "laplacian", "cnn", "features", "fused")
_FIRST, _WIDTH = 17, 13


def shown_name(model: str, report: Report) -> str:
    """A model's name in the table; two Laplacian thresholds are told apart."""
    if model == "laplacian_470":
        return "laplacian (470)"
    if model == "laplacian" and "laplacian_470" in report:
        return "laplacian (ours)"
    return model


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _interval(cell: dict[str, float | None]) -> str:
    if cell["low"] is None or cell["high"] is None:
        return ""
    return f"{cell['low']:.3f}-{cell['high']:.3f}"


def _rows(report: Report, chosen: dict[str, dict[str, Any]]) -> list[str]:
    """Two lines for each model: figures, and below them their intervals."""
    heading = " " * _FIRST + "".join(f"{text:>{_WIDTH}}" for text in HEADINGS.values())
    lines = [heading]
    for model, values in chosen.items():
        figures = [_figure(values[metric]["value"]) for metric in HEADINGS]
        spreads = [_interval(values[metric]) for metric in HEADINGS]
        name = f"{shown_name(model, report):<{_FIRST}}"
        lines.append(name + "".join(f"{text:>{_WIDTH}}" for text in figures))
        lines.append(" " * _FIRST + "".join(f"{text:>{_WIDTH}}" for text in spreads))
    return [line.rstrip() for line in lines if line.strip()]


def counted(counts: dict[str, int]) -> str:
    """For example "found 15 of 16 blurred, flagged 1 of 8 sharp"."""
    found = f"found {counts['found']} of {counts['blurred']} blurred"
    return f"{found}, flagged {counts['flagged']} of {counts['sharp']} sharp"


def _counts(report: Report, chosen: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{shown_name(model, report):<{_FIRST}} {counted(values['counts'])}"
        for model, values in chosen.items()
    ]


def _p_value(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.4f}"


def mcnemar_lines(report: Report) -> list[str]:
    """CNN against fused, on all images and on one of each scene."""
    tests = report["mcnemar"]
    lines = []
    for key, text in (("all_images", "all images"), ("one_image_per_scene", "one per scene")):
        test = tests[key]
        lines.append(
            f"McNemar, cnn against fused, {text} ({test['images']}): only cnn right "
            f"{test['first_only_right']}, only fused right {test['second_only_right']}, "
            f"{_p_value(test['p_value'])}"
        )
    return lines


def render(report: Report) -> str:
    """The whole table.

    Parameters
    ----------
    report : dict
        What :func:`pipeline.evaluation.run.write_evaluation` and
        :func:`pipeline.evaluation.heldout.judge_held_out` return, or metrics.json.

    Returns
    -------
    str
        Lines without an end of line after the last.
    """
    dataset, models = report["dataset"], [model for model in MODELS if model in report]
    lines = [
        f"data set {dataset['name']} {dataset['digest'][:12]}: {dataset['images']} images of "
        f"{dataset['scenes']} scenes, {dataset['blurred']} blurred",
        f"95 % intervals below each figure, from {report['interval']['resamples']} resamples "
        "by scene",
        "",
    ]
    overall = {model: report[model]["overall"] for model in models}
    lines += [*_rows(report, overall), "", *_counts(report, overall)]
    subsets = dataset["subsets"]
    for subset in subsets if len(subsets) > 1 else ():
        chosen = {model: report[model]["subsets"][subset] for model in models}
        lines += ["", f"subset {subset or '(none)'}: {subsets[subset]} images", ""]
        lines += [*_rows(report, chosen), "", *_counts(report, chosen)]
    lines += ["", *mcnemar_lines(report)]
    blocks = {
        "differences": difference_lines,
        "kinds": kind_lines,
        "robustness": robustness_lines,  # of the test images only, not of a held-out data set
    }
    for entry, lines_of in blocks.items():
        block = lines_of(report[entry]) if entry in report else []
        lines += ["", *block] if block else []
    return "\n".join(lines)
