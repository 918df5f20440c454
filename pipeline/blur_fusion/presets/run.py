"""Train and evaluate a preset: what `blur preset NAME` writes and prints."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import confusion_matrix

from blur_fusion.cnn.fit import make_deterministic
from blur_fusion.data.dataset import LabelledImage
from blur_fusion.data.split import Row
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.baselines import laplacian_variances
from blur_fusion.evaluation.heldout import held_out
from blur_fusion.evaluation.metrics import HEADINGS, Answers, Flags, Floats, Ints
from blur_fusion.evaluation.report import as_json, predict_each, write_csv
from blur_fusion.evaluation.table import confusion_lines, figure_lines
from blur_fusion.files import write_whole_folder
from blur_fusion.fusion.calibration import choose_threshold
from blur_fusion.images.photo import Photo, working_image
from blur_fusion.model.classifier import Classifier, PresetClassifier
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params
from blur_fusion.presets import drawings, examples, networks
from blur_fusion.presets.examples import Source
from blur_fusion.presets.export import NETWORK, write_model
from blur_fusion.presets.params import Preset, load_preset

RESULTS = Path("artifacts/presets")
REPORT, PREDICTIONS, HISTORY = "report.json", "predictions.csv", "history.csv"
KNOWN = ("split", "name", "label", "subset", "scene")  # columns of predictions.csv
OWN, VALIDATION = "own", "validation"
RULES = {
    OWN: "as its authors decide: the most probable class",
    VALIDATION: "threshold from our validation images, at the false-alarm rate of params.yaml",
}
SHOWN = {name: HEADINGS[name] for name in [*HEADINGS][:5]}  # presets are not calibrated
SWEPT = ("threshold", "false_alarm_rate", "miss_rate", "background_false_alarm_rate")


def judge(
    classifiers: Mapping[str, Classifier], images: Sequence[LabelledImage], what: str, workers: int
) -> dict[str, Answers]:
    """Judge images with each classifier, in threads and with progress."""
    photos = (Photo(image.path) for image in images)
    said = list(predict_each(classifiers, photos, len(images), what, workers))
    return {name: Answers.of(each[name] for each in said) for name in classifiers}


def by_rule(answers: Answers, rules: Mapping[str, float | None]) -> dict[str, Answers]:
    """Apply each rule: a threshold, or None for the classifier's own decision."""
    values = answers.probabilities
    return {
        rule: answers if threshold is None else Answers(values, values >= threshold)
        for rule, threshold in rules.items()
    }


def figures_by_rule(
    images: Sequence[LabelledImage], answers: Answers, threshold: float, params: Params
) -> dict[str, dict[str, Any]]:
    """Metrics of a preset with 95 % intervals, by both `RULES`."""
    rules = {OWN: None, VALIDATION: threshold}
    return metrics.measured(images, by_rule(answers, rules), params)[0]


def swept(labels: Ints, probabilities: Floats, backgrounds: Floats) -> list[tuple[float, ...]]:
    """Rows of `SWEPT` for thresholds 0, 0.01, ..., 1.

    Labels and probabilities (n,) are of naturally blurred and of sharp photos, `backgrounds` (m,)
    P(blurred) of sharp photos with blurred backgrounds; m may be 0.
    """
    sharp, missed = probabilities[labels == 0], probabilities[labels == 1]

    def proportion(hits: Flags) -> float:
        return float(hits.mean()) if hits.size else float("nan")

    return [
        (float(t), proportion(sharp >= t), proportion(missed < t), proportion(backgrounds >= t))
        for t in np.linspace(0, 1, 101)
    ]


def sweep(
    classifier: Classifier, rows: Sequence[Row], probabilities: Floats, folder: Path, workers: int
) -> dict[str, Any]:
    """Sweep the threshold on natural blur; write sweep.csv and sweep.png into `folder`.

    Takes the rows of the subset "natural", or all if there are none. Returns the numbers of photos
    and backgrounds, and as `lines` every tenth row of sweep.csv.
    """
    natural = np.array([row.subset == "natural" for row in rows])
    chosen = np.flatnonzero(natural if natural.any() else ~natural)
    labels = metrics.labels_of(rows)[chosen]
    sharp = [rows[place] for place in chosen[labels == 0]]

    def background(row: Row) -> float:
        picture = working_image(row.path, examples.WHOLE, classifier.spec.colour)
        (said,) = classifier.predict(examples.blurred_background(picture))
        return float("nan") if said.probability is None else said.probability

    found = shown(ordered_map(background, sharp, workers), len(sharp), "backgrounds")
    table = swept(labels, probabilities[chosen], np.array(list(found)))
    write_csv(folder / "sweep.csv", SWEPT, table)
    drawings.sweep(table, folder / "sweep.png")
    return {"photos": len(chosen), "backgrounds": len(sharp), "lines": table[10:100:10]}


def _train(
    preset: Preset, source: Source, folder: Path, params: Params, weights: str
) -> dict[str, Any]:
    """Train; write the model, history.csv and drawings; give this part of the report."""
    began, recipe = time.perf_counter(), preset.recipe
    parts = {
        name: examples.of_rows(source.part(name), preset, source.three, seed)
        for seed, name in enumerate(("train", "validation"), start=params.seed)
    }
    workers = params.compute.workers
    make_deterministic(params.seed, workers or os.cpu_count() or 1)
    model, backbone = networks.build(preset, weights)  # fails before pictures are read
    train, watched = (examples.read(part, preset, workers, what) for what, part in parts.items())
    history = networks.fit_network(model, backbone, train, watched, recipe, folder)
    model = networks.with_classes(model)
    if preset.network.fused_dense:
        model.compile()  # frees the optimizer's memory
        paths = [[one.path for one in found] for found in parts.values()]
        variances = [laplacian_variances(some, workers)[:, None] for some in paths]
        logs = np.log1p(variances[0])
        judged = networks.stacked(model, float(logs.mean()), float(logs.std()) or 1.0)
        train, watched = (
            (judged.predict((pixels, variance), verbose=0), targets)
            for (pixels, targets), variance in zip((train, watched), variances, strict=True)
        )
        fused = networks.build_fused(preset)
        phase = "fused", recipe.fused_epochs, recipe.learning_rate
        history += networks.fit(fused, train, watched, phase, recipe.batch)
        model = networks.with_classes(keras.Model(judged.inputs, fused(judged.outputs[0])))
    write_model(model, preset, folder)
    seconds = time.perf_counter() - began
    write_csv(folder / HISTORY, networks.Epoch._fields, history)
    drawings.samples(parts["train"], preset, folder / "drawings" / "samples.png")
    drawings.curves(history, folder / "drawings" / "curves.png", preset.name)
    return {
        "trained_on": {name: len(found) for name, found in parts.items()},
        "parameters": int(model.count_params()),
        "megabytes": (folder / NETWORK).stat().st_size / 1e6,
        "training_seconds": seconds,
    }


def _confusion(
    classifier: PresetClassifier, preset: Preset, source: Source, params: Params
) -> dict[str, dict[str, int]]:
    """Count test pictures, made as those for training, by true and predicted class."""
    found = examples.of_rows(source.part("test"), preset, source.three, params.seed + 2)
    pixels, targets = examples.read(found, preset, params.compute.workers, "confusion")
    named = [classifier.classes(Photo(picture.squeeze())).argmax() for picture in pixels]
    classes = preset.layout.classes
    table = confusion_matrix(targets, named, labels=range(len(classes))).tolist()
    rows = (dict(zip(classes, row, strict=True)) for row in table)
    return dict(zip(classes, rows, strict=True))


def run_preset(
    preset: Preset, source: Source, out: Path, params: Params, weights: str = ""
) -> dict[str, Any]:
    """Train, evaluate and draw.

    Parameters
    ----------
    preset : Preset
    source : Source
        Rows of all three splits.
    out : Path
        Folder to write, once all is done, in place of an earlier result: a model folder (model.onnx
        and model.json) with history.csv, predictions.csv, report.json and drawings/, and with
        checkpoints/ and sweep.csv if the recipe asks for them.
    params : Params
        Seed, threads, threshold rule and evaluation.
    weights : str
        For the backbone, instead of the preset's.

    Returns
    -------
    dict
        The contents of report.json.

    Raises
    ------
    BlurError
        `out` holds something else; a picture, the weights or a class is missing.
    """
    ours = all((out / name).is_file() for name in (REPORT, PREDICTIONS, HISTORY))
    line = f"{out}: not a trained preset; name another folder with --out"
    require(ours or examples.is_free(out), line)
    workers = params.compute.workers
    with write_whole_folder(out, force=True) as folder:
        trained = _train(preset, source, folder, params, weights)
        classifier = PresetClassifier(folder)
        held, rows = source.part("validation"), source.part("test")
        alone = {preset.name: classifier}
        watched = judge(alone, held, "judge validation", workers)[preset.name]
        rate = params.threshold.max_false_alarm_rate
        threshold = choose_threshold(metrics.labels_of(held), watched.probabilities, rate)
        answers = judge(alone, rows, "judge test", workers)[preset.name]
        report = {
            "preset": preset.name,
            "about": preset.about,
            "dataset": {name: source.about[name] for name in ("name", "digest")},
            **trained,
            "test": _counts(rows),
            "threshold": threshold,
            "figures": figures_by_rule(rows, answers, threshold, params),
        }
        if len(preset.layout.classes) > 2:
            report["confusion"] = _confusion(classifier, preset, source, params)
        if preset.recipe.sweep:
            report["sweep"] = sweep(classifier, rows, answers.probabilities, folder, workers)
        predicted = [
            # With nine digits, ties stay ties.
            [*(getattr(row, name) for name in KNOWN), f"{value:.9g}", int(verdict)]
            for part, said in ((held, watched), (rows, answers))
            for row, value, verdict in zip(part, said.probabilities, said.verdicts, strict=True)
        ]
        write_csv(folder / PREDICTIONS, (*KNOWN, "probability", "verdict"), predicted)
        drawn = folder / "drawings"
        drawings.predictions(held, watched, drawn / "predictions.png", preset.name)
        drawings.mistakes(rows, answers, drawn / "mistakes.png", preset.name)
        (folder / REPORT).write_text(as_json(report), encoding="utf-8")
    return report


def _counts(images: Sequence[LabelledImage]) -> dict[str, int]:
    return {"photos": len(images), "blurred": sum(image.label for image in images)}


def read_run(folder: Path) -> dict[str, Any]:
    """Read report.json of a run; :class:`BlurError` if it is missing or not JSON."""
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); train the preset first") from None
    return report


def shortened(preset: Preset, epochs: int | None, images: int | None) -> Preset:
    """Limit the epochs of each phase, and the images."""
    recipe, changed = preset.recipe, {}
    if epochs is not None:
        later = {name: getattr(recipe, name) for name in ("fine_tune_epochs", "fused_epochs")}
        changed = {"epochs": epochs, **{name: min(epochs, n) for name, n in later.items()}}
    if images is not None:
        changed["images"] = images
    return dataclasses.replace(preset, recipe=dataclasses.replace(recipe, **changed))


def train_preset(
    name: str,
    data: Path | None,
    out: Path | None,
    params: Params,
    weights: str = "",
    epochs: int | None = None,
    images: int | None = None,
) -> str:
    """Train and evaluate a preset, see :func:`run_preset`; give what to print."""
    preset = shortened(load_preset(name), epochs, images)
    target = out or RESULTS / (f"{name}_on_{data.resolve().name}" if data else name)
    source = examples.open_source(data, preset.layout, params)
    report = run_preset(preset, source, target, params, weights)
    return "\n".join([*report_lines(report), "", f"written to {target}"])


def _sweep_lines(found: dict[str, Any]) -> Iterator[str]:
    blurred = f"backgrounds blurred in {found['backgrounds']} sharp ones, which stay sharp"
    yield f"threshold swept on {found['photos']} photos; {blurred}"
    yield f"{'threshold':>10}{'false alarms':>14}{'misses':>10}{'backgrounds flagged':>21}"
    for threshold, alarms, misses, backgrounds in found["lines"]:
        yield f"{threshold:>10.1f}{alarms:>14.3f}{misses:>10.3f}{backgrounds:>21.3f}"


def report_lines(report: dict[str, Any]) -> list[str]:
    """Format report.json as lines of text."""
    trained, test, data = report["trained_on"], report["test"], report["dataset"]
    lines = [
        f"preset {report['preset']}: {report['about']}",
        f"data set {data['name']} {data['digest'][:12]}; trained once on {trained['train']} "
        f"pictures in {report['training_seconds']:.0f} s, watched on {trained['validation']}",
        f"{report['parameters']:,} parameters, {report['megabytes']:.1f} MB",
        "",
        *_judged_lines(test, report["figures"], "test photos"),
    ]
    if "confusion" in report:
        found = report["confusion"]
        right = sum(found[name][name] for name in found)
        total = sum(sum(row.values()) for row in found.values())
        lines += ["", "classes of test pictures", *confusion_lines(found)]
        lines.append(f"named rightly: {right} of {total} ({right / max(1, total):.3f})")
    if "sweep" in report:
        lines += ["", *_sweep_lines(report["sweep"])]
    return lines


def _judged_lines(counts: Mapping[str, int], figures: Mapping[str, Any], what: str) -> list[str]:
    return [
        f"{counts['photos']} {what}, {counts['blurred']} blurred; 95 % intervals by scene",
        *figure_lines(figures, SHOWN),
        *(f"{rule}: {text}" for rule, text in RULES.items()),
    ]


def judged_lines(name: str, path: Path, out: Path | None, params: Params) -> str:
    """Judge the photos at `path` with a trained preset, by both rules; give what to print.

    A layout's own training half is left out.

    Raises
    ------
    BlurError
        The preset is unknown or not trained yet; `path` is not a data set, or a photo cannot be
        read.
    """
    layout, folder = load_preset(name).layout, out or RESULTS / name
    threshold, classifier = read_run(folder)["threshold"], PresetClassifier(folder)
    images, _ = held_out(examples.read_any(path, layout, params))
    answers = judge({name: classifier}, images, "judge", params.compute.workers)
    found = figures_by_rule(images, answers[name], threshold, params)
    first = f"preset {name}, trained in {folder}, on {path}"
    return "\n".join([first, *_judged_lines(_counts(images), found, "photos")])
