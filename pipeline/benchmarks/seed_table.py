"""The table of runs that differ by their seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.fusion.model import JUDGES

_FIRST, _WIDTH = 10, 11


def mistakes(run: Mapping[str, Any], judge: str = "fused") -> dict[str, int]:
    """Photos that `judge` gets wrong at its own threshold, by set."""
    return {
        name: of[judge]["flagged"] + of[judge]["blurred"] - of[judge]["found"]
        for name, of in run["photos"]["sets"].items()
    }


def _figures(run: Mapping[str, Any]) -> dict[str, float | None]:
    """What is compared between runs, by column."""
    photos, validation = run["photos"], run["validation"]
    smear = photos["stacks"].get("smear")
    return {
        **{f"AUC {judge}": photos["pooled"][judge]["auc"]["value"] for judge in JUDGES},
        "recall 1 %": photos["pooled"]["fused"]["recall"]["value"],
        "smear": smear["spearman"] if smear else None,
        "val AUC": validation["fused"]["auc"],
        "val loss": validation["fused"]["log_loss"],
        **{name: float(count) for name, count in mistakes(run).items()},
    }


def spreads(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Smallest, mean, largest and largest minus smallest of each column; None where undefined."""
    columns = [_figures(run) for run in runs]
    found: dict[str, dict[str, float | None]] = {}
    for name in columns[0]:
        values = [value for of in columns if (value := of.get(name)) is not None]
        whole = len(values) == len(runs)
        found[name] = {
            "smallest": min(values) if whole else None,
            "mean": sum(values) / len(values) if whole else None,
            "largest": max(values) if whole else None,
            "largest_minus_smallest": max(values) - min(values) if whole else None,
        }
    return found


def _shown(value: float | None, whole: bool = False) -> str:
    if value is None:
        return "n/a"
    return f"{value:.0f}" if whole else f"{value:.4f}"


def as_text(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line a run, then the spread of each column."""
    spread, sets = spreads(runs), set(mistakes(runs[0]))
    columns = list(spread)

    def line(first: str, cells: Sequence[str]) -> str:
        pairs = zip(cells, columns, strict=True)
        return f"{first:<{_FIRST}}" + "".join(f"{c:>{max(_WIDTH, len(n) + 2)}}" for c, n in pairs)

    lines = [
        "AUC, recall at 1 % false alarms (fused), Spearman of smear: real photos; val: embedded "
        "validation images (fused)",
        f"last {len(sets)} columns: photos judged wrongly by fused at the run's own threshold",
        "",
        line("seed", columns),
    ]
    for run in runs:
        values = _figures(run)
        cells = [_shown(values.get(name), name in sets) for name in columns]
        lines.append(line(str(run["seed"]), cells))
    lines.append("")
    names = {"smallest": "smallest", "mean": "mean", "largest": "largest"}
    for kind, title in {**names, "largest_minus_smallest": "spread"}.items():
        whole = kind != "mean"
        cells = [_shown(spread[name][kind], whole and name in sets) for name in columns]
        lines.append(line(title, cells))
    codes = {code for run in runs for code in run["code"]}
    if len(codes) > 1:
        lines += ["", "note: the code changed between stages or seeds; this is no spread of seeds"]
    return "\n".join(lines)
