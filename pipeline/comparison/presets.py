"""Trained presets as rows of the comparison."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.comparison.systems import OWN, VALIDATION, Answers, System, timed
from pipeline.config import Params
from pipeline.config.errors import BlurError, require
from pipeline.data.dataset import LabelledImage
from pipeline.presets.figures import judged
from pipeline.presets.networks import build
from pipeline.presets.params import known_presets, load_preset
from pipeline.presets.results import PREDICTIONS, read_run
from pipeline.presets.trained import Trained


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

    def by_rule(probabilities: Any, verdicts: Any) -> Answers:
        return {
            OWN: judged(probabilities, verdicts, float("nan")),
            VALIDATION: judged(probabilities, probabilities >= threshold, threshold),
        }

    def judge(images: Sequence[LabelledImage]) -> Answers:
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
