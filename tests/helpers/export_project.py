"""Artefacts as the stages leave them, with random weights, for tests of the export."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml

from blur_fusion.cnn.network import build_network, layer_weights
from blur_fusion.model.folder import packed, write_folder
from blur_fusion.model.network import network_onnx
from blur_fusion.model.provenance import STAGES, dvc_digest
from blur_fusion.params import load_params
from tiny_model import tiny_contents
from trees import REPOSITORY

DATASET = {"name": "sample", "digest": "ab" * 32}


def tiny_params(**changed: Any) -> str:
    values: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text("utf-8"))
    values["cnn"] |= {"patterns": 7, "filters": [5, 6, 4]}
    return yaml.safe_dump({**values, "image": {"long_side": 200}, **changed})


def make_project(root: Path) -> Path:
    """Write params, artefacts with random weights, and their dvc.lock."""
    keras.utils.set_random_seed(4)  # independent of earlier tests
    (root / "params.yaml").write_text(tiny_params(), encoding="utf-8")
    params, rng = load_params(root / "params.yaml"), np.random.default_rng(4)
    model = build_network(params.cnn)
    for layer in model.layers:
        if layer.name.endswith("_norm"):  # fresh ones are the identity: nothing to fold
            shape = layer.get_weights()[0].shape
            # Gain, offset, mean and a variance small enough that images differ in their logits.
            spans = (0.5, 2), (-1, 1), (-0.5, 0.5), (0.2, 1)
            layer.set_weights([rng.uniform(*span, shape) for span in spans])
        elif "score" in layer.name or "logits" in layer.name:
            # Scores further apart than e^-87 would underflow in the attention.
            spread = 0.3 if "score" in layer.name else 1
            layer.set_weights([rng.normal(0, spread, one.shape) for one in layer.get_weights()])
    artifacts = root / "artifacts"
    for stage in ("load", "cnn", "fuse"):
        (artifacts / stage).mkdir(parents=True)
    model.save_weights(artifacts / "cnn" / "final.weights.h5")
    (artifacts / "load" / "dataset.json").write_text(json.dumps(DATASET), encoding="utf-8")
    contents = dataclasses.replace(
        tiny_contents(),
        network=network_onnx(model),
        weights=packed(layer_weights(model)),
        cnn={"patterns": params.cnn.patterns, "filters": list(params.cnn.filters)},
        long_side=params.image.long_side,
    )
    write_folder(artifacts / "fuse", contents)
    (artifacts / "fuse" / "history.csv").write_text("of no model")
    stages: dict[str, Any] = {}
    for name in STAGES:  # with code that does not exist
        folder = artifacts / name
        md5 = dvc_digest(folder) if folder.is_dir() else "34" * 16 + ".dir"
        data = {"path": "artifacts/load", "md5": "56" * 16 + ".dir"}
        stages[name] = {
            "deps": [{"path": "pipeline/blur_fusion/cnn", "md5": "12" * 16 + ".dir"}, data],
            "params": {"params.yaml": {"seed": params.seed}},
            "outs": [
                {"path": "data/sample" if name == "sample" else f"artifacts/{name}", "md5": md5}
            ],
        }
    stages["cnn"]["params"]["params.yaml"]["cnn.filters"] = list(params.cnn.filters)
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    return root
