"""Figures of judgements by several systems on the same photos, with intervals by scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blur_fusion.evaluation.metrics import Ints, figure, interval

SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
}
RULES = {
    "own": "as its authors decide: the most probable class",
    "validation": "threshold from our validation images, at the false-alarm rate of params.yaml",
}


def confusion(targets: Ints, answers: Ints, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """True class -> named class -> pictures."""
    return {
        name: {
            other: int(((targets == row) & (answers == column)).sum())
            for column, other in enumerate(classes)
        }
        for row, name in enumerate(classes)
    }


def confusion_lines(found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The confusion as lines of text, and the accuracy that it means."""
    names = list(found)
    right = sum(found[name][name] for name in names)
    total = sum(sum(row.values()) for row in found.values())
    lines = [f"{'named:':>17}" + "".join(f"{name:>13}" for name in names)]
    for name in names:
        lines.append(f"{name:<17}" + "".join(f"{found[name][other]:>13}" for other in names))
    return [*lines, f"named rightly: {right} of {total} ({right / max(1, total):.3f})"]


def figure_lines(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Two lines for each system: figures, and below them their intervals."""
    width = max(17, *(len(name) + 2 for name in figures))
    lines = [" " * width + "".join(f"{text:>14}" for text in SHOWN.values())]
    for name, values in figures.items():
        cells = [values[metric] for metric in SHOWN]
        shown, spreads = map(figure, cells), map(interval, cells)
        lines.append(f"{name:<{width}}" + "".join(f"{text:>14}" for text in shown))
        lines.append(" " * width + "".join(f"{text:>14}" for text in spreads))
    return [line.rstrip() for line in lines]
