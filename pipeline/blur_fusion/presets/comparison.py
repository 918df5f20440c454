"""`python -m blur_fusion.presets.comparison`: presets, baselines and our model in one table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from blur_fusion.data.dataset import LabelledImage
from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.baselines import fit_baselines
from blur_fusion.evaluation.heldout import held_out
from blur_fusion.evaluation.metrics import Draws, difference, measured, with_interval
from blur_fusion.evaluation.report import write_csv
from blur_fusion.model.classifier import PUBLISHED_THRESHOLD, Classifier, LaplacianClassifier, load
from blur_fusion.model.folder import NETWORK, STACK
from blur_fusion.params import Params, load_params
from blur_fusion.presets.drawings import save
from blur_fusion.presets.networks import build
from blur_fusion.presets.params import known_presets, load_preset
from blur_fusion.presets.run import OWN, RULES, SHOWN, VALIDATION, by_rule, judge, read_run

COMPARED = ("auc", "balanced_accuracy", "accuracy")
OUR_NAME = "ours: fused"
_METRICS = {**SHOWN, "balanced_accuracy": "balanced accuracy"}
_COLOURS = {"ours": "#c00000", "preset": "#0060c0", "baseline": "#808080"}
_KNOWN = {  # attributes of a system: heading and format in the table of sizes
    "trained": ("trained", ""),
    "parameters": ("parameters", ","),
    "megabytes": ("MB", ".2f"),
    "ms_per_image": ("ms a photo", ".1f"),
    "training_seconds": ("training, s", ".0f"),
}


@dataclass
class System:
    """One row of the tables.

    Attributes
    ----------
    family : str
        "baseline", "preset" or "ours".
    classifier : Classifier
    rules : dict of float or None
        The `RULES` that apply to it, see :func:`by_rule`.
    trained : str
        How often, and on what.
    parameters : int
    megabytes, training_seconds, ms_per_image : float, optional
        Size of the weights; time of training; time from file to verdict.
    """

    family: str
    classifier: Classifier
    rules: Mapping[str, float | None]
    trained: str
    parameters: int
    megabytes: float | None = None
    training_seconds: float | None = None
    ms_per_image: float | None = None

    def known(self) -> list[Any]:
        """The attributes that `_KNOWN` names."""
        return [getattr(self, name) for name in _KNOWN]


def _baselines(store: Store, params: Params) -> dict[str, System]:
    """A constant, and the Laplacian variance at its published threshold and at ours."""
    constant, ours = fit_baselines(store, params)
    published = LaplacianClassifier(PUBLISHED_THRESHOLD, ours.slope, ours.intercept)
    own, one = {OWN: None}, "one threshold"
    return {
        "constant": System("baseline", constant, own, "not at all", 0),
        f"laplacian < {published.limit:.0f}": System("baseline", published, own, one, 1),
        f"laplacian < {ours.limit:.0f}": System("baseline", ours, {VALIDATION: None}, one, 1),
    }


def _ours(artifacts: Path) -> dict[str, System]:
    """Fused, focus measures alone and CNN alone; the first two share the stack."""
    import onnx

    folder = artifacts / "fuse"
    kernels, stack = onnx.load(folder / NETWORK).graph.initializer, np.load(folder / STACK)
    weights = {
        NETWORK: sum(int(np.prod(kernel.dims)) for kernel in kernels),
        STACK: sum(part.size for part in stack.values()),
    }
    files = {"fused": (NETWORK, STACK), "features": (STACK,), "cnn": (NETWORK,)}
    return {
        f"ours: {name}": System(
            family="ours",
            classifier=load(folder, judge=name),
            rules=dict.fromkeys(RULES),
            trained="stacked out of fold",
            parameters=sum(weights[file] for file in held),
            megabytes=sum((folder / file).stat().st_size for file in held) / 1e6,
        )
        for name, held in files.items()
    }


def _preset(name: str, folder: Path, digest: str) -> System:
    """A trained preset; :class:`BlurError` if there is none, or not for this data set."""
    preset = load_preset(name)
    if not folder.is_dir() and preset.network.backbone:
        build(preset)  # says so if its weights are missing
    require(folder.is_dir(), f"not trained; run 'blur preset {name}'")
    report = read_run(folder)
    line = f"{folder}: trained on other photos than artifacts/load holds; train the preset again"
    require(report["dataset"]["digest"] == digest, line)
    rules = {OWN: None, VALIDATION: report["threshold"]}
    trained = f"once, on {report['trained_on']['train']} pictures"
    known = {name: report[name] for name in ("parameters", "megabytes", "training_seconds")}
    return System("preset", load(folder), rules, trained, **known)


def preset_systems(folder: Path, digest: str) -> tuple[dict[str, System], list[str]]:
    """Find the presets trained on this data set; a line for each that is missing."""
    found, missing = {}, []
    for name in known_presets():
        try:
            found[name] = _preset(name, folder / name, digest)
        except BlurError as error:
            missing.append(f"{name}: not compared: {error}")
    return found, missing


def milliseconds(classifier: Classifier, paths: Sequence[Path]) -> float:
    """Time one photo, from file to verdict."""
    some = paths[:48]
    classifier.predict(some[:4])  # warms up
    began = time.perf_counter()
    for path in some:
        classifier.predict(path)
    return 1000 * (time.perf_counter() - began) / len(some)


@dataclass(frozen=True)
class Part:
    """Figures on one set of photos under one rule.

    Attributes
    ----------
    data, rule : str
    photos, blurred : int
    figures : dict
        By system and metric: value, low, high.
    differences : list of dict
        Ours minus the best preset: metric, preset, value, low, high, excludes_zero.
    """

    data: str
    rule: str
    photos: int
    blurred: int
    figures: dict[str, dict[str, Any]]
    differences: list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """All systems and parts, and notes on what is missing."""

    dataset: str
    systems: dict[str, System]
    parts: list[Part]
    notes: list[str]


def differences(
    figures: Mapping[str, Mapping[str, Any]], draws: Draws, presets: Sequence[str]
) -> list[dict[str, Any]]:
    """Ours minus, for each metric, the preset that does best on these photos.

    Picking the best here favours the presets. Paired bootstrap over scenes (Efron and Tibshirani
    1993).
    """
    found = []
    for metric in COMPARED:
        known = {name: figures[name][metric]["value"] for name in (*presets, OUR_NAME)}
        if presets and None not in known.values():  # all are defined, or none
            best = max(presets, key=lambda name: known[name])
            paired = difference(draws[OUR_NAME][metric], draws[best][metric])
            found.append({"metric": metric, "preset": best, **paired})
    return found


def _parts(
    data: str, images: Sequence[LabelledImage], systems: Mapping[str, System], params: Params
) -> Iterator[Part]:
    """Judge `images` once with every system; give the figures under each rule."""
    classifiers = {name: system.classifier for name, system in systems.items()}
    answered = judge(classifiers, images, data, params.compute.workers)
    rules = {name: by_rule(answered[name], system.rules) for name, system in systems.items()}
    blurred = sum(image.label for image in images)
    for rule in RULES:
        answers = {name: found[rule] for name, found in rules.items() if rule in found}
        figures, draws = measured(images, answers, params)
        presets = [name for name in answers if systems[name].family == "preset"]
        found = differences(figures, draws, presets)
        yield Part(data, rule, len(images), blurred, figures, found)


def compare(artifacts: Path, tested: Sequence[Path], params: Params) -> Comparison:
    """Compare everything that is trained below `artifacts`.

    Parameters
    ----------
    artifacts : Path
        Holds `load`, `fuse` and `presets`; all judge its test photos.
    tested : sequence of Path
        Further data sets to judge.
    params : Params

    Raises
    ------
    BlurError
        Our own model is not trained, or a photo cannot be read.
    """
    store = Store.open(artifacts / "load")
    rows = [row for row in store.rows if row.split == "test"]
    require(bool(rows), f"{artifacts / 'load'}: holds no test photos")
    presets, notes = preset_systems(artifacts / "presets", store.dataset["digest"])
    systems = {**_baselines(store, params), **presets, **_ours(artifacts)}
    parts = [*_parts(store.dataset["name"], rows, systems, params)]
    for folder in tested:
        images, _ = held_out(open_dataset(folder, "auto", params.dataset))
        parts += _parts(folder.resolve().name, images, systems, params)
    for system in systems.values():
        if system.parameters:  # not the constant
            system.ms_per_image = milliseconds(system.classifier, [row.path for row in rows])
    dataset = f"{store.dataset['name']} {store.dataset['digest'][:12]}"
    return Comparison(dataset, systems, parts, notes)


def csv_rows(found: Comparison) -> tuple[list[str], list[list[object]]]:
    """Header and rows of comparison.csv: one for each system, set of photos and rule."""
    columns = {metric: (metric, "value") for metric in SHOWN}
    columns |= {f"{metric}_{end}": (metric, end) for metric in SHOWN for end in ("low", "high")}
    header = ["data", "rule", "system", "photos", "blurred", *columns, *_KNOWN]
    rows: list[list[object]] = []
    for part in found.parts:
        for name, cells in part.figures.items():
            first = part.data, part.rule, name, part.photos, part.blurred
            values = (cells[metric][which] for metric, which in columns.values())
            rows.append([*first, *values, *found.systems[name].known()])
    return header, rows


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return [head, "|---" * len(header) + "|", *lines]


def _part_lines(part: Part) -> Iterator[str]:
    yield f"### {part.data}: {part.photos} photos, {part.blurred} blurred; rule: {part.rule}"
    yield ""
    rows = (
        [name, *(with_interval(values[metric], to="-") for metric in SHOWN)]
        for name, values in part.figures.items()
    )
    yield from _table(["system", *SHOWN.values()], rows)
    yield ""
    for one in part.differences:
        says = "excludes zero" if one["excludes_zero"] else "does not exclude zero"
        against = f"{one['preset']}, the best preset by {_METRICS[one['metric']]}"
        yield f"ours: fused minus {against}: {with_interval(one, '+.3f')}, {says}  "
    yield ""


def markdown(found: Comparison) -> str:
    """The comparison as Markdown."""
    lines = [
        f"Data set {found.dataset}; 95 % intervals by scene. Presets are trained once, as their "
        "authors did; ours is stacked out of fold.",
        "",
        *(f"Rule {rule}: {text}.  " for rule, text in RULES.items()),
        "",
    ]
    for part in found.parts:
        lines += _part_lines(part)
    lines += ["### Size and speed, from file to verdict, one photo after the other", ""]
    headings, forms = zip(*_KNOWN.values(), strict=True)
    rows = []
    for name, system in found.systems.items():
        values = zip(system.known(), forms, strict=True)
        rows.append([name, *("" if value is None else f"{value:{form}}" for value, form in values)])
    lines += [*_table(["system", *headings], rows), "", *(f"{note}  " for note in found.notes)]
    return "\n".join(lines).rstrip() + "\n"


def plot(found: Comparison, path: Path) -> None:
    """Plot balanced accuracy and AUC of each system with intervals, one row for each part."""
    count = len(found.parts)
    figure = Figure(figsize=(10, 0.6 + 3.2 * count), layout="constrained")
    every = figure.subplots(count, 2, squeeze=False)
    for part, line in zip(found.parts, every, strict=True):
        names = list(part.figures)[::-1]
        for axes, metric in zip(line, ("balanced_accuracy", "auc"), strict=True):
            for place, name in enumerate(names):
                colour, cell = _COLOURS[found.systems[name].family], part.figures[name][metric]
                value, low, high = np.array([*cell.values()], np.float64)  # None is NaN: not drawn
                axes.plot([low, high], [place, place], color=colour, lw=2)
                axes.plot(value, place, "o", color=colour)
            axes.set_yticks(range(len(names)), [""] * len(names))
            axes.set_xlim(0, 1.02)  # a dot at 1 stays whole
            axes.grid(axis="x", color="#dddddd")
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.set_title(f"{part.data}, {part.rule} rule: {_METRICS[metric]}", fontsize=10)
        line[0].set_yticklabels(names)
    save(figure, path)


def write(found: Comparison, folder: Path) -> None:
    """Write comparison.csv, comparison.md and comparison.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "comparison.csv", *csv_rows(found))
    (folder / "comparison.md").write_text(markdown(found), encoding="utf-8")
    plot(found, folder / "comparison.png")


_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, type=_PATH)
@click.option("--model-dir", type=_PATH, default="artifacts", help="Holds load, fuse and presets.")
@click.option("--params", "params_file", type=_PATH, default="params.yaml", help="Of the run.")
@click.option("--out", type=_PATH, default="artifacts/comparison", help="Folder of the result.")
def comparison_command(
    folders: tuple[Path, ...], model_dir: Path, params_file: Path, out: Path
) -> None:
    """Compare all trained presets, the baselines and our model on our test photos.

    The photos of FOLDERS are judged as well; nothing is trained on them. Writes comparison.csv,
    comparison.md and comparison.png.
    """
    found = compare(model_dir, folders, load_params(params_file))
    write(found, out)
    click.echo(markdown(found), nl=False)
    click.echo(f"written to {out}", err=True)


if __name__ == "__main__":
    run(comparison_command)
