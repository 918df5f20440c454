"""Our own model as rows of the comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.comparison.systems import OWN, VALIDATION, Answers, System, timed
from pipeline.config import Params
from pipeline.data.dataset import LabelledImage
from pipeline.data.store import Store
from pipeline.evaluation.heldout import load_detector
from pipeline.evaluation.run import judged_models
from pipeline.evaluation.stream import ordered_map, shown
from pipeline.features import describe
from pipeline.fusion.ensemble import Ensemble
from pipeline.images import working_image

OURS = ("fused", "cnn", "features")


def _weights(stack: Any) -> dict[str, int]:
    """Number of weights of each ensemble of a stack."""
    return {
        name: sum(1 + sum(k.size + b.size for k, b in member.layers) for member in part.members)
        for name, part in vars(stack).items()
        if isinstance(part, Ensemble)
    }


def _training_seconds(path: Path) -> float | None:
    """What `pipeline.comparison.training_time` measured; None where it did not run."""
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def our_systems(store: Store, test: Sequence[int], models: Path, params: Params) -> list[System]:
    """Fused, CNN alone and focus measures alone, from the trained artefacts."""
    detector, side = load_detector(models, params), params.image.long_side
    scores = detector.predict(store.image(i) for i in shown(test, len(test), "ours"))
    answers = judged_models(scores)

    def judge(name: str, images: Sequence[LabelledImage]) -> Answers:
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
