"""Figures on real photos as lines of text."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.kinds import KINDS
from pipeline.fusion.model import JUDGES

_FIRST, _WIDTH = 16, 26


def with_interval(cell: dict[str, float | None], digits: int = 4) -> str:
    """For example "0.9932 [0.9801, 0.9999]"; "n/a" where undefined."""
    value, low, high = cell["value"], cell["low"], cell["high"]
    if value is None:
        return "n/a"
    if low is None or high is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _line(first: str, cells: list[str], width: int = _WIDTH) -> str:
    return (f"{first:<{_FIRST}}" + "".join(f"{cell:>{width}}" for cell in cells)).rstrip()


def _pooled_lines(title: str, found: dict[str, Any]) -> list[str]:
    sharp = found["photos"] - found["blurred"]
    return [
        f"{title}: {found['photos']} photos of {found['scenes']} scenes, {found['blurred']} "
        f"blurred; 1 % false alarms: at most {found['may_be_flagged']} of {sharp} sharp",
        _line("", ["AUC [95 %]", "recall at 1 % [95 %]"]),
        *(
            _line(judge, [with_interval(found[judge][figure]) for figure in ("auc", "recall")])
            for judge in JUDGES
        ),
        "",
    ]


def _set_lines(sets: dict[str, Any]) -> list[str]:
    lines = [
        "found of the blurred, flagged of the sharp, each judge at its own threshold",
        _line("", list(JUDGES), 22),
    ]
    for name, judged in sets.items():
        cells = [
            f"{c['found']}/{c['blurred']}, {c['flagged']}/{c['sharp']}"
            for c in (judged[judge] for judge in JUDGES)
        ]
        lines.append(_line(name, cells, 22))
    return [*lines, ""]


def _kind_lines(kinds: dict[str, Any]) -> list[str]:
    lines = []
    for name, found in kinds.items():
        right = with_interval(found["accuracy"], 3)
        lines.append(f"kinds on {name}: right in {right} of {found['images']}; true by named")
        lines.append(_line("", list(KINDS), 9))
        for kind in KINDS:
            cells = [str(found["confusion"][kind][other]) for other in KINDS]
            lines.append(_line(f"  {kind}", cells, 9))
        lines.append("")
    return lines


def _stack_lines(stacks: dict[str, Any]) -> list[str]:
    lines = []
    for name, found in stacks.items():
        value = found["spearman"]
        correlation = "n/a" if value is None else f"{value:.4f}"
        order = "in order" if found["in_order"] else "not in order"
        lines.append(
            f"{name}: {found['images']} pictures, fused logit against absolute step: "
            f"Spearman {correlation}, {order}"
        )
        pairs = zip(found["steps"], found["logits"], strict=True)
        lines.append("  " + "  ".join(f"{step}: {logit:.2f}" for step, logit in pairs))
    return [*lines, ""] if lines else []


def as_text(found: dict[str, Any]) -> str:
    """Everything that `judge_photos` gives, as lines of text."""
    lines = _pooled_lines("pooled", found["pooled"])
    if found["pooled_with_certh_other"]:
        lines += _pooled_lines("with certh_other", found["pooled_with_certh_other"])
    lines += _set_lines(found["sets"])
    lines += _kind_lines(found["kinds"])
    lines += _stack_lines(found["stacks"])
    if found["missing"]:
        lines += [f"note: not there: {', '.join(found['missing'])}", ""]
    wrong, threshold = found["wrong"], found["thresholds"]["fused"]
    lines.append(
        f"judged wrongly by fused: {len(wrong)} (probability of blur by cnn, features, fused; "
        f"blurred from {threshold:.3f})"
    )
    for photo in wrong:
        three = "  ".join(f"{photo[judge]:.3f}" for judge in JUDGES)
        truth = "blurred" if photo["label"] else "sharp"
        lines.append(f"  {three}  {truth:<8} {photo['set']}: {photo['name']}")
    return "\n".join(lines)
