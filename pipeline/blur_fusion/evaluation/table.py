"""The tables that `make repro` and `blur test` print, from the contents of metrics.json."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from blur_fusion.errors import run
from blur_fusion.evaluation.metrics import (
    COMPARED,
    HEADINGS,
    KINDS,
    figure,
    interval,
    with_interval,
)
from blur_fusion.evaluation.report import Report, read_report
from blur_fusion.evaluation.robustness import JUDGES

MODELS = ("constant", "laplacian_470", "laplacian", "cnn", "features", "fused")


def _line(first: object, cells: Iterable[object], more: str = "") -> str:
    return f"{first:<17}" + "".join(f"{cell:>13}" for cell in cells) + more


def difference_lines(differences: Mapping[str, Any]) -> Iterator[str]:
    """The entry `differences`: a line for each pair and metric."""
    for pair, metrics in differences.items():
        for metric in COMPARED:
            found = metrics[metric]
            says = "excludes zero" if found["excludes_zero"] else "does not exclude zero"
            what = f"{pair.replace('_', ' ')}, {metric.replace('_', ' ').replace('log ', 'log-')}"
            yield f"{what}: {with_interval(found, '+.3f')}, {says}"


def kind_lines(kinds: Mapping[str, Any]) -> Iterator[str]:
    """The entry `kinds`; nothing if no blurred image has a known kind."""
    confusion, blur = kinds["confusion"], kinds["blur"]
    if not any(sum(confusion[kind].values()) for kind in KINDS[1:]):
        return
    yield (
        f"kind named rightly: {with_interval(kinds['accuracy'])} of {kinds['images']} images; "
        f"defocus or motion: {with_interval(blur['accuracy'])} of {blur['images']} called blurred"
    )
    yield ""
    yield from confusion_lines({kind: confusion[kind] for kind in KINDS})


def doubt_lines(doubt: Mapping[str, Any]) -> Iterator[str]:
    """The entry `doubt`; nothing if no verdict is unsure."""
    if not doubt["unsure"]["images"]:
        return
    share, alarms, misses = (doubt[name] for name in ("unsure", "false_alarms", "misses"))
    yield (
        f"unsure: {with_interval(share, '.1%')}, {share['images']} of {share['of']} images; "
        f"of the others wrong: {with_interval(alarms, '.1%')} of {alarms['of']} sharp, "
        f"{with_interval(misses, '.1%')} of {misses['of']} blurred"
    )


def confusion_lines(confusion: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A confusion matrix with a line for each true class."""
    yield _line(f"{'named:':>17}", confusion)
    for true, named in confusion.items():
        yield _line(true, (named[name] for name in confusion))


def robustness_lines(robustness: Mapping[str, Any]) -> Iterator[str]:
    """The entry `robustness`: a line for each perturbation, their mean, and the ratio."""
    images, mean = robustness["images"], robustness["mean"]

    def line(name: str, count: object, text: Callable[..., str], row: Any, causes: str = "") -> str:
        return _line(f"{name:<17}{count:>6}", (text(row[judge], ".1%") for judge in JUDGES), causes)

    yield (
        f"verdicts that flip, of {images['sharp']} sharp and {images['blurred']} blurred images "
        f"of {images['scenes']} scenes"
    )
    yield ""
    causes = "   fused: sharp flagged, blurred missed, put right"
    yield _line(f"{'':<17}images", JUDGES, causes)
    for row in robustness["perturbations"]:
        split = (str(row["fused"][key]) for key in ("sharp_flagged", "blurred_missed", "put_right"))
        causes = f"   {', '.join(split)}" if row["images"] else ""
        yield line(row["name"], row["images"], figure, row, causes)
    yield line("mean", "", figure, mean)
    yield line("", "", interval, mean)
    ratio = with_interval(robustness["fused_to_laplacian"], ".2f")
    yield f"flips of fused for each one of laplacian: {ratio}"


def models_of(report: Report) -> list[str]:
    """The models whose figures `report` holds: ours in order, then others."""
    held = [name for name, part in report.items() if isinstance(part, dict) and "overall" in part]
    return [name for name in MODELS if name in held] + [n for n in held if n not in MODELS]


def found_and_flagged(counts: Mapping[str, int]) -> str:
    """For example "found 15 of 16 blurred, flagged 1 of 8 sharp"."""
    found = f"found {counts['found']} of {counts['blurred']} blurred"
    return f"{found}, flagged {counts['flagged']} of {counts['sharp']} sharp"


def figure_lines(
    chosen: Mapping[str, Mapping[str, Any]], headings: Mapping[str, str] = HEADINGS
) -> Iterator[str]:
    """Figures of each model, with their intervals below."""
    yield _line("", headings.values())
    for name, values in chosen.items():
        yield _line(name, (figure(values[metric]) for metric in headings))
        if (spreads := _line("", (interval(values[metric]) for metric in headings))).strip():
            yield spreads


def _model_lines(chosen: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from figure_lines(chosen)
    yield ""
    for name, values in chosen.items():
        yield f"{name:<17} {found_and_flagged(values['counts'])}"


def _mcnemar_lines(tests: Mapping[str, Any]) -> Iterator[str]:
    for key, text in (("all_images", "all images"), ("one_image_per_scene", "one per scene")):
        test = tests[key]
        p = "p < 0.0001" if test["p_value"] < 0.0001 else f"p = {test['p_value']:.4f}"
        yield (
            f"McNemar, cnn against fused, {text} ({test['images']}): only cnn right "
            f"{test['first_only_right']}, only fused right {test['second_only_right']}, {p}"
        )


def render(report: Report) -> str:
    """The whole table, from metrics.json or `blur_fusion.evaluation.heldout.judge_held_out`."""
    dataset, names = report["dataset"], {model: model for model in models_of(report)}
    if "laplacian_470" in names:  # two rows of one name
        names |= {"laplacian": "laplacian (ours)", "laplacian_470": "laplacian (470)"}
    lines = [
        f"data set {dataset['name']} {dataset['digest'][:12]}: {dataset['images']} images of "
        f"{dataset['scenes']} scenes, {dataset['blurred']} blurred",
        f"95 % intervals below each figure, from {report['interval']['resamples']} resamples "
        "by scene",
        "",
        *_model_lines({names[model]: report[model]["overall"] for model in names}),
    ]
    subsets = dataset["subsets"]
    for subset in subsets if len(subsets) > 1 else ():
        lines += ["", f"subset {subset or '(none)'}: {subsets[subset]} images", ""]
        lines += _model_lines({names[m]: report[m]["subsets"][subset] for m in names})
    blocks = {
        "mcnemar": _mcnemar_lines,
        "differences": difference_lines,
        "doubt": doubt_lines,
        "kinds": kind_lines,
        "robustness": robustness_lines,
    }
    for entry, lines_of in blocks.items():
        block = list(lines_of(report[entry])) if entry in report else []
        lines += ["", *block] if block else []
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Print the table of the named metrics.json, or of the last run."""
    path = sys.argv[1] if len(sys.argv) > 1 else "artifacts/evaluate/metrics.json"
    print(render(read_report(Path(path))))


if __name__ == "__main__":
    run(main)
