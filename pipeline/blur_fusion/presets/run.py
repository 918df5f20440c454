"""Train a preset and evaluate it: everything that `blur preset NAME` writes and prints."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from blur_fusion.cnn.fit import make_deterministic
from blur_fusion.data.split import Row
from blur_fusion.evaluation.baselines import laplacian_variances
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.evaluation.metrics import Answers, Floats, Ints, measured
from blur_fusion.evaluation.report import as_json
from blur_fusion.fusion.calibration import choose_threshold
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params
from blur_fusion.presets import figures
from blur_fusion.presets.drawings import save
from blur_fusion.presets.examples import (
    Example,
    Pixels,
    blurred,
    examples,
    read_examples,
    small,
    whole,
)
from blur_fusion.presets.gallery import (
    PREDICTIONS,
    REPORT,
    JudgedRows,
    check_target,
    draw,
    read_run,
    write_predictions,
)
from blur_fusion.presets.layouts import Source, open_source, read_any
from blur_fusion.presets.networks import build, build_fused
from blur_fusion.presets.params import Preset, load_preset
from blur_fusion.presets.train import Epoch, Material, fit_network, fit_phase
from blur_fusion.presets.trained import Scale, Trained, size_of

NATURAL = "natural"  # the subset of photos blurred by a lens or a hand, where there is one
SUBJECT, BACKGROUND = (
    0.3,
    0.02,
)  # radius of what stays sharp and blur of the rest, of the short side
HEADER = ("threshold", "false_alarm_rate", "miss_rate", "background_false_alarm_rate")


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


def background_probabilities(trained: Trained, rows: Sequence[Row], workers: int) -> Floats:
    """P(blurred) of the sharp photos `rows` with their backgrounds blurred: shape (n,)."""
    given = trained.preset.input

    def read(row: Row) -> npt.NDArray[np.uint8]:
        return small(blurred_background(whole(row.path, given)), given)

    answers = shown(ordered_map(read, rows, workers), len(rows), "backgrounds")
    pixels = np.stack(list(answers))
    classes = trained.classes_of_pixels(pixels, np.zeros(len(pixels)))
    return trained.blurred(classes)[0]


def swept(labels: Ints, probabilities: Floats, backgrounds: Floats) -> list[tuple[float, ...]]:
    """Rows of `HEADER` for thresholds from 0 to 1 in hundredths.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n,)
        Photos blurred by nature, and sharp ones; both classes.
    backgrounds : ndarray of float, shape (m,)
        P(blurred) of sharp photos with blurred backgrounds; m may be 0.
    """
    sharp, missed = probabilities[labels == 0], probabilities[labels == 1]

    def share(hits: npt.NDArray[np.bool_]) -> float:
        return float(hits.mean()) if hits.size else float("nan")

    return [
        (float(t), share(sharp >= t), share(missed < t), share(backgrounds >= t))
        for t in np.linspace(0, 1, 101)
    ]


def sweep(
    trained: Trained, rows: Sequence[Row], probabilities: Floats, folder: Path, workers: int
) -> dict[str, Any]:
    """Sweep the threshold on natural blur; write sweep.csv and sweep.png into `folder`.

    Parameters
    ----------
    trained : Trained
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
    backgrounds = background_probabilities(trained, sharp, workers)
    table = swept(labels, probabilities[chosen], backgrounds)
    write_csv(folder / "sweep.csv", HEADER, table)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    columns = np.array(table).T
    names = ("sharp called blurred", "blurred called sharp", "blurred background called blurred")
    for values, name, colour in zip(
        columns[1:], names, ("#c00000", "#0060c0", "#808080"), strict=True
    ):
        axes.plot(columns[0], values, color=colour, label=name)
    axes.set_xlabel("threshold of P(blurred)")
    axes.set_ylabel("share of photos")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    save(figure, folder / "sweep.png")
    lines = [list(row) for row in table[10:100:10]]
    return {"photos": len(chosen), "backgrounds": len(sharp), "lines": lines}


def sweep_lines(found: dict[str, Any]) -> list[str]:
    """The sweep as lines of text."""
    lines = [
        f"threshold swept on {found['photos']} photos; backgrounds blurred in "
        f"{found['backgrounds']} sharp ones, which stay sharp",
        f"{'threshold':>10}{'false alarms':>14}{'misses':>10}{'backgrounds flagged':>21}",
    ]
    for threshold, alarms, misses, backgrounds in found["lines"]:
        lines.append(f"{threshold:>10.1f}{alarms:>14.3f}{misses:>10.3f}{backgrounds:>21.3f}")
    return lines


def _fit(
    preset: Preset, source: Source, folder: Path, params: Params, weights: str
) -> tuple[Trained, list[Epoch], dict[str, int], list[Example]]:
    """Train on the training rows, watched on the validation rows."""
    parts = {
        name: examples([r for r in source.rows if r.split == name], preset, source.three, seed)
        for seed, name in ((params.seed, "train"), (params.seed + 1, "validation"))
    }
    make_deterministic(params.seed, params.compute.workers or os.cpu_count() or 1)
    model, backbone = build(preset, weights or preset.network.weights)  # before reading takes time
    pixels = {
        name: read_examples(found, preset, params.compute.workers, f"read {name}")
        for name, found in parts.items()
    }
    targets = {
        name: np.array([one.target for one in found], dtype=np.int64)
        for name, found in parts.items()
    }
    material = Material(
        pixels["train"], targets["train"], pixels["validation"], targets["validation"]
    )
    history = fit_network(model, backbone, material, preset.recipe, params.seed, folder)
    trained = Trained(preset, model)
    if preset.network.fused_dense:
        model.compile()  # lets go of Adam's two numbers for each weight
        variances = {
            name: laplacian_variances([one.path for one in found], params.compute.workers)
            for name, found in parts.items()
        }
        trained = Trained(preset, model, build_fused(preset), Scale.of(variances["train"]))
        stacked = {name: trained.stacked(pixels[name], variances[name]) for name in parts}
        second = Material(
            stacked["train"], targets["train"], stacked["validation"], targets["validation"]
        )
        phase = ("fused", preset.recipe.fused_epochs, preset.recipe.learning_rate)
        assert trained.fused is not None
        history += fit_phase(trained.fused, second, preset.recipe, phase, params.seed + 2)
        trained.fused.compile()
    counted = {name: len(found) for name, found in parts.items()}
    return trained, history, counted, parts["train"]


def _judge(trained: Trained, source: Source, split: str, workers: int) -> JudgedRows:
    rows = tuple(row for row in source.rows if row.split == split)
    classes = trained.classes([row.path for row in rows], workers, f"judge {split}")
    return JudgedRows(split, rows, *trained.blurred(classes))


def _confusion(
    trained: Trained, source: Source, test: JudgedRows, params: Params
) -> dict[str, dict[str, int]]:
    """Of all classes, on test pictures as the training pictures were made."""
    preset = trained.preset
    found = examples(test.rows, preset, source.three, params.seed + 2)
    pixels = read_examples(found, preset, params.compute.workers, "confusion")
    answers = trained.classes_of_pixels(pixels, np.zeros(len(found))).argmax(axis=1)
    targets = np.array([one.target for one in found], dtype=np.int64)
    return figures.confusion(targets, answers, preset.layout.classes)


def _figures(test: JudgedRows, threshold: float, params: Params) -> dict[str, Any]:
    """Metrics of the test rows by both rules."""
    systems = {
        "own": Answers(test.probabilities, test.verdicts),
        "validation": Answers(test.probabilities, test.probabilities >= threshold),
    }
    return measured(test.rows, systems, params)[0]


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
        Folder to make: weights, preset.json, history.csv, predictions.csv, report.json, drawings/,
        and, where the recipe asks for them, checkpoints/ and sweep.csv.
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
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        report = _run(preset, source, part, params, weights)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def _run(
    preset: Preset, source: Source, folder: Path, params: Params, weights: str
) -> dict[str, Any]:
    began = time.perf_counter()
    trained, history, counted, learnt = _fit(preset, source, folder, params, weights)
    seconds = time.perf_counter() - began
    trained.save(folder)
    workers = params.compute.workers
    parts = {name: _judge(trained, source, name, workers) for name in ("validation", "test")}
    held, test = parts["validation"], parts["test"]
    labels = np.array([row.label for row in held.rows], dtype=np.int64)
    threshold = choose_threshold(labels, held.probabilities, params.threshold.max_false_alarm_rate)
    report = {
        "preset": preset.name,
        "about": preset.about,
        "dataset": {name: source.about[name] for name in ("name", "digest")},
        "trained_on": counted,
        "test": {"photos": len(test.rows), "blurred": sum(row.label for row in test.rows)},
        "parameters": trained.parameters,
        "megabytes": size_of(folder) / 1e6,
        "training_seconds": seconds,
        "threshold": threshold,
        "figures": _figures(test, threshold, params),
    }
    if len(preset.layout.classes) > 2:
        report["confusion"] = _confusion(trained, source, test, params)
    if preset.recipe.sweep:
        report["sweep"] = sweep(trained, test.rows, test.probabilities, folder, workers)
    lines = [asdict(epoch) for epoch in history]
    write_csv(folder / "history.csv", list(lines[0]), (list(line.values()) for line in lines))
    write_predictions(parts.values(), folder / PREDICTIONS)
    draw(preset, learnt, history, parts, folder / "drawings")
    (folder / REPORT).write_text(as_json(report), encoding="utf-8")
    return report


RESULTS = Path("artifacts/presets")


def folder_of(name: str, data: Path | None = None) -> Path:
    """Where a preset's result lies; one trained on other data has a folder of its own."""
    return RESULTS / (f"{name}_on_{data.resolve().name}" if data else name)


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
    """Train and evaluate a preset; what to print. See :func:`run_preset`."""
    preset = shortened(load_preset(name), epochs, images)
    target = out or folder_of(name, data)
    check_target(target)
    report = run_preset(preset, open_source(data, preset.layout, params), target, params, weights)
    return "\n".join([*report_lines(report), "", f"written to {target}"])


def report_lines(report: dict[str, Any]) -> list[str]:
    """A run's report.json as lines of text."""
    trained, test, data = report["trained_on"], report["test"], report["dataset"]
    lines = [
        f"preset {report['preset']}: {report['about']}",
        f"data set {data['name']} {data['digest'][:12]}; trained once on {trained['train']} "
        f"pictures in {report['training_seconds']:.0f} s, watched on {trained['validation']}",
        f"{report['parameters']:,} parameters, {report['megabytes']:.1f} MB",
        "",
        f"{test['photos']} test photos, {test['blurred']} blurred; 95 % intervals by scene",
        *figures.figure_lines(report["figures"]),
        *(f"{rule}: {text}" for rule, text in figures.RULES.items()),
    ]
    if "confusion" in report:
        lines += ["", "classes of test pictures", *figures.confusion_lines(report["confusion"])]
    if "sweep" in report:
        lines += ["", *sweep_lines(report["sweep"])]
    return lines


def judge_folder(trained: Trained, path: Path, threshold: float, params: Params) -> dict[str, Any]:
    """Figures by both rules on the photos at `path`; nothing is fitted to them.

    A layout's own training half is left out.

    Raises
    ------
    BlurError
        `path` holds no data set, or a photo cannot be read.
    """
    from blur_fusion.evaluation.heldout import held_out

    images, _ = held_out(read_any(path, trained.preset.layout, params))
    classes = trained.classes([image.path for image in images], params.compute.workers)
    probabilities, verdicts = trained.blurred(classes)
    systems = {
        "own": Answers(probabilities, verdicts),
        "validation": Answers(probabilities, probabilities >= threshold),
    }
    blurred = sum(image.label for image in images)
    found, _ = measured(images, systems, params)
    return {"photos": len(images), "blurred": blurred, "figures": found}


def judged_lines(name: str, path: Path, out: Path | None, params: Params) -> str:
    """Judge the photos at `path` with a trained preset; what to print.

    Raises
    ------
    BlurError
        The preset is unknown or not trained yet; see :func:`judge_folder`.
    """
    load_preset(name)
    folder = out or folder_of(name)
    trained = Trained.load(folder)
    found = judge_folder(trained, path, read_run(folder)["threshold"], params)
    return "\n".join(
        [
            f"preset {name}, trained in {folder}, on {path}",
            f"{found['photos']} photos, {found['blurred']} blurred; 95 % intervals by scene",
            *figures.figure_lines(found["figures"]),
            *(f"{rule}: {text}" for rule, text in figures.RULES.items()),
        ]
    )
