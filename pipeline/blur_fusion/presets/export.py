"""A trained preset as a model folder, which `model.classifier.load` opens without Keras.

`model.onnx` is the network, `model.json` describes its input and output, and `network.npz` holds
what Grad-CAM needs: Keras's description of the network, and its weights.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.report import as_json
from blur_fusion.model.classifier import PRESET_WEIGHTS
from blur_fusion.model.folder import MODEL
from blur_fusion.model.network import Graph, check_onnx, window
from blur_fusion.presets.params import Preset

NETWORK = "model.onnx"
PICTURE, LAPLACIAN, CLASSES = "image", "laplacian_512", "classes"
_WITHOUT_EFFECT = ("Dropout", "RandomFlip", "RandomRotation", "RandomZoom")  # in judging
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "softmax": "Softmax"}


class _Writer(Graph):
    """Writes Keras layers as ONNX nodes over pictures (n, channels, height, width)."""

    def add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node over names and constants; give the name of its output."""
        name, names = f"{kind}_{len(self.nodes)}", []
        for place, given in enumerate(inputs):
            if not isinstance(given, str):
                given = self.constant(f"{name}_{place}", given, np.asarray(given).dtype)
            names.append(given)
        return self.node(kind, names, name, **attributes)

    def network(self, model: Any, names: list[str]) -> str:
        """Write a functional model over the inputs `names`."""
        found = {id(tensor): name for tensor, name in zip(model.inputs, names, strict=True)}
        for operation in model.operations:
            used = operation._inbound_nodes[-1]  # none is used twice
            output = id(used.output_tensors[0])
            if output not in found:
                write = self.network if isinstance(operation, keras.Model) else self.layer
                found[output] = write(
                    operation, [found[id(tensor)] for tensor in used.input_tensors]
                )
        return found[id(model.outputs[0])]

    def layer(self, layer: Any, names: list[str]) -> str:
        """Write one layer over the inputs `names`."""
        name = names[0]
        match type(layer).__name__:
            case kind if kind in _WITHOUT_EFFECT:
                return name
            case "Activation":
                return self.activation(layer, name)
            case "Add":
                return self.add("Add", *names)
            case "BatchNormalization":
                weights = layer.get_weights()  # gain, offset, mean, variance, as in ONNX
                return self.add("BatchNormalization", name, *weights, epsilon=layer.epsilon)
            case "Concatenate":
                return self.add("Concat", *names, axis=1)
            case "Conv2D" | "DepthwiseConv2D":
                return self.convolution(layer, name)
            case "Dense":
                return self.activation(layer, self.add("Gemm", name, *layer.get_weights()))
            case "Flatten":
                return self.add("Flatten", self.add("Transpose", name, perm=[0, 2, 3, 1]))
            case "GlobalAveragePooling2D":
                return self.add("Flatten", self.add("GlobalAveragePool", name))
            case "Log1p":
                return self.add("Log", self.add("Add", name, np.float32(1)))
            case "MaxPooling2D":
                return self.add("MaxPool", name, **window(layer, layer.pool_size))
            case "Multiply":
                return self.add("Mul", *names)
            case "Normalization":
                centred = self.add("Sub", name, _channels(layer.mean))
                return self.add("Div", centred, np.sqrt(_channels(layer.variance)))
            case "ReLU" if not layer.negative_slope and not layer.threshold:
                most = np.inf if layer.max_value is None else layer.max_value
                return self.add("Clip", name, np.float32(0), np.float32(most))
            case "Rescaling":
                scaled = self.add("Mul", name, _channels(layer.scale))
                return self.add("Add", scaled, _channels(layer.offset))
            case "Reshape" if layer.target_shape[:2] == (1, 1):
                return self.add("Reshape", name, np.array([0, -1, 1, 1]))
            case "ZeroPadding2D":
                (top, bottom), (left, right) = layer.padding
                return self.add("Pad", name, np.array([0, 0, top, left, 0, 0, bottom, right]))
            case kind:
                raise BlurError(f"layer {layer.name}: this {kind} cannot be written as ONNX")

    def convolution(self, layer: Any, name: str) -> str:
        """Write a convolution, plain or depthwise."""
        kernel, *bias = layer.get_weights()
        groups = 1
        if type(layer).__name__ == "DepthwiseConv2D":
            require(layer.depth_multiplier == 1, f"layer {layer.name}: depth_multiplier is above 1")
            kernel, groups = kernel.transpose(0, 1, 3, 2), kernel.shape[2]
        kernel = kernel.transpose(3, 2, 0, 1)
        place = window(layer, kernel.shape[2:])
        return self.activation(layer, self.add("Conv", name, kernel, *bias, group=groups, **place))

    def activation(self, layer: Any, name: str) -> str:
        """Write the activation function of a layer."""
        kind = layer.activation.__name__
        if kind == "silu":
            return self.add("Mul", name, self.add("Sigmoid", name))
        require(kind in (*_ACTIVATIONS, "linear"), f"layer {layer.name}: {kind} has no ONNX here")
        return name if kind == "linear" else self.add(_ACTIVATIONS[kind], name)


def _channels(values: Any) -> Any:
    """Shape a constant, or one for each channel, to be broadcast over height and width."""
    numbers = np.asarray(values, np.float32)
    return numbers.reshape(-1, 1, 1) if numbers.size > 1 else numbers.reshape(())


def preset_onnx(model: keras.Model) -> bytes:
    """Convert a preset's network, with class probabilities, to ONNX.

    Returns
    -------
    bytes
        Inputs `image`, uint8 (n, side, side, 1 or 3), and, if the model has two, `laplacian_512`,
        float32 (n, 1); output `classes`, float32 (n, classes).

    Raises
    ------
    BlurError
        onnx is not installed, or a layer is of an unknown kind.
    """
    check_onnx()
    from onnx import TensorProto, helper

    writer = _Writer()
    shape = ["n", *model.inputs[0].shape[1:]]
    inputs = [helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, shape)]
    cast = writer.add("Cast", PICTURE, to=TensorProto.FLOAT)
    names = [writer.add("Transpose", cast, perm=[0, 3, 1, 2])]
    if len(model.inputs) > 1:
        inputs.append(helper.make_tensor_value_info(LAPLACIAN, TensorProto.FLOAT, ["n", 1]))
        names.append(LAPLACIAN)
    writer.node("Identity", [writer.network(model, names)], CLASSES)
    shape = ["n", int(model.outputs[0].shape[-1])]
    return writer.bytes(inputs, [helper.make_tensor_value_info(CLASSES, TensorProto.FLOAT, shape)])


def write_model(model: keras.Model, preset: Preset, folder: Path) -> None:
    """Write the files of a preset's model folder into the existing `folder`."""
    content = preset_onnx(model)
    (folder / NETWORK).write_bytes(content)
    seeing = keras.Model(model.inputs[0], model.get_layer("answer").output)
    np.savez(folder / PRESET_WEIGHTS, *seeing.get_weights(), description=np.array(seeing.to_json()))
    about = {
        "format": 1,
        "system": "preset",
        "name": preset.name,
        "network": {"file": NETWORK, "sha256": hashlib.sha256(content).hexdigest()},
        "input": asdict(preset.input.spec),
        "classes": list(preset.layout.classes),
        "blurred": preset.layout.classes.index(preset.layout.blurred),
        "threshold": 0.5,  # of two classes, the more probable one
    }
    (folder / MODEL).write_text(as_json(about), encoding="utf-8")
