"""`python -m docs.generate` (`make docs`): the generated parts of README and docs.

A part stands between two comments, `generated: NAME` and `end`, and has a function here. It comes
from the command line's own help, metrics.json, dvc.yaml, or from tracing how a photo is judged.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import yaml
from click.testing import CliRunner

import blur_fusion
from blur_fusion.cli.main import blur
from blur_fusion.data.layouts import LAYOUTS
from blur_fusion.errors import one_line_errors
from blur_fusion.evaluation.metrics import HEADINGS, figure, with_interval
from blur_fusion.evaluation.report import Report, read_report
from blur_fusion.evaluation.robustness import JUDGES
from blur_fusion.evaluation.table import difference_lines, kind_lines, models_of
from blur_fusion.features.measures import MEASURES

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = Path(blur_fusion.__file__).parent
REPORTS = {
    "The model that ships": "artifacts/release/evaluate/metrics.json",
    "The default budget": "artifacts/evaluate/metrics.json",
}
_PART = re.compile(
    r"(?P<head>^(?:<!-- |# )generated: (?P<name>[\w-]+)(?: -->)?\n)"
    r".*?(?P<tail>^(?:<!-- |# )end(?: -->)?$)",
    re.MULTILINE | re.DOTALL,
)
PARTS: dict[str, Callable[[], str]] = {}


def part(function: Callable[[], str]) -> Callable[[], str]:
    """Register the function that writes the part of its name."""
    PARTS[function.__name__.replace("_", "-")] = function
    return function


def filled(text: str) -> str:
    """A page with all its parts regenerated."""
    return _PART.sub(lambda found: found["head"] + PARTS[found["name"]]() + found["tail"], text)


def pages() -> list[Path]:
    """README and docs/*.md."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], (*words, name))


@part
def cli() -> str:
    """The help of each command."""
    text = ""
    for words in _commands(blur):
        asked = [*words, "--help"]
        said = CliRunner().invoke(blur, asked, prog_name="blur", terminal_width=80).stdout
        text += f"\n## {' '.join(('blur', *words))}\n\n```text\n{said.strip()}\n```\n"
    return text + "\n"


def _mermaid(lines: Iterable[str]) -> str:
    return "\n".join(("```mermaid", *lines, "```", ""))


def _first_line(path: Path) -> str:
    found = re.match(r'"""(.*?)(?:"""|\n)', path.read_text("utf-8"))
    return found[1].replace('"', "'").rstrip(".") if found else ""


@part
def photo_way() -> str:
    """Which file calls which while a photo is judged, in the order of the first call."""
    calls: dict[tuple[str, str], list[str]] = {}

    def name(frame: Any) -> str:
        path = Path(frame.f_code.co_filename)
        return path.relative_to(LIBRARY).with_suffix("").as_posix()

    def ours(frame: Any) -> bool:
        return frame is not None and Path(frame.f_code.co_filename).is_relative_to(LIBRARY)

    def watch(frame: Any, event: str, _: object) -> None:
        if event != "call" or not ours(frame) or "<" in (function := frame.f_code.co_qualname):
            return
        caller = frame.f_back
        while caller is not None and not ours(caller):
            caller = caller.f_back
        pair = (name(caller), name(frame)) if caller is not None else ("", "")
        shared = any(place.startswith(("native", "errors", "startup")) for place in pair)
        if pair[0] != pair[1] and not shared and function not in calls.setdefault(pair, []):
            calls[pair].append(function)

    classifier = blur_fusion.load()
    with tempfile.TemporaryDirectory() as folder:
        photo = f"{folder}/photo.jpg"
        cv2.imwrite(photo, np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8))
        classifier.predict([photo])
        sys.setprofile(watch)
        classifier.predict([photo])
        sys.setprofile(None)
    calls = {pair: functions for pair, functions in calls.items() if functions}
    places = list(dict.fromkeys(place for pair in calls for place in pair))
    lines = ["flowchart TD"]
    for place in places:
        about = _first_line(LIBRARY / f"{place}.py")
        lines.append(f'  {place.replace("/", "_")}["<b>{place}</b><br>{about}"]')
    for number, ((caller, called), functions) in enumerate(calls.items(), 1):
        more = f" and {len(functions) - 1} more" if len(functions) > 1 else ""
        ends = (caller.replace("/", "_"), called.replace("/", "_"))
        lines.append(f'  {ends[0]} -->|"{number}. {functions[0]}{more}"| {ends[1]}')
    return _mermaid(lines)


@part
def model_way() -> str:
    """The stages of dvc.yaml and what each takes from the others."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    made: dict[str, str] = {}
    lines = ["flowchart TD"]
    for stage, spec in stages.items():
        lines.append(f'  {stage}["<b>{stage}</b><br>{spec["desc"]}"]')
        for out in spec["outs"]:
            made[out if isinstance(out, str) else next(iter(out))] = stage
    for stage, spec in stages.items():
        for path in spec["deps"]:
            path = path.replace("${dataset.root}/${dataset.name}", "data/sample")
            if path in made:
                lines.append(f'  {made[path]} -->|"{path}"| {stage}')
    lines.append('  fuse -->|"make release, blur export"| shipped["<b>the model folder</b>"]')
    return _mermaid(lines)


@part
def measures() -> str:
    """The table of focus measures."""
    rows = ([m.name.replace("_", " "), _first(m.function), m.source] for m in MEASURES)
    return _table(("measure", "what it is", "source"), rows)


def _first(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").splitlines()[0].rstrip(".").replace("|", "\\|")


@part
def layouts() -> str:
    """The layouts of data sets."""
    return _table(("layout", "what it is"), ([f"`{n}`", x.about] for n, x in LAYOUTS.items()))


@cache
def _reports() -> dict[str, Report]:
    return {title: read_report(ROOT / path) for title, path in REPORTS.items()}


def _figures(chosen: Mapping[str, Mapping[str, Any]]) -> str:
    rows = (
        [name, *(with_interval(values[metric], to="-") for metric in HEADINGS)]
        for name, values in chosen.items()
    )
    return _table(("", *HEADINGS.values()), rows)


def _result(title: str, report: Report) -> Iterator[str]:
    about, models = report["dataset"], models_of(report)
    yield f"\n## {title}\n\n"
    yield (
        f"{about['images']} test images of {about['scenes']} scenes, {about['blurred']} blurred; "
        f"data set {about['digest'][:12]}.\n\n"
    )
    yield _figures({model: report[model]["overall"] for model in models})
    for subset, count in about["subsets"].items():
        yield f"\n### {subset.capitalize()} blur: {count} images\n\n"
        yield _figures({model: report[model]["subsets"][subset] for model in models})
    yield "\n### Differences\n\n"
    yield "".join(f"- {line}\n" for line in difference_lines(report["differences"]))
    yield f"\n### Kinds of blur\n\n{next(kind_lines(report['kinds']))}.\n"
    robustness = report["robustness"]
    yield "\n### Verdicts that flip when a picture is changed\n\n"
    rows = [*robustness["perturbations"], {"name": "mean", **robustness["mean"]}]
    kept = (row for row in rows if row.get("images") != 0)
    yield _table(
        ("", *JUDGES), ([row["name"], *(figure(row[j], ".1%") for j in JUDGES)] for row in kept)
    )


@part
def results() -> str:
    """The figures of both models."""
    return "".join("".join(_result(*item)) for item in _reports().items()) + "\n"


@part
def card() -> str:
    """The head of the model card, as model hubs read it."""
    report = _reports()["The model that ships"]
    values = report["fused"]["overall"]
    named = {"accuracy": "accuracy", "roc_auc": "auc", "recall": "recall"}
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": "Blur Fusion's embedded test images", "type": "rendered"},
        "metrics": [
            {"type": kind, "value": round(values[metric]["value"], 3)}
            for kind, metric in named.items()
        ],
    }
    head = {
        "license": "mit",
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["blur-detection", "image-quality", "onnx"],
        "model-index": [{"name": "blur-fusion", "results": [result]}],
    }
    return yaml.safe_dump(head, sort_keys=False)


@part
def card_figures() -> str:
    """Metrics of the model that ships."""
    report = _reports()["The model that ships"]
    return "\n" + _figures({model: report[model]["overall"] for model in models_of(report)}) + "\n"


@part
def card_origin() -> str:
    """Where the model that ships comes from."""
    folder = LIBRARY / "model" / "shipped"
    made = json.loads((folder / "provenance.json").read_text("utf-8"))
    about = json.loads((folder / "model.json").read_text("utf-8"))
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return (
        f"- Data set `{made['dataset']['name']}`, digest {made['dataset']['digest'][:12]}: "
        f"{made['params']['sample.training_scenes']} scenes to train on, rendered from seed "
        f"{made['params']['seed']}.\n"
        f"- Trained with {versions}.\n"
        f"- {len(about['files'])} files, {size:.2f} MB, format {about['format']}; long side of the "
        f"working image {about['long_side']} pixels; {len(about['features']['names'])} values of "
        f"focus measures.\n"
    )


@part
def comparison() -> str:
    """A table of ours and others; what was measured by hand is in comparison.json."""
    measured = json.loads((ROOT / "docs" / "comparison.json").read_text("utf-8"))
    reports = dict(zip(("release", "default"), _reports().values(), strict=True))

    def cell(row: Mapping[str, str], column: str) -> str:
        value = row.get(column, "")
        asked = re.fullmatch(r"(release|default):(\w+)", value)
        return figure(reports[asked[1]][asked[2]]["overall"]["auc"]) if asked else value

    columns = measured["columns"]
    table = _table(columns, ([cell(r, c) for c in columns] for r in measured["rows"]))
    ours = (with_interval(r["fused"]["overall"]["auc"]) for r in reports.values())
    line = "The AUC of the model that ships is {}, of the default budget {}: 95 % intervals, each"
    return f"\n{table}\n{line.format(*ours)}\non its own test images.\n"


def main() -> None:
    """Write the pages that changed."""
    for path in pages():
        text = path.read_text("utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    with one_line_errors():
        main()
