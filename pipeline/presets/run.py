"""Train a preset and evaluate it: everything that `blur preset NAME` writes."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Params
from pipeline.evaluation.baselines import laplacian_variances
from pipeline.evaluation.curves import write_csv
from pipeline.evaluation.report import as_json
from pipeline.fusion.threshold import choose_threshold
from pipeline.networks.determinism import make_deterministic
from pipeline.presets import figures
from pipeline.presets.examples import Example, examples, read_examples
from pipeline.presets.gallery import JudgedRows, draw
from pipeline.presets.layouts import Source
from pipeline.presets.networks import build, build_fused
from pipeline.presets.params import Preset
from pipeline.presets.results import PREDICTIONS, REPORT, check_target, write_predictions
from pipeline.presets.sweep import sweep
from pipeline.presets.train import Epoch, Material, fit_network, fit_phase
from pipeline.presets.trained import Scale, Trained, size_of


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
        "own": figures.judged(test.probabilities, test.verdicts, float("nan")),
        "validation": figures.judged(
            test.probabilities, test.probabilities >= threshold, threshold
        ),
    }
    truth = figures.truth_of(test.rows)
    return figures.measured(truth, systems, params.evaluate, params.seed)[0]


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
