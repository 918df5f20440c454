"""What `blur preset` does, and what it prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Params
from pipeline.presets import figures
from pipeline.presets.layouts import open_source, read_any
from pipeline.presets.params import Preset, load_preset
from pipeline.presets.results import check_target, read_run
from pipeline.presets.run import run_preset
from pipeline.presets.sweep import sweep_lines
from pipeline.presets.trained import Trained

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
    """Train and evaluate a preset; what to print. See :func:`pipeline.presets.run.run_preset`."""
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
    from pipeline.evaluation.heldout import held_out

    images, _ = held_out(read_any(path, trained.preset.layout, params))
    classes = trained.classes([image.path for image in images], params.compute.workers)
    probabilities, verdicts = trained.blurred(classes)
    systems = {
        "own": figures.judged(probabilities, verdicts, float("nan")),
        "validation": figures.judged(probabilities, probabilities >= threshold, threshold),
    }
    truth = figures.truth_of(images)
    found, _ = figures.measured(truth, systems, params.evaluate, params.seed)
    return {"photos": len(images), "blurred": int(np.sum(truth.labels)), "figures": found}


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
