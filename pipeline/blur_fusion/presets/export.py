"""A trained preset as a model folder, which `model.classifier.load` opens without Keras.

`model.onnx` is the network; `model.json`, written last, says what goes in and what comes out.
`network.npz` holds what Grad-CAM needs: Keras's description of the network, and its weights.
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
from blur_fusion.model.onnx import Graph, check_onnx
from blur_fusion.presets.params import Preset

NETWORK, FORMAT, SYSTEM = "model.onnx", 1, "preset"
EVEN = 0.5  # presets call a photo what is most probable
PICTURE, LAPLACIAN, CLASSES = "image", "laplacian_512", "classes"
_WITHOUT_EFFECT = ("Dropout", "RandomFlip", "RandomRotation", "RandomZoom")  # in judging


class _Writer:
    """Writes Keras layers as ONNX nodes; pictures are (n, channels, height, width) in between."""

    def __init__(self) -> None:
        self.graph = Graph()

    def node(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node over names and constants; the name of its output."""
        name = f"{kind}_{len(self.graph.nodes)}"
        names = []
        for place, given in enumerate(inputs):
            if not isinstance(given, str):
                given = self.graph.constant(f"{name}_{place}", given, np.asarray(given).dtype)
            names.append(given)
        return self.graph.node(kind, names, name, **attributes)

    def network(self, model: Any, names: list[str]) -> str:
        """Write all of a functional model over the inputs `names`."""
        found = {id(tensor): name for tensor, name in zip(model.inputs, names, strict=True)}
        for operation in model.operations:
            used = operation._inbound_nodes[-1]  # none is used twice
            output = id(used.output_tensors[0])
            if output not in found:
                given = [found[id(tensor)] for tensor in used.input_tensors]
                network = isinstance(operation, keras.Model)
                write = self.network(operation, given) if network else self.layer(operation, *given)
                found[output] = write
        return found[id(model.outputs[0])]

    def layer(self, layer: Any, name: str, *more: str) -> str:
        """Write one layer over `name`, and `more` where it takes several tensors."""
        match type(layer).__name__:
            case kind if kind in _WITHOUT_EFFECT:
                return name
            case "Activation":
                return self.activation(layer, name)
            case "Add":
                return self.node("Add", name, *more)
            case "BatchNormalization":
                weights = layer.get_weights()  # gain, offset, mean, variance, as in ONNX
                return self.node("BatchNormalization", name, *weights, epsilon=layer.epsilon)
            case "Concatenate":
                return self.node("Concat", name, *more, axis=1)
            case "Conv2D" | "DepthwiseConv2D":
                return self.convolution(layer, name)
            case "Dense":
                return self.activation(layer, self.node("Gemm", name, *layer.get_weights()))
            case "Flatten":
                return self.node("Flatten", self.node("Transpose", name, perm=[0, 2, 3, 1]))
            case "GlobalAveragePooling2D":
                return self.node("Flatten", self.node("GlobalAveragePool", name))
            case "Log1p":
                return self.node("Log", self.node("Add", name, np.float32(1)))
            case "MaxPooling2D":
                return self.node("MaxPool", name, **_window(layer, layer.pool_size))
            case "Multiply":
                return self.node("Mul", name, *more)
            case "Normalization":
                centred = self.node("Sub", name, _channels(layer.mean))
                return self.node("Div", centred, np.sqrt(_channels(layer.variance)))
            case "ReLU" if not layer.negative_slope and not layer.threshold:
                most = np.inf if layer.max_value is None else layer.max_value
                return self.node("Clip", name, np.float32(0), np.float32(most))
            case "Rescaling":
                scaled = self.node("Mul", name, _channels(layer.scale))
                return self.node("Add", scaled, _channels(layer.offset))
            case "Reshape" if layer.target_shape[:2] == (1, 1):
                return self.node("Reshape", name, np.array([0, -1, 1, 1]))
            case "ZeroPadding2D":
                (top, bottom), (left, right) = layer.padding
                return self.node("Pad", name, np.array([0, 0, top, left, 0, 0, bottom, right]))
            case kind:
                raise BlurError(f"layer {layer.name}: this {kind} cannot be written as ONNX")

    def convolution(self, layer: Any, name: str) -> str:
        """Write a convolution, over all channels at once or each by itself."""
        kernel, *bias = layer.get_weights()
        groups = 1
        if type(layer).__name__ == "DepthwiseConv2D":
            require(layer.depth_multiplier == 1, f"layer {layer.name}: depth_multiplier is above 1")
            kernel, groups = kernel.transpose(0, 1, 3, 2), kernel.shape[2]
        kernel = kernel.transpose(3, 2, 0, 1)
        window = {"group": groups, **_window(layer, kernel.shape[2:])}
        return self.activation(layer, self.node("Conv", name, kernel, *bias, **window))

    def activation(self, layer: Any, name: str) -> str:
        """Write the activation function of a layer."""
        kind = layer.activation.__name__
        if kind == "silu":
            return self.node("Mul", name, self.node("Sigmoid", name))
        known = {"relu": "Relu", "sigmoid": "Sigmoid", "softmax": "Softmax"}
        require(kind in known or kind == "linear", f"layer {layer.name}: {kind} has no ONNX here")
        return self.node(known[kind], name) if kind in known else name


def _window(layer: Any, size: tuple[int, ...]) -> dict[str, Any]:
    """Kernel, stride and padding; 'same' puts the odd pixel at the end, as TensorFlow does."""
    padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
    return {"kernel_shape": list(size), "strides": list(layer.strides), "auto_pad": padding}


def _channels(values: Any) -> Any:
    """A constant; one for each channel is spread over height and width."""
    numbers = np.asarray(values, np.float32)
    return numbers.reshape(-1, 1, 1) if numbers.size > 1 else numbers.reshape(())


def preset_onnx(model: keras.Model) -> bytes:
    """Write a preset's network as ONNX.

    Parameters
    ----------
    model : keras.Model
        From `blur_fusion.presets.networks`: pictures, and perhaps Laplacian variances, to class
        probabilities.

    Returns
    -------
    bytes
        Inputs `image`, uint8 (n, side, side, 1 or 3), and where the model has two `laplacian_512`,
        float32 (n, 1); output `classes`, float32 (n, classes).

    Raises
    ------
    BlurError
        onnx is not installed, or a layer is not known here.
    """
    check_onnx()
    from onnx import TensorProto, helper

    writer = _Writer()
    shape = ["n", *model.inputs[0].shape[1:]]
    inputs = [helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, shape)]
    names = [
        writer.node(
            "Transpose", writer.node("Cast", PICTURE, to=TensorProto.FLOAT), perm=[0, 3, 1, 2]
        )
    ]
    if len(model.inputs) > 1:
        inputs.append(helper.make_tensor_value_info(LAPLACIAN, TensorProto.FLOAT, ["n", 1]))
        names.append(LAPLACIAN)
    writer.graph.node("Identity", [writer.network(model, names)], CLASSES)
    count = int(model.outputs[0].shape[-1])
    output = helper.make_tensor_value_info(CLASSES, TensorProto.FLOAT, ["n", count])
    return writer.graph.bytes(inputs, [output])


def write_model(model: keras.Model, preset: Preset, folder: Path) -> None:
    """Write the model folder of a trained preset into `folder`, which exists."""
    content = preset_onnx(model)
    (folder / NETWORK).write_bytes(content)
    seeing = keras.Model(model.inputs[0], model.get_layer("answer").output)
    np.savez(folder / PRESET_WEIGHTS, *seeing.get_weights(), description=np.array(seeing.to_json()))
    about = {
        "format": FORMAT,
        "system": SYSTEM,
        "name": preset.name,
        "network": {"file": NETWORK, "sha256": hashlib.sha256(content).hexdigest()},
        "input": asdict(preset.input.spec),
        "classes": list(preset.layout.classes),
        "blurred": preset.layout.classes.index(preset.layout.blurred),
        "threshold": EVEN,
    }
    (folder / MODEL).write_text(as_json(about), encoding="utf-8")
