"""The tables that `make repro` and `blur test` print, from the contents of metrics.json."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from blur_fusion.errors import run
from blur_fusion.evaluation.comparisons import COMPARED, KINDS
from blur_fusion.evaluation.report import Report, read_report
from blur_fusion.evaluation.robustness import JUDGES

_FIRST, _WIDTH = 17, 13


def _with_interval(cell: dict[str, Any], form: str = ".3f") -> str:
    """For example "0.912 (0.890 to 0.931)"."""
    if cell["value"] is None:
        return "n/a"
    text = f"{cell['value']:{form}}"
    if cell["low"] is None:
        return text
    return f"{text} ({cell['low']:{form}} to {cell['high']:{form}})"


def difference_lines(differences: dict[str, Any]) -> list[str]:
    """One line for each pair and metric of the entry `differences`."""
    lines = []
    for pair, metrics in differences.items():
        for metric in COMPARED:
            found = metrics[metric]
            says = "excludes zero" if found["excludes_zero"] else "does not exclude zero"
            what = f"{pair.replace('_', ' ')}, {metric.replace('_', ' ').replace('log ', 'log-')}"
            lines.append(f"{what}: {_with_interval(found, '+.3f')}, {says}")
    return lines


def kind_lines(kinds: dict[str, Any]) -> list[str]:
    """The entry `kinds`; nothing where no blurred image is of known kind."""
    confusion, blur = kinds["confusion"], kinds["blur"]
    if not any(sum(confusion[kind].values()) for kind in KINDS[1:]):
        return []
    lines = [
        f"kind named rightly: {_with_interval(kinds['accuracy'])} of {kinds['images']} images; "
        f"defocus or motion: {_with_interval(blur['accuracy'])} of {blur['images']} called blurred",
        "",
        f"{'named:':>{_FIRST}}" + "".join(f"{name:>{_WIDTH}}" for name in KINDS),
    ]
    for kind in KINDS:
        counts = "".join(f"{confusion[kind][name]:>{_WIDTH}}" for name in KINDS)
        lines.append(f"{kind:<{_FIRST}}{counts}")
    return lines


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f} %"


def _percent_interval(cell: dict[str, Any]) -> str:
    if cell["low"] is None:
        return ""
    return f"{100 * cell['low']:.1f}-{100 * cell['high']:.1f} %"


def _flip_line(row: dict[str, Any]) -> str:
    rates = "".join(f"{_percent(row[judge]['value']):>{_WIDTH}}" for judge in JUDGES)
    fused = row["fused"]
    causes = f"{fused['sharp_flagged']}, {fused['blurred_missed']}, {fused['put_right']}"
    return f"{row['name']:<{_FIRST}}{row['images']:>6}{rates}   {causes if row['images'] else ''}"


def robustness_lines(robustness: dict[str, Any]) -> list[str]:
    """The entry `robustness`: a line for each perturbation, their mean, and the ratio."""
    images, mean = robustness["images"], robustness["mean"]
    heading = "".join(f"{judge:>{_WIDTH}}" for judge in JUDGES)
    means = "".join(f"{_percent(mean[judge]['value']):>{_WIDTH}}" for judge in JUDGES)
    spreads = "".join(f"{_percent_interval(mean[judge]):>{_WIDTH}}" for judge in JUDGES)
    lines = [
        f"verdicts that flip, of {images['sharp']} sharp and {images['blurred']} blurred images "
        f"of {images['scenes']} scenes",
        "",
        f"{'':<{_FIRST}}images{heading}   fused: sharp flagged, blurred missed, put right",
        *(_flip_line(row) for row in robustness["perturbations"]),
        f"{'mean':<{_FIRST}}{'':>6}{means}",
        f"{'':<{_FIRST}}{'':>6}{spreads}",
        "flips of fused for each one of laplacian: "
        f"{_with_interval(robustness['fused_to_laplacian'], '.2f')}",
    ]
    return [line.rstrip() for line in lines]


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
        What :func:`blur_fusion.evaluation.run.write_evaluation` and
        :func:`blur_fusion.evaluation.heldout.judge_held_out` return, or metrics.json.

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


def main() -> None:
    """Print the table of the file named, or of the last run."""
    path = sys.argv[1] if len(sys.argv) > 1 else "artifacts/evaluate/metrics.json"
    print(render(read_report(Path(path))))


if __name__ == "__main__":
    run(main)
