"""The exported network as a Keras model again: Grad-CAM needs gradients, ONNX Runtime has none.

So what is explained is the very network that judged, wherever its weights were trained. TensorFlow
and onnx are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers, ops
from onnx import numpy_helper

from blur_fusion.errors import BlurError, require
from blur_fusion.model.network import IMAGE, LOGITS

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{"Add": ops.add, "Mul": ops.multiply, "Sub": ops.subtract, "Div": ops.divide},
    **{"Abs": ops.abs, "Log": ops.log, "Exp": ops.exp, "Sqrt": ops.sqrt, "Sigmoid": ops.sigmoid},
}
_AXES = {0: 0, 1: 3, 2: 1, 3: 2}  # of ONNX's (batch, channel, h, w) in Keras's (batch, h, w, ch.)


class _Reader:
    """Builds tensors by name; those of images (four dimensions) are channels-last."""

    def __init__(self, graph: Any, name: str) -> None:
        self.name = name
        self.nodes = {output: node for node in graph.node for output in node.output}
        self.constants = {held.name: numpy_helper.to_array(held) for held in graph.initializer}
        self.image = layers.Input(batch_shape=(1, None, None, 1), name=IMAGE)
        self.found: dict[str, Any] = {IMAGE: self.image}

    def tensor(self, name: str) -> Any:
        """What the graph calls `name`, made when first asked for."""
        if name in self.constants:
            values = self.constants[name]
            return np.transpose(values, (0, 2, 3, 1)) if values.ndim == 4 else values
        if name not in self.found:
            require(name in self.nodes, f"{self.name}: refers to '{name}', which it lacks")
            self.found[name] = self._answer(self.nodes[name])
        return self.found[name]

    def _whole(self, name: str) -> list[int]:
        """Constant numbers, such as a shape."""
        known = name in self.constants
        require(known, f"{self.name}: '{name}' is not constant, which Grad-CAM cannot follow")
        return [int(value) for value in self.constants[name].ravel()]

    def _answer(self, node: Any) -> Any:
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        kind = node.op_type
        if kind in _ELEMENTWISE:
            return _ELEMENTWISE[kind](*(self.tensor(name) for name in node.input))
        make = getattr(self, f"_{kind.lower()}", None)
        if make is None:
            raise BlurError(f"{self.name}: operation {kind} is not known to Grad-CAM")
        return make(node, given)

    def _window(self, given: dict[str, Any]) -> dict[str, Any]:
        padding = {b"SAME_UPPER": "same", b"VALID": "valid"}.get(given.get("auto_pad", b""))
        plain = padding is not None or not any(given.get("pads", [0]))
        require(plain, f"{self.name}: padding that Grad-CAM does not know")
        return {"strides": tuple(given.get("strides", (1, 1))), "padding": padding or "valid"}

    def _conv(self, node: Any, given: dict[str, Any]) -> Any:
        image, kernel = self.tensor(node.input[0]), self.constants[node.input[1]]
        groups = given.get("group", 1)
        require(groups == 1, f"{self.name}: grouped convolutions are not known to Grad-CAM")
        weights = [kernel.transpose(2, 3, 1, 0)]
        if len(node.input) > 2:
            weights.append(self.constants[node.input[2]])
        layer = layers.Conv2D(
            *(kernel.shape[0], kernel.shape[2:]),
            **self._window(given),
            use_bias=len(weights) > 1,
            name=node.output[0].replace("/", "_"),
        )
        answer = layer(image)
        layer.set_weights(weights)
        return answer

    def _relu(self, node: Any, given: dict[str, Any]) -> Any:
        return layers.ReLU()(self.tensor(node.input[0]))

    def _averagepool(self, node: Any, given: dict[str, Any]) -> Any:
        pool = layers.AveragePooling2D(tuple(given["kernel_shape"]), **self._window(given))
        return pool(self.tensor(node.input[0]))

    def _globalaveragepool(self, node: Any, given: dict[str, Any]) -> Any:
        return ops.mean(self.tensor(node.input[0]), axis=(1, 2), keepdims=True)

    def _globalmaxpool(self, node: Any, given: dict[str, Any]) -> Any:
        return ops.max(self.tensor(node.input[0]), axis=(1, 2), keepdims=True)

    def _reducemean(self, node: Any, given: dict[str, Any]) -> Any:
        return self._reduced(ops.mean, node, given)

    def _reducesum(self, node: Any, given: dict[str, Any]) -> Any:
        return self._reduced(ops.sum, node, given)

    def _reduced(self, reduce: Callable[..., Any], node: Any, given: dict[str, Any]) -> Any:
        tensor = self.tensor(node.input[0])
        axes = given["axes"] if "axes" in given else self._whole(node.input[1])
        image = len(tensor.shape) == 4
        places = tuple(_AXES[axis % 4] if image else int(axis) for axis in axes)
        return reduce(tensor, axis=places, keepdims=bool(given.get("keepdims", 1)))

    def _concat(self, node: Any, given: dict[str, Any]) -> Any:
        tensors = [self.tensor(name) for name in node.input]
        image = len(tensors[0].shape) == 4
        return ops.concatenate(tensors, axis=_AXES[given["axis"] % 4] if image else given["axis"])

    def _slice(self, node: Any, given: dict[str, Any]) -> Any:
        tensor = self.tensor(node.input[0])
        starts, ends, axes = (self._whole(name) for name in node.input[1:4])
        require(len(node.input) == 4, f"{self.name}: slices with steps are not known to Grad-CAM")
        place: list[Any] = [slice(None)] * len(tensor.shape)
        for start, end, axis in zip(starts, ends, axes, strict=True):
            place[_AXES[axis % 4] if len(place) == 4 else axis] = slice(start, end)
        return tensor[tuple(place)]

    def _reshape(self, node: Any, given: dict[str, Any]) -> Any:
        tensor = self.tensor(node.input[0])
        if len(tensor.shape) == 4:
            tensor = ops.transpose(tensor, (0, 3, 1, 2))
        return ops.reshape(tensor, tuple(self._whole(node.input[1])))

    def _softmax(self, node: Any, given: dict[str, Any]) -> Any:
        tensor = self.tensor(node.input[0])
        axis = given.get("axis", -1)
        return ops.softmax(tensor, axis=_AXES[axis % 4] if len(tensor.shape) == 4 else axis)


def keras_network(content: bytes, name: str) -> keras.Model:
    """Rebuild the network of a model folder.

    Parameters
    ----------
    content : bytes
        ONNX, as `blur_fusion.model.folder.ModelFolder.network` has it.
    name : str
        What messages call it.

    Returns
    -------
    keras.Model
        From (1, h, w, 1) grey levels to logits (1, 4), within rounding of ONNX Runtime's.

    Raises
    ------
    BlurError
        It is no ONNX, or holds an operation that is not known here.
    """
    try:
        graph = onnx.load_model_from_string(content).graph
    except Exception as error:  # onnx hands on whatever its parser raises
        raise BlurError(f"{name}: is no ONNX ({type(error).__name__})") from None
    reader = _Reader(graph, name)
    answer = reader.tensor(LOGITS)
    return keras.Model(reader.image, answer, name="exported")
