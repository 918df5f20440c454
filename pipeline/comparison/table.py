"""The comparison as CSV, as Markdown and as a plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.comparison.compare import Comparison, Part
from pipeline.evaluation.curves import write_csv
from pipeline.presets.drawings import save
from pipeline.presets.figures import RULES, SHOWN

_KNOWN = ("trained", "parameters", "megabytes", "ms_per_image", "training_seconds")
_METRICS = {**SHOWN, "balanced_accuracy": "balanced accuracy"}
_COLOURS = {"ours": "#c00000", "preset": "#0060c0", "baseline": "#808080"}


def csv_rows(found: Comparison) -> tuple[list[str], list[list[object]]]:
    """Header and rows: one for each system, set of photos and rule."""
    spreads = [f"{metric}_{end}" for metric in SHOWN for end in ("low", "high")]
    header = ["data", "rule", "system", "photos", "blurred", *SHOWN, *spreads, *_KNOWN]
    rows: list[list[object]] = []
    for part in found.parts:
        for name, values in part.figures.items():
            cells = [values[metric] for metric in SHOWN]
            bounds = [cell[end] for cell in cells for end in ("low", "high")]
            known = [found.systems[name][key] for key in _KNOWN]
            line = [part.data, part.rule, name, part.photos, part.blurred]
            line += [cell["value"] for cell in cells] + bounds + known
            rows.append(["" if value is None else value for value in line])
    return header, rows


def _figure(cell: dict[str, Any]) -> str:
    if cell["value"] is None:
        return "n/a"
    spread = "" if cell["low"] is None else f" ({cell['low']:.3f}-{cell['high']:.3f})"
    return f"{cell['value']:.3f}{spread}"


def _markdown_table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _part_lines(part: Part) -> Iterator[str]:
    yield f"### {part.data}: {part.photos} photos, {part.blurred} blurred; rule: {part.rule}"
    yield ""
    rows = [
        [name, *(_figure(values[metric]) for metric in SHOWN)]
        for name, values in part.figures.items()
    ]
    yield from _markdown_table(["system", *SHOWN.values()], rows)
    yield ""
    for one in part.differences:
        says = "excludes zero" if one["excludes_zero"] else "does not exclude zero"
        spread = "n/a" if one["low"] is None else f"{one['low']:+.3f} to {one['high']:+.3f}"
        yield (
            f"ours: fused minus {one['preset']}, the best preset by {_METRICS[one['metric']]}: "
            f"{one['value']:+.3f} ({spread}), {says}  "
        )
    yield ""


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def markdown(found: Comparison) -> str:
    """All of it as Markdown; ends with an end of line."""
    lines = [
        f"Data set {found.dataset}; 95 % intervals by scene. Presets are trained once, as their "
        "authors did; ours is stacked out of fold.",
        "",
        *(f"Rule {rule}: {text}.  " for rule, text in RULES.items()),
        "",
    ]
    for part in found.parts:
        lines += _part_lines(part)
    header = ["system", "trained", "parameters", "MB", "ms a photo", "training, s"]
    rows = [
        [
            name,
            known["trained"],
            f"{known['parameters']:,}",
            _number(known["megabytes"], ".2f"),
            _number(known["ms_per_image"], ".1f"),
            _number(known["training_seconds"], ".0f"),
        ]
        for name, known in found.systems.items()
    ]
    lines += ["### Size and speed, from file to verdict, one photo after the other", ""]
    lines += _markdown_table(header, rows)
    lines += ["", *(f"{note}  " for note in found.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _family(name: str, trained: str) -> str:
    if name.startswith("ours"):
        return "ours"
    return "preset" if trained.startswith("once") else "baseline"


def plot(found: Comparison, path: Path) -> None:
    """Balanced accuracy and AUC of each system with intervals, a row of axes for each part."""
    count = len(found.parts)
    figure = Figure(figsize=(10, 0.6 + 3.2 * count), layout="constrained")
    for line, part in enumerate(found.parts):
        names = list(part.figures)[::-1]
        for column, metric in enumerate(("balanced_accuracy", "auc")):
            axes = figure.add_subplot(count, 2, 2 * line + column + 1)
            for place, name in enumerate(names):
                cell = part.figures[name][metric]
                colour = _COLOURS[_family(name, found.systems[name]["trained"])]
                if cell["low"] is not None:
                    axes.plot([cell["low"], cell["high"]], [place, place], color=colour, lw=2)
                if cell["value"] is not None:
                    axes.plot(cell["value"], place, "o", color=colour)
            axes.set_yticks(range(len(names)), names if column == 0 else [""] * len(names))
            axes.set_xlim(0, 1.02)  # a dot at 1 stays whole
            axes.grid(axis="x", color="#dddddd")
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.set_title(f"{part.data}, {part.rule} rule: {_METRICS[metric]}", fontsize=10)
    save(figure, path)


def write(found: Comparison, folder: Path) -> None:
    """Write comparison.csv, comparison.md and comparison.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "comparison.csv", *csv_rows(found))
    (folder / "comparison.md").write_text(markdown(found), encoding="utf-8")
    plot(found, folder / "comparison.png")
