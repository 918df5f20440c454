"""A small model folder made without training, for tests of whatever judges photos.

Its network answers by the mean absolute Laplacian, so that it tells a blurred picture from a sharp
one; the weights of its dense networks are random and small.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from blur_fusion.features.summary import feature_names
from blur_fusion.fusion.calibration import Calibration, RateTable
from blur_fusion.fusion.stack import (
    JUDGES,
    LOGIT_NAMES,
    Ensemble,
    Member,
    Model,
    Stack,
    Standardiser,
)
from blur_fusion.model.folder import ModelFolder, write_folder
from blur_fusion.model.onnx import Graph
from blur_fusion.params import load_params
from trees import REPOSITORY

PARAMS = load_params(REPOSITORY / "params.yaml")


def tiny_network() -> bytes:
    """Logit 4 - mean absolute Laplacian of blurred; its places are 8x8 blocks."""
    graph = Graph()
    mask = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)[None, None]
    graph.node("Conv", ["image", graph.constant("mask", mask)], "laplacian")
    graph.node("Abs", ["laplacian"], "size")
    block = {"kernel_shape": [8, 8], "strides": [8, 8], "auto_pad": "SAME_UPPER"}
    graph.node("AveragePool", ["size"], "blocks", count_include_pad=0, **block)
    slopes = np.array([-1.0, 1.0, 0.3, -0.3], np.float32)[:, None, None, None]
    weights = [graph.constant("slopes", slopes), graph.constant("offsets", [4, -4, 1, 2])]
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
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, "height", "width"])
    answers = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    return graph.bytes([image], answers)


def tiny_contents(seed: int = 0) -> ModelFolder:
    """What the folder holds: default focus measures, thresholds from made-up validation rows."""
    rng = np.random.default_rng(seed)
    names = tuple(feature_names(PARAMS.features))

    def ensemble(width: int, gain: float) -> Ensemble:
        sizes = ((width, 4), (4, 1))
        kernels = [rng.normal(0, 0.02, size).astype(np.float32) for size in sizes]
        biases = [rng.normal(0, 0.02, size[1]).astype(np.float32) for size in sizes]
        return Ensemble((Member(tuple(zip(kernels, biases, strict=True)), gain),) * 2)

    wide = len(LOGIT_NAMES) + len(names)
    scaling = Standardiser((0.5,) * wide, (3.0,) * wide, 3.0)
    parts = ensemble(len(names), 0.0), ensemble(wide, 1.0), ensemble(wide, 1.0)
    stack = Stack(names, scaling, *parts)
    calibrations = {judge: Calibration(0.5, -1.5) for judge in JUDGES}
    model = Model(stack, calibrations, dict.fromkeys(JUDGES, 0.5))
    labels = rng.integers(0, 2, 200)
    rates = RateTable.fit(labels, np.clip(rng.normal(0.2 + 0.6 * labels, 0.15), 0, 1))
    features = dataclasses.replace(PARAMS.features)
    return ModelFolder(tiny_network(), model, features, 256, rates, {"made": "for tests"})


def write_tiny_model(folder: Path) -> Path:
    """Write it; gives the folder back."""
    write_folder(folder, tiny_contents())
    return folder
