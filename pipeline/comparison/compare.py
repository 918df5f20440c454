"""Measure all systems on the same photos, and ours against the best preset."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.comparison.baselines import baseline_systems
from pipeline.comparison.ours import our_systems
from pipeline.comparison.presets import preset_systems
from pipeline.comparison.systems import OWN, VALIDATION, System
from pipeline.config import Params
from pipeline.config.errors import require
from pipeline.data.dataset import LabelledImage
from pipeline.data.store import Store
from pipeline.evaluation.heldout import held_out
from pipeline.evaluation.intervals import Draws
from pipeline.evaluation.report import Judged
from pipeline.evaluation.shares import cell
from pipeline.presets.figures import measured, truth_of
from pipeline.presets.layouts import read_any
from pipeline.presets.params import LayoutParams

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
        value = ours - figures[best][metric]["value"]
        one = cell(value, draws[OUR_NAME][metric] - draws[best][metric])
        low, high = one["low"], one["high"]
        excludes = low is not None and high is not None and (low > 0 or high < 0)
        found.append({"metric": metric, "preset": best, **one, "excludes_zero": excludes})
    return found


def _part(
    data: str,
    rule: str,
    images: Sequence[LabelledImage],
    answers: Mapping[str, Mapping[str, Judged]],
    presets: Sequence[str],
    params: Params,
) -> Part:
    truth = truth_of(images)
    chosen = {name: by_rule[rule] for name, by_rule in answers.items() if rule in by_rule}
    figures, draws = measured(truth, chosen, params.evaluate, params.seed)
    there = [name for name in presets if name in chosen]
    blurred = int(truth.labels.sum())
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
