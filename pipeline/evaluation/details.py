"""Blocks below the table: kinds of blur, paired differences, robustness."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.differences import COMPARED
from pipeline.evaluation.kinds import KINDS
from pipeline.evaluation.robustness import JUDGES

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
