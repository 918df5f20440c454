"""A small model folder made without training, for tests of whatever judges photos.

Its network answers by the mean size of fine detail, so that it tells a blurred picture from a sharp
one; the weights of its dense networks are random and small.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from blur_fusion.features.summary import feature_names
from blur_fusion.fusion.calibration import Model, RateTable
from blur_fusion.fusion.stack import JUDGES, LOGIT_NAMES, Calibration, Networks, Stack, Standardiser
from blur_fusion.model.folder import (
    PROVENANCE,
    ModelFolder,
    as_json,
    packed,
    read_folder,
    write_folder,
)
from blur_fusion.model.network import Graph
from blur_fusion.params import Params

PARAMS = Params()
PATTERNS, CHANNELS = 20, 2
FINEST = np.array([0.0] * 16 + [0.25] * 4)  # of the patterns, by weight
SLOPES, OFFSETS = np.array([-7.0, 7.0, 2.1, -2.1]), np.array([5.1, -5.1, 1.0, 2.0])


def tiny_network() -> bytes:
    """Logit 5.1 - 7 mean response of blurred; its places are 8x8 blocks."""
    graph = Graph()
    graph.node("Exp", ["fine"], "sizes")
    finest = graph.constant("finest", FINEST[None, :, None, None])
    graph.node("Conv", ["sizes", finest], "responses")
    block = {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
    graph.node("AveragePool", ["responses"], "blocks", count_include_pad=0, **block)
    slopes = graph.constant("slopes", SLOPES[:, None, None, None])
    weights = [slopes, graph.constant("offsets", OFFSETS)]
    graph.node("Conv", ["blocks", *weights], "local_logits")
    graph.node("ReduceMean", ["local_logits"], "logits", axes=[2, 3], keepdims=0)
    shape = graph.node("Shape", ["local_logits"], "shape", start=2)
    ends = [graph.constant(name, [k], np.int64) for name, k in (("a", 0), ("b", 1), ("axis", 1))]
    graph.node("Slice", ["local_logits", *ends], "blurred")
    graph.node("Reshape", ["blurred", shape], "local")
    flat = graph.constant("line", [-1], np.int64)
    zeros = graph.node("Mul", ["blurred", graph.constant("zero", 0.0)], "zeros")
    graph.node("Softmax", [graph.node("Reshape", [zeros, flat], "scores")], "weights", axis=0)
    graph.node("Reshape", ["weights", shape], "attention")
    shapes = {"logits": [1, 4], "local": ["h", "w"], "attention": ["h", "w"]}
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, PATTERNS, f"{name}_h", "w"])
        for name in ("fine", "coarse")
    ]
    answers = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    return graph.bytes(given, answers)


def tiny_weights() -> bytes:
    """Random weights for Grad-CAM, unrelated to :func:`tiny_network`."""
    wide = CHANNELS + PATTERNS
    norm = [(CHANNELS,)] * 4
    layers = {
        **dict.fromkeys(("fine_blocks", "coarse_blocks"), [(8, 8, 1, PATTERNS)]),
        **{"block0": [(3, 3, PATTERNS, CHANNELS)], "block0_norm": norm, "head_norm": norm},
        **{"squeeze": [(1, 1, 2 * wide, wide), (wide,)], "excite": [(1, 1, wide, wide), (wide,)]},
        **{"head": [(3, 3, wide, CHANNELS)], "content_score": [(1, 1, PATTERNS, 1), (1,)]},
        **{"head_score": [(1, 1, CHANNELS, 1), (1,)]},
        **{"local_logits": [(1, 1, CHANNELS, 4), (4,)]},
    }
    rng = np.random.default_rng(3)
    return packed(
        {
            f"{name}/{place}": rng.uniform(0.1, 1, shape).astype(np.float32)
            for name, shapes in layers.items()
            for place, shape in enumerate(shapes)
        }
    )


def random_networks(
    rng: np.random.Generator, width: int, members: int = 2, spread: float = 0.02
) -> Networks:
    sizes = ((width, 4), (4, 1))
    kernels = [rng.normal(0, spread, (members, *size)).astype(np.float32) for size in sizes]
    biases = [rng.normal(0, spread, (members, 1, size[1])).astype(np.float32) for size in sizes]
    layers = (tuple(part.astype(np.float64) for part in parts) for parts in (kernels, biases))
    return Networks(*layers, np.ones((members, 1)))


def untrained(name: str, inputs: Any, params: Params) -> tuple[Networks, list[dict[str, Any]]]:
    """Random networks, in place of those that `blur_fusion.fusion.train._fit` trains."""
    rng = np.random.default_rng(len(name))
    return random_networks(rng, inputs.values.shape[1] - 1, spread=0.5), []


def tiny_contents(kinds: bool = True) -> ModelFolder:
    """What the folder holds: default focus measures, thresholds from made-up validation rows."""
    names, rng = tuple(feature_names(PARAMS.features)), np.random.default_rng(0)
    wide = len(LOGIT_NAMES) + len(names)
    scaling = Standardiser(np.full(wide, 0.5), np.full(wide, 3.0), 3.0)
    widths = {"features": len(names), "both": wide, **({"kind": wide} if kinds else {})}
    parts = {name: random_networks(rng, width) for name, width in widths.items()}
    stack, rng = Stack.join(names, scaling, parts), np.random.default_rng(0)
    calibrations = {judge: Calibration(0.5, -1.5) for judge in JUDGES}
    labels = rng.integers(0, 2, 200)
    rates = RateTable.fit(labels, np.clip(rng.normal(0.2 + 0.6 * labels, 0.15), 0, 1))
    model = Model(stack, calibrations, dict.fromkeys(JUDGES, 0.5), rates)
    cnn = {"patterns": PATTERNS, "filters": [CHANNELS]}
    return ModelFolder(tiny_network(), tiny_weights(), cnn, model, PARAMS.features, 256)


def with_band(model: Path, folder: Path, low: float, high: float) -> Path:
    """A copy of a model whose fused classifier is unsure between `low` and `high`."""
    contents, _ = read_folder(model)
    bands = {"fused": (low, high)}
    doubting = dataclasses.replace(contents.model, bands=bands)
    write_folder(folder, dataclasses.replace(contents, model=doubting))
    return folder


def write_tiny_model(folder: Path) -> Path:
    write_folder(folder, tiny_contents())
    (folder / PROVENANCE).write_bytes(as_json({"made": "for tests"}))
    return folder
