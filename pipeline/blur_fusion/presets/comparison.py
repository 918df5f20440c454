"""All presets, baselines and our own model on the same test photos, in one table."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from blur_fusion.data.dataset import LabelledImage
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.baselines import fit_constant, fit_laplacian, laplacian_variances
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.evaluation.heldout import held_out
from blur_fusion.evaluation.metrics import Answers, Draws, difference, figure, interval, measured
from blur_fusion.evaluation.report import OURS
from blur_fusion.features.summary import describe
from blur_fusion.fusion.stack import Ensemble
from blur_fusion.images.photo import working_image
from blur_fusion.model.classifier import PUBLISHED_THRESHOLD, Classifier, LaplacianClassifier
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params
from blur_fusion.presets.drawings import save
from blur_fusion.presets.figures import RULES, SHOWN
from blur_fusion.presets.gallery import PREDICTIONS, read_run
from blur_fusion.presets.layouts import read_any
from blur_fusion.presets.networks import build
from blur_fusion.presets.params import LayoutParams, known_presets, load_preset
from blur_fusion.presets.trained import Trained

OWN, VALIDATION = "own", "validation"  # the two rules; see blur_fusion.presets.figures.RULES
TIMED = 48  # photos, from file to verdict

ByRule = dict[str, Answers]  # a system may lack one


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes
    ----------
    name : str
    trained : str
        How often, and on what.
    test : dict of Answers
        Answers on the embedded test photos, by rule.
    judge : callable
        Answers on other photos.
    parameters : int
    megabytes, milliseconds, seconds : float, optional
        Size of the weights, time for a photo from file to verdict, and of training.
    """

    name: str
    trained: str
    test: ByRule
    judge: Callable[[Sequence[LabelledImage]], ByRule]
    parameters: int
    megabytes: float | None
    milliseconds: float | None
    seconds: float | None


def timed(judge: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Milliseconds a photo; the first ones only warm up."""
    some = list(paths[:TIMED])
    for path in some[:4]:
        judge(path)
    began = time.perf_counter()
    for path in some:
        judge(path)
    return 1000 * (time.perf_counter() - began) / len(some)


def baseline_systems(store: Store, test: Sequence[int], params: Params) -> list[System]:
    """Always "blurred", and the Laplacian variance at its published threshold and at ours."""
    train, held = (np.flatnonzero(store.splits == name) for name in ("train", "validation"))
    variances = laplacian_variances([store.rows[i].path for i in held], params.compute.workers)
    rate = params.threshold.max_false_alarm_rate
    ours = fit_laplacian(store.labels[held], variances, rate)
    published = LaplacianClassifier(PUBLISHED_THRESHOLD, ours.slope, ours.intercept)
    rows = [store.rows[i] for i in test]
    return [
        _baseline_system("constant", fit_constant(store.labels[train]), OWN, rows),
        _baseline_system(f"laplacian < {published.limit:.0f}", published, OWN, rows),
        _baseline_system(f"laplacian < {ours.limit:.0f}", ours, VALIDATION, rows),
    ]


def _baseline_system(
    name: str, classifier: Classifier, rule: str, rows: Sequence[LabelledImage]
) -> System:
    def judge(images: Sequence[LabelledImage]) -> ByRule:
        return {rule: Answers.of(classifier.predict([str(image.path) for image in images]))}

    fitted = isinstance(classifier, LaplacianClassifier)
    return System(
        name=name,
        trained="one threshold" if fitted else "not at all",
        test=judge(rows),
        judge=judge,
        parameters=int(fitted),
        megabytes=None,
        milliseconds=timed(classifier.predict, [row.path for row in rows]) if fitted else None,
        seconds=None,
    )


def _weights(stack: Any) -> dict[str, int]:
    """Number of weights of each ensemble of a stack."""
    return {
        name: sum(1 + sum(k.size + b.size for k, b in member.layers) for member in part.members)
        for name, part in vars(stack).items()
        if isinstance(part, Ensemble)
    }


def _training_seconds(path: Path) -> float | None:
    """What `blur_fusion.presets.training_time` measured; None where it did not run."""
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_detector(models: Path, params: Params) -> Any:
    """The detector under `models`."""
    from blur_fusion.model.scores import Detector

    return Detector.load(models / "cnn", models / "fuse", params)


def judged_models(scores: Any) -> dict[str, Answers]:
    """The detector's three answers."""
    values = {name: getattr(scores, name) for name in OURS}
    return {name: Answers(one, one >= scores.thresholds[name]) for name, one in values.items()}


def our_systems(store: Store, test: Sequence[int], models: Path, params: Params) -> list[System]:
    """Fused, CNN alone and focus measures alone, from the trained artefacts."""
    detector, side = load_detector(models, params), params.image.long_side
    scores = detector.predict(store.image(i) for i in shown(test, len(test), "ours"))
    answers = judged_models(scores)

    def judge(name: str, images: Sequence[LabelledImage]) -> ByRule:
        paths = [image.path for image in images]
        pixels = ordered_map(lambda path: working_image(path, side), paths, params.compute.workers)
        found = judged_models(detector.predict(pixels))[name]
        return {OWN: found, VALIDATION: found}

    paths = [store.rows[i].path for i in test]
    steps: dict[str, Callable[[Path], object]] = {
        "fused": lambda path: detector.predict([working_image(path, side)]),
        "cnn": lambda path: detector.network.logits([working_image(path, side)]),
        "features": lambda path: describe(working_image(path, side), params.features),
    }
    network = int(getattr(detector.network, "model").count_params())  # noqa: B009
    stack = _weights(detector.model.stack)
    parameters = {
        "fused": network + sum(stack.values()),
        "cnn": network,
        "features": stack["features"],
    }
    tables = [p for p in (models / "fuse").glob("*.npz") if p.name != "validation.npz"]
    sizes = {
        "cnn": (models / "cnn" / "final.weights.h5").stat().st_size,
        "features": (models / "fuse" / "features.npz").stat().st_size,
    }
    sizes["fused"] = sizes["cnn"] + sum(path.stat().st_size for path in tables)
    seconds = {"fused": _training_seconds(models / "ours" / "training.json")}
    return [
        System(
            name=f"ours: {name}",
            trained="stacked out of fold",
            test={OWN: answers[name], VALIDATION: answers[name]},
            judge=lambda images, name=name: judge(name, images),  # type: ignore[misc]
            parameters=parameters[name],
            megabytes=sizes[name] / 1e6,
            milliseconds=timed(steps[name], paths),
            seconds=seconds.get(name),
        )
        for name in OURS
    ]


def _predictions(folder: Path, rows: Sequence[LabelledImage]) -> tuple[Any, Any]:
    """P(blurred) and verdicts of the test rows, as the preset's run wrote them.

    Raises
    ------
    BlurError
        They are of other photos.
    """
    path = folder / PREDICTIONS
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = [line for line in csv.DictReader(file) if line["split"] == "test"]
        values = np.array([float(line["probability"]) for line in lines])
        verdicts = np.array([line["verdict"] == "1" for line in lines], dtype=np.bool_)
    except (OSError, ValueError, KeyError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); train the preset again") from None
    same = [(line["name"], int(line["label"])) for line in lines]
    require(
        same == [(row.name, row.label) for row in rows],
        f"{path}: of other test photos than artifacts/load holds; train the preset again",
    )
    return values, verdicts


def preset_system(folder: Path, rows: Sequence[LabelledImage], params: Params) -> System:
    """A trained preset as a row of the table."""
    report, trained = read_run(folder), Trained.load(folder)
    threshold = float(report["threshold"])

    def by_rule(probabilities: Any, verdicts: Any) -> ByRule:
        return {
            OWN: Answers(probabilities, verdicts),
            VALIDATION: Answers(probabilities, probabilities >= threshold),
        }

    def judge(images: Sequence[LabelledImage]) -> ByRule:
        paths = [image.path for image in images]
        return by_rule(*trained.blurred(trained.classes(paths, params.compute.workers)))

    return System(
        name=report["preset"],
        trained=f"once, on {report['trained_on']['train']} pictures",
        test=by_rule(*_predictions(folder, rows)),
        judge=judge,
        parameters=int(report["parameters"]),
        megabytes=float(report["megabytes"]),
        milliseconds=timed(lambda path: trained.classes([path], 1, ""), [r.path for r in rows]),
        seconds=float(report["training_seconds"]),
    )


def preset_systems(
    folder: Path, rows: Sequence[LabelledImage], params: Params
) -> tuple[list[System], list[str]]:
    """Every preset that is trained, and a line for each that is not."""
    found, missing = [], []
    for name in known_presets():
        if not (folder / name / PREDICTIONS).is_file():
            missing.append(f"{name}: not compared: {_why_not(name)}")
            continue
        try:
            found.append(preset_system(folder / name, rows, params))
        except BlurError as error:
            missing.append(f"{name}: not compared: {error}")
    return found, missing


def _why_not(name: str) -> str:
    preset = load_preset(name)
    try:
        if preset.network.backbone:
            build(preset, preset.network.weights)
    except BlurError as error:
        return str(error)
    return f"not trained; run 'blur preset {name}'"


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


def _figure(found: dict[str, Any]) -> str:
    spread = interval(found)
    return f"{figure(found)} ({spread})" if spread else figure(found)


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
        spread = interval(one, "+.3f", " to ") or "n/a"
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


COMPARED = ("auc", "balanced_accuracy", "accuracy")
OUR_NAME = "ours: fused"
_ANY = LayoutParams("auto", ("sharp", "blurred"), "blurred", "none", ())


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
    """All parts, what is known of each system, and lines on what is missing."""

    dataset: str
    systems: dict[str, dict[str, Any]]
    parts: list[Part]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


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
        ours = figures[OUR_NAME][metric]["value"]
        if not known or ours is None:
            continue
        best = max(known, key=lambda name: figures[name][metric]["value"])
        paired = difference(draws[OUR_NAME][metric], draws[best][metric])
        found.append({"metric": metric, "preset": best, **paired})
    return found


def _part(
    data: str,
    rule: str,
    images: Sequence[LabelledImage],
    answers: Mapping[str, ByRule],
    presets: Sequence[str],
    params: Params,
) -> Part:
    chosen = {name: by_rule[rule] for name, by_rule in answers.items() if rule in by_rule}
    figures, draws = measured(images, chosen, params)
    there = [name for name in presets if name in chosen]
    blurred = sum(image.label for image in images)
    return Part(data, rule, len(images), blurred, figures, differences(figures, draws, there))


def _known(system: System) -> dict[str, Any]:
    return {
        "trained": system.trained,
        "parameters": system.parameters,
        "megabytes": system.megabytes,
        "ms_per_image": system.milliseconds,
        "training_seconds": system.seconds,
    }


def compare(artifacts: Path, tested: Sequence[Path], params: Params) -> Comparison:
    """Everything that is trained below `artifacts`, on its test photos and on other folders.

    Parameters
    ----------
    artifacts : Path
        Holds `load`, `cnn`, `fuse` and `presets`.
    tested : sequence of Path
        Data sets that are judged only.
    params : Params

    Raises
    ------
    BlurError
        Our own model is not trained, or a photo cannot be read.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # traces one network after the other
    store = Store.open(artifacts / "load")
    test = np.flatnonzero(store.splits == "test").tolist()
    require(bool(test), f"{artifacts / 'load'}: holds no test photos")
    rows = [store.rows[i] for i in test]
    presets, notes = preset_systems(artifacts / "presets", rows, params)
    systems = [
        *baseline_systems(store, test, params),
        *presets,
        *our_systems(store, test, artifacts, params),
    ]
    names = [system.name for system in presets]
    answers = {system.name: system.test for system in systems}
    dataset = f"{store.dataset['name']} {store.dataset['digest'][:12]}"
    parts = [
        _part(store.dataset["name"], rule, rows, answers, names, params)
        for rule in (OWN, VALIDATION)
    ]
    for folder in tested:
        images, _ = held_out(read_any(folder, _ANY, params))
        said = {system.name: system.judge(images) for system in systems}
        name = folder.resolve().name
        parts += [_part(name, rule, images, said, names, params) for rule in (OWN, VALIDATION)]
    return Comparison(dataset, {system.name: _known(system) for system in systems}, parts, notes)


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

    The photos of FOLDERS are judged as well; nothing is trained on them.
    """
    from blur_fusion.params import load_params

    found = compare(model_dir, folders, load_params(params_file))
    write(found, out)
    click.echo(markdown(found), nl=False)
    click.echo(f"written to {out}", err=True)


if __name__ == "__main__":
    run(comparison_command)
