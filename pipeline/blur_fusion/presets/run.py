"""Train a preset and evaluate it: everything that `blur preset NAME` writes and prints."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt

from blur_fusion.cnn.fit import make_deterministic
from blur_fusion.data.dataset import LabelledImage
from blur_fusion.data.split import Row
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.baselines import laplacian_variances
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.evaluation.heldout import held_out
from blur_fusion.evaluation.metrics import Answers, Floats, Ints, figure, interval, measured
from blur_fusion.evaluation.report import as_json, predict_each
from blur_fusion.files import write_whole_folder
from blur_fusion.fusion.calibration import choose_threshold
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier, PresetClassifier
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params
from blur_fusion.presets import drawings
from blur_fusion.presets.examples import (
    Example,
    Pixels,
    Source,
    blurred,
    examples,
    open_source,
    read_any,
    read_examples,
    whole,
)
from blur_fusion.presets.export import NETWORK, write_model
from blur_fusion.presets.networks import (
    Epoch,
    build,
    build_fused,
    fit,
    fit_network,
    stacked,
    with_classes,
)
from blur_fusion.presets.params import Preset, load_preset

RESULTS = Path("artifacts/presets")
REPORT, PREDICTIONS, HISTORY = "report.json", "predictions.csv", "history.csv"
PREDICTED = ("split", "name", "label", "subset", "scene", "probability", "verdict")
OWN, VALIDATION = "own", "validation"
RULES = {
    OWN: "as its authors decide: the most probable class",
    VALIDATION: "threshold from our validation images, at the false-alarm rate of params.yaml",
}
SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
}
NATURAL = "natural"  # the subset of photos blurred by a lens or a hand, where there is one
SUBJECT, BACKGROUND = 0.3, 0.02  # of the short side: radius of what stays sharp, blur of the rest
SWEPT = ("threshold", "false_alarm_rate", "miss_rate", "background_false_alarm_rate")


def judge(
    classifiers: Mapping[str, Classifier],
    images: Sequence[LabelledImage],
    what: str,
    workers: int,
) -> dict[str, Answers]:
    """What each classifier says of images, over threads and with progress.

    Raises
    ------
    BlurError
        An image cannot be read.
    """
    photos = (Photo(image.path) for image in images)
    said = list(predict_each(classifiers, photos, len(images), what, workers))
    for one in (prediction for each in said for prediction in each.values()):
        require(one.error is None, f"{one.path}: {one.error}")
    return {name: Answers.of(each[name] for each in said) for name in classifiers}


def by_rule(answers: Answers, threshold: float) -> dict[str, Answers]:
    """A preset's answers by both of `RULES`."""
    chosen = answers.probabilities >= threshold
    return {OWN: answers, VALIDATION: Answers(answers.probabilities, chosen)}


def figures_by_rule(
    images: Sequence[LabelledImage], answers: Answers, threshold: float, params: Params
) -> dict[str, dict[str, Any]]:
    """Metrics with 95 % intervals by both of `RULES`."""
    return measured(images, by_rule(answers, threshold), params)[0]


def blurred_background(picture: Pixels) -> Pixels:
    """`picture` with all but its most detailed part out of focus, as a fast lens would.

    A disk around the place of most detail stays as it is; the rest is blurred by a Gaussian of 2 %
    of the short side, the edge between them soft. A photographer calls the result sharp.
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    energy = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    reach = max(3, int(SUBJECT * short))
    where = cv2.boxFilter(energy, -1, (reach, reach), borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(where.argmax()), where.shape)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - row, columns - column)
    mask = np.clip((1.15 * reach - distance) / (0.3 * reach), 0, 1).astype(np.float32)
    mask = mask if picture.ndim == 2 else mask[..., None]
    far = blurred(picture, BACKGROUND * short).astype(np.float32)
    return np.rint(mask * picture + (1 - mask) * far).astype(np.uint8)


def swept(labels: Ints, probabilities: Floats, backgrounds: Floats) -> list[tuple[float, ...]]:
    """Rows of `SWEPT` for thresholds from 0 to 1 in hundredths.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
        Photos blurred by nature, and sharp ones; both classes.
    backgrounds : ndarray of float, shape (m,)
        P(blurred) of sharp photos with blurred backgrounds; m may be 0.
    """
    sharp, missed = probabilities[labels == 0], probabilities[labels == 1]

    def proportion(hits: npt.NDArray[np.bool_]) -> float:
        return float(hits.mean()) if hits.size else float("nan")

    return [
        (float(t), proportion(sharp >= t), proportion(missed < t), proportion(backgrounds >= t))
        for t in np.linspace(0, 1, 101)
    ]


def sweep(
    classifier: Classifier, rows: Sequence[Row], probabilities: Floats, folder: Path, workers: int
) -> dict[str, Any]:
    """Sweep the threshold on natural blur; write sweep.csv and sweep.png into `folder`.

    Parameters
    ----------
    classifier : Classifier
    rows : sequence of Row
        Test rows; those of the subset "natural" where there are any, else all.
    probabilities : ndarray of float, shape (n,)
        P(blurred) of `rows`.
    folder : Path
    workers : int

    Returns
    -------
    dict
        `photos`, `backgrounds`, and `lines`: every tenth row of sweep.csv.
    """
    natural = np.array([row.subset == NATURAL for row in rows])
    chosen = np.flatnonzero(natural if natural.any() else ~natural).tolist()
    labels = np.array([rows[place].label for place in chosen], dtype=np.int64)
    sharp = [rows[place] for place in chosen if not rows[place].label]

    def background(row: Row) -> float:
        picture = whole(row.path, classifier.spec.colour)
        (said,) = classifier.predict(blurred_background(picture))
        return float("nan") if said.probability is None else said.probability

    found = shown(ordered_map(background, sharp, workers), len(sharp), "backgrounds")
    table = swept(labels, probabilities[chosen], np.array(list(found)))
    write_csv(folder / "sweep.csv", SWEPT, table)
    drawings.sweep(table, folder / "sweep.png")
    lines = [list(row) for row in table[10:100:10]]
    return {"photos": len(chosen), "backgrounds": len(sharp), "lines": lines}


def _train(
    preset: Preset, source: Source, folder: Path, params: Params, weights: str
) -> tuple[list[Epoch], dict[str, list[Example]], int]:
    """Train on the training rows, watched on the validation rows; write the model to `folder`.

    Also gives the examples of both, and the number of weights.
    """
    parts = {
        name: examples([r for r in source.rows if r.split == name], preset, source.three, seed)
        for seed, name in ((params.seed, "train"), (params.seed + 1, "validation"))
    }
    workers, recipe = params.compute.workers, preset.recipe
    make_deterministic(params.seed, workers or os.cpu_count() or 1)
    model, backbone = build(preset, weights)  # before reading takes time
    pixels = [
        read_examples(found, preset, workers, f"read {name}") for name, found in parts.items()
    ]
    targets = [np.array([one.target for one in found]) for found in parts.values()]
    train, watched = zip(pixels, targets, strict=True)
    history = fit_network(model, backbone, train, watched, recipe, folder)
    model = with_classes(model)
    if preset.network.fused_dense:
        model.compile()  # lets go of Adam's two numbers for each weight
        paths = [[one.path for one in found] for found in parts.values()]
        variances = [laplacian_variances(some, workers)[:, None] for some in paths]
        logs = np.log1p(variances[0])
        judged = stacked(model, float(logs.mean()), float(logs.std()) or 1.0)
        given = [judged.predict(both, verbose=0) for both in zip(pixels, variances, strict=True)]
        train, watched = zip(given, targets, strict=True)
        fused, phase = build_fused(preset), ("fused", recipe.fused_epochs, recipe.learning_rate)
        history += fit(fused, train, watched, phase, recipe.batch)
        model = with_classes(keras.Model(judged.inputs, fused(judged.outputs[0])))
    write_model(model, preset, folder)
    return history, parts, int(model.count_params())


def _confusion(
    classifier: PresetClassifier, preset: Preset, source: Source, params: Params
) -> dict[str, dict[str, int]]:
    """True class -> named class -> test pictures, made as the training pictures were."""
    rows = [row for row in source.rows if row.split == "test"]
    found = examples(rows, preset, source.three, params.seed + 2)
    pixels = read_examples(found, preset, params.compute.workers, "confusion")
    classes = preset.layout.classes
    table = {name: dict.fromkeys(classes, 0) for name in classes}
    for example, picture in zip(found, pixels, strict=True):
        named = int(classifier.classes(Photo(picture.squeeze())).argmax())
        table[classes[example.target]][classes[named]] += 1
    return table


def check_target(out: Path) -> None:
    """Refuse a folder that holds something else than an earlier run."""
    free = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    ours = all((out / name).is_file() for name in (REPORT, PREDICTIONS, HISTORY))
    line = f"{out}: holds something else than a trained preset; name another with --out"
    require(free or ours, line)


def run_preset(
    preset: Preset, source: Source, out: Path, params: Params, weights: str = ""
) -> dict[str, Any]:
    """Train, evaluate and draw; `out` gets the result whole, in place of an earlier one.

    Parameters
    ----------
    preset : Preset
    source : Source
        Rows of all three splits.
    out : Path
        Folder to make: a model folder (model.onnx and model.json), with history.csv,
        predictions.csv, report.json, drawings/, and, where the recipe asks for them, checkpoints/
        and sweep.csv.
    params : Params
        Seed, threads, threshold rule and evaluation.
    weights : str
        Of the backbone, instead of those in the preset.

    Returns
    -------
    dict
        What report.json holds.

    Raises
    ------
    BlurError
        `out` holds something else; a picture, the weights or a class is missing.
    """
    check_target(out)
    workers = params.compute.workers
    with write_whole_folder(out, force=True) as folder:
        began = time.perf_counter()
        history, learnt, parameters = _train(preset, source, folder, params, weights)
        seconds = time.perf_counter() - began
        classifier = PresetClassifier(folder)
        held, rows = (
            [row for row in source.rows if row.split == name] for name in ("validation", "test")
        )
        alone = {preset.name: classifier}
        watched = judge(alone, held, "judge validation", workers)[preset.name]
        labels = np.array([row.label for row in held], dtype=np.int64)
        rate = params.threshold.max_false_alarm_rate
        threshold = choose_threshold(labels, watched.probabilities, rate)
        answers = judge(alone, rows, "judge test", workers)[preset.name]
        report = {
            "preset": preset.name,
            "about": preset.about,
            "dataset": {name: source.about[name] for name in ("name", "digest")},
            "trained_on": {name: len(found) for name, found in learnt.items()},
            "test": _counts(rows),
            "parameters": parameters,
            "megabytes": (folder / NETWORK).stat().st_size / 1e6,
            "training_seconds": seconds,
            "threshold": threshold,
            "figures": figures_by_rule(rows, answers, threshold, params),
        }
        if len(preset.layout.classes) > 2:
            report["confusion"] = _confusion(classifier, preset, source, params)
        if preset.recipe.sweep:
            report["sweep"] = sweep(classifier, rows, answers.probabilities, folder, workers)
        write_csv(folder / HISTORY, Epoch._fields, history)
        predicted = [*_predicted(held, watched), *_predicted(rows, answers)]
        write_csv(folder / PREDICTIONS, PREDICTED, predicted)
        drawn = folder / "drawings"
        drawings.samples(learnt["train"], preset, drawn / "samples.png")
        drawings.curves(history, drawn / "curves.png", preset.name)
        drawings.predictions(held, watched, drawn / "predictions.png", preset.name)
        drawings.mistakes(rows, answers, drawn / "mistakes.png", preset.name)
        (folder / REPORT).write_text(as_json(report), encoding="utf-8")
    return report


def _counts(images: Sequence[LabelledImage]) -> dict[str, int]:
    return {"photos": len(images), "blurred": sum(image.label for image in images)}


def _predicted(rows: Sequence[Row], answers: Answers) -> Iterator[list[object]]:
    values = zip(rows, answers.probabilities, answers.verdicts, strict=True)
    for row, value, verdict in values:
        known = [row.split, row.name, row.label, row.subset, row.scene]
        yield [*known, f"{value:.9g}", int(verdict)]  # ties stay ties


def read_run(folder: Path) -> dict[str, Any]:
    """report.json of a run.

    Raises
    ------
    BlurError
        It is missing or no JSON.
    """
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); train the preset first") from None
    return report


def shortened(preset: Preset, epochs: int | None, images: int | None) -> Preset:
    """`preset` with as many epochs (in each phase at most) and images as asked for."""
    recipe = preset.recipe
    if epochs is not None:
        recipe = dataclasses.replace(
            recipe,
            epochs=epochs,
            fine_tune_epochs=min(epochs, recipe.fine_tune_epochs),
            fused_epochs=min(epochs, recipe.fused_epochs),
        )
    if images is not None:
        recipe = dataclasses.replace(recipe, images=images)
    return dataclasses.replace(preset, recipe=recipe)


def train_preset(
    name: str,
    data: Path | None,
    out: Path | None,
    params: Params,
    weights: str = "",
    epochs: int | None = None,
    images: int | None = None,
) -> str:
    """Train and evaluate a preset; what to print. See :func:`run_preset`.

    The result of one trained on other data has a folder of its own.
    """
    preset = shortened(load_preset(name), epochs, images)
    target = out or RESULTS / (f"{name}_on_{data.resolve().name}" if data else name)
    check_target(target)
    report = run_preset(preset, open_source(data, preset.layout, params), target, params, weights)
    return "\n".join([*report_lines(report), "", f"written to {target}"])


def figure_lines(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Two lines for each rule or classifier: figures, and below them their intervals."""
    width = max(17, *(len(name) + 2 for name in figures))
    rows: list[tuple[str, list[str]]] = [("", list(SHOWN.values()))]
    for name, values in figures.items():
        rows.append((name, [figure(values[metric]) for metric in SHOWN]))
        rows.append(("", [interval(values[metric]) for metric in SHOWN]))
    lines = (f"{name:<{width}}" + "".join(f"{text:>14}" for text in row) for name, row in rows)
    return [line.rstrip() for line in lines]


def _confusion_lines(found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    right = sum(found[name][name] for name in found)
    total = sum(sum(row.values()) for row in found.values())
    yield f"{'named:':>17}" + "".join(f"{name:>13}" for name in found)
    for name, row in found.items():
        yield f"{name:<17}" + "".join(f"{row[other]:>13}" for other in found)
    yield f"named rightly: {right} of {total} ({right / max(1, total):.3f})"


def _sweep_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"threshold swept on {found['photos']} photos; backgrounds blurred in " + (
        f"{found['backgrounds']} sharp ones, which stay sharp"
    )
    yield f"{'threshold':>10}{'false alarms':>14}{'misses':>10}{'backgrounds flagged':>21}"
    for threshold, alarms, misses, backgrounds in found["lines"]:
        yield f"{threshold:>10.1f}{alarms:>14.3f}{misses:>10.3f}{backgrounds:>21.3f}"


def report_lines(report: dict[str, Any]) -> list[str]:
    """A run's report.json as lines of text."""
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
        lines += ["", "classes of test pictures", *_confusion_lines(report["confusion"])]
    if "sweep" in report:
        lines += ["", *_sweep_lines(report["sweep"])]
    return lines


def _judged_lines(counts: Mapping[str, int], figures: Mapping[str, Any], what: str) -> list[str]:
    return [
        f"{counts['photos']} {what}, {counts['blurred']} blurred; 95 % intervals by scene",
        *figure_lines(figures),
        *(f"{rule}: {text}" for rule, text in RULES.items()),
    ]


def judged_lines(name: str, path: Path, out: Path | None, params: Params) -> str:
    """Judge the photos at `path` with a trained preset, by both rules; what to print.

    Nothing is fitted to them. A layout's own training half is left out.

    Raises
    ------
    BlurError
        The preset is unknown or not trained yet; `path` holds no data set, or a photo cannot be
        read.
    """
    preset, folder = load_preset(name), out or RESULTS / name
    threshold, classifier = read_run(folder)["threshold"], PresetClassifier(folder)
    images, _ = held_out(read_any(path, preset.layout, params))
    answers = judge({name: classifier}, images, "judge", params.compute.workers)
    found = figures_by_rule(images, answers[name], threshold, params)
    first = f"preset {name}, trained in {folder}, on {path}"
    return "\n".join([first, *_judged_lines(_counts(images), found, "photos")])
