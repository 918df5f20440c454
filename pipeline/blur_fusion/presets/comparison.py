"""All presets, baselines and our own model on the same test photos, in one table.

`python -m blur_fusion.presets.comparison` compares; with --time-training it measures first how long
our own model takes to train, in a folder that is deleted afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
from blur_fusion.evaluation.baselines import fit_constant, fit_laplacian, laplacian_variances
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.evaluation.heldout import held_out
from blur_fusion.evaluation.metrics import Answers, Draws, difference, figure, interval, measured
from blur_fusion.evaluation.report import OURS, as_json
from blur_fusion.model.classifier import (
    PUBLISHED_THRESHOLD,
    BlurDetector,
    Classifier,
    LaplacianClassifier,
    PresetClassifier,
)
from blur_fusion.model.folder import NETWORK, STACK
from blur_fusion.params import Params, load_params
from blur_fusion.presets.drawings import save
from blur_fusion.presets.networks import build
from blur_fusion.presets.params import known_presets, load_preset
from blur_fusion.presets.run import OWN, RULES, SHOWN, VALIDATION, by_rule, judge, read_run

TIMED = 48  # photos, from file to verdict
COMPARED = ("auc", "balanced_accuracy", "accuracy")
OUR_NAME = "ours: fused"
STAGES = ("cnn", "features", "fuse")  # those that train
TRAINING = Path("ours/training.json")
ROOT = Path(__file__).resolve().parents[3]
_KNOWN = ("trained", "parameters", "megabytes", "ms_per_image", "training_seconds")
_METRICS = {**SHOWN, "balanced_accuracy": "balanced accuracy"}
_COLOURS = {"ours": "#c00000", "preset": "#0060c0", "baseline": "#808080"}


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes
    ----------
    family : str
        "baseline", "preset" or "ours".
    classifier : Classifier
    rules : tuple of str
        Those by which it can judge.
    trained : str
        How often, and on what.
    parameters : int
    threshold : float, optional
        A preset's, from our validation images.
    megabytes, seconds : float, optional
        Size of the weights, and time of training.
    """

    family: str
    classifier: Classifier
    rules: tuple[str, ...]
    trained: str
    parameters: int
    threshold: float | None = None
    megabytes: float | None = None
    seconds: float | None = None

    def by_rule(self, answers: Answers) -> dict[str, Answers]:
        """The classifier's answers by each of its rules."""
        if self.threshold is not None:
            return by_rule(answers, self.threshold)
        return dict.fromkeys(self.rules, answers)


def _baselines(store: Store, params: Params) -> dict[str, System]:
    """Always "blurred", and the Laplacian variance at its published threshold and at ours."""
    train, held = (np.flatnonzero(store.splits == name) for name in ("train", "validation"))
    variances = laplacian_variances([store.rows[i].path for i in held], params.compute.workers)
    rate = params.threshold.max_false_alarm_rate
    ours = fit_laplacian(store.labels[held], variances, rate)
    published = LaplacianClassifier(PUBLISHED_THRESHOLD, ours.slope, ours.intercept)
    constant = fit_constant(store.labels[train])
    one = "one threshold"
    return {
        "constant": System("baseline", constant, (OWN,), "not at all", 0),
        f"laplacian < {published.limit:.0f}": System("baseline", published, (OWN,), one, 1),
        f"laplacian < {ours.limit:.0f}": System("baseline", ours, (VALIDATION,), one, 1),
    }


def _ours(artifacts: Path) -> dict[str, System]:
    """Fused, CNN alone and focus measures alone; the stack serves both that have it."""
    import onnx

    folder, systems = artifacts / "fuse", {}
    try:
        seconds = float(json.loads((artifacts / TRAINING).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        seconds = None  # not measured
    for name in OURS[::-1]:
        classifier = BlurDetector(folder, judge=name)
        parameters, size = 0, 0
        if name != "features":
            held = onnx.load(folder / NETWORK).graph.initializer
            parameters += sum(int(np.prod(weights.dims)) for weights in held)
            size += (folder / NETWORK).stat().st_size
        if name != "cnn":
            parameters += sum(part.size for part in classifier.model.stack.arrays().values())
            size += (folder / STACK).stat().st_size
        systems[f"ours: {name}"] = System(
            family="ours",
            classifier=classifier,
            rules=(OWN, VALIDATION),
            trained="stacked out of fold",
            parameters=parameters,
            megabytes=size / 1e6,
            seconds=seconds if name == "fused" else None,
        )
    return systems


def _preset(folder: Path, digest: str) -> System:
    """A trained preset as a row of the table.

    Raises
    ------
    BlurError
        It is damaged, or its training photos may be among those that are compared here.
    """
    report = read_run(folder)
    line = f"{folder}: trained on other photos than artifacts/load holds; train the preset again"
    require(report["dataset"]["digest"] == digest, line)
    return System(
        family="preset",
        classifier=PresetClassifier(folder),
        rules=(OWN, VALIDATION),
        trained=f"once, on {report['trained_on']['train']} pictures",
        parameters=int(report["parameters"]),
        threshold=float(report["threshold"]),
        megabytes=float(report["megabytes"]),
        seconds=float(report["training_seconds"]),
    )


def preset_systems(folder: Path, digest: str) -> tuple[dict[str, System], list[str]]:
    """Every preset that is trained on the data set, and a line for each that is not."""
    found, missing = {}, []
    for name in known_presets():
        try:
            require((folder / name).is_dir(), _why_not(name))
            found[name] = _preset(folder / name, digest)
        except BlurError as error:
            missing.append(f"{name}: not compared: {error}")
    return found, missing


def _why_not(name: str) -> str:
    """Why a preset is not trained: its weights may be what is missing."""
    preset = load_preset(name)
    if preset.network.backbone:
        build(preset)
    return f"not trained; run 'blur preset {name}'"


def milliseconds(classifier: Classifier, paths: Sequence[Path]) -> float:
    """Of a photo, from file to verdict; the first ones only warm up."""
    some = list(paths[:TIMED])
    for path in some[:4]:
        classifier.predict(path)
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
    figures : dict of system -> metric -> value, low, high; and counts
    differences : list of dict
        Ours minus the best preset: `metric`, `preset`, value, low, high, excludes_zero.
    """

    data: str
    rule: str
    photos: int
    blurred: int
    figures: dict[str, dict[str, Any]]
    differences: list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """All parts, what is known of each system (`_KNOWN`), and lines on what is missing."""

    dataset: str
    systems: dict[str, dict[str, Any]]
    parts: list[Part]
    notes: list[str]


def differences(
    figures: Mapping[str, Mapping[str, Any]], draws: Draws, presets: Sequence[str]
) -> list[dict[str, Any]]:
    """Ours minus, for each metric, the preset that does best on these very photos.

    To pick the best here favours the presets. The difference is taken on each resample of scenes
    (paired bootstrap; Efron and Tibshirani 1993).
    """
    found = []
    for metric in COMPARED:
        known = [name for name in presets if figures[name][metric]["value"] is not None]
        if not known or figures[OUR_NAME][metric]["value"] is None:
            continue
        best = max(known, key=lambda name: figures[name][metric]["value"])
        paired = difference(draws[OUR_NAME][metric], draws[best][metric])
        found.append({"metric": metric, "preset": best, **paired})
    return found


def _parts(
    data: str, images: Sequence[LabelledImage], systems: Mapping[str, System], params: Params
) -> Iterator[Part]:
    """Figures on `images`, which every system judges once, under each rule."""
    classifiers = {name: system.classifier for name, system in systems.items()}
    answered = judge(classifiers, images, data, params.compute.workers)
    rules = {name: system.by_rule(answered[name]) for name, system in systems.items()}
    blurred = sum(image.label for image in images)
    for rule in RULES:
        answers = {name: found[rule] for name, found in rules.items() if rule in found}
        figures, draws = measured(images, answers, params)
        presets = [name for name in answers if systems[name].family == "preset"]
        found = differences(figures, draws, presets)
        yield Part(data, rule, len(images), blurred, figures, found)


def compare(artifacts: Path, tested: Sequence[Path], params: Params) -> Comparison:
    """Everything that is trained below `artifacts`, on its test photos and on other folders.

    Parameters
    ----------
    artifacts : Path
        Holds `load`, `fuse` and `presets`.
    tested : sequence of Path
        Data sets that are judged only.
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
    paths, known = [row.path for row in rows], {}
    for name, system in systems.items():
        speed = milliseconds(system.classifier, paths) if system.parameters else None
        values = system.trained, system.parameters, system.megabytes, speed, system.seconds
        known[name] = {"family": system.family, **dict(zip(_KNOWN, values, strict=True))}
    dataset = f"{store.dataset['name']} {store.dataset['digest'][:12]}"
    return Comparison(dataset, known, parts, notes)


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


def _figure(found: dict[str, Any]) -> str:
    spread = interval(found)
    return f"{figure(found)} ({spread})" if spread else figure(found)


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
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
        spread = interval(one, "+.3f", " to ") or "n/a"
        yield (
            f"ours: fused minus {one['preset']}, the best preset by {_METRICS[one['metric']]}: "
            f"{one['value']:+.3f} ({spread}), {says}  "
        )
    yield ""


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
    lines += ["### Size and speed, from file to verdict, one photo after the other", ""]
    header = ("system", "trained", "parameters", "MB", "ms a photo", "training, s")
    rows = []
    for name, known in found.systems.items():
        values = zip((known[key] for key in _KNOWN), ("", ",", ".2f", ".1f", ".0f"), strict=True)
        rows.append([name, *("" if value is None else f"{value:{form}}" for value, form in values)])
    lines += [*_markdown_table(header, rows), "", *(f"{note}  " for note in found.notes)]
    return "\n".join(lines).rstrip() + "\n"


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
                colour = _COLOURS[found.systems[name]["family"]]
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


def training_seconds(project: Path) -> dict[str, float]:
    """Seconds of each stage that trains, on what `load` stored in `project`.

    Raises
    ------
    BlurError
        There are no stored images, or a stage fails.
    """
    load = (project / "artifacts" / "load").resolve()
    require(load.is_dir(), f"{load}: no such folder; run 'make repro' first")
    paths = os.pathsep.join([f"{ROOT}/pipeline", str(ROOT), os.environ.get("PYTHONPATH", "")])
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "load").symlink_to(load)
        (folder / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
        if (project / "data").is_dir():
            (folder / "data").symlink_to((project / "data").resolve())
        for name in STAGES:
            began = time.perf_counter()
            command = [sys.executable, "-m", f"stages.{name}"]
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, check=False
            )
            line = f"stage {name}: ended with status {done.returncode}; see above"
            require(not done.returncode, line)
            seconds[name] = time.perf_counter() - began
    return seconds


def _time_training(path: Path) -> None:
    stages = training_seconds(Path("."))
    found = {"stages": stages, "seconds": sum(stages.values())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(found), encoding="utf-8")
    click.echo(f"our training: {found['seconds']:.0f} s")


_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, type=_PATH)
@click.option("--model-dir", type=_PATH, default="artifacts", help="Holds load, fuse and presets.")
@click.option("--params", "params_file", type=_PATH, default="params.yaml", help="Of the run.")
@click.option("--out", type=_PATH, default="artifacts/comparison", help="Folder of the result.")
@click.option("--time-training", is_flag=True, help="Only train ours once more, and time that.")
def comparison_command(
    folders: tuple[Path, ...], model_dir: Path, params_file: Path, out: Path, time_training: bool
) -> None:
    """Compare all trained presets, the baselines and our model on our test photos.

    The photos of FOLDERS are judged as well; nothing is trained on them. Written are
    comparison.csv, .md and .png.
    """
    if time_training:
        _time_training(model_dir / TRAINING)
        return
    found = compare(model_dir, folders, load_params(params_file))
    write(found, out)
    click.echo(markdown(found), nl=False)
    click.echo(f"written to {out}", err=True)


if __name__ == "__main__":
    run(comparison_command)
