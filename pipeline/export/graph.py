"""An ONNX graph, written node by node, so that no name and no byte is left to a tool."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError
from pipeline.config.extras import needs_train_line

OPSET, IR_VERSION = 17, 8  # understood by onnxruntime since 1.12
_ONE = np.float32(1)

Array = npt.NDArray[Any]


class Tensor(NamedTuple):
    """A tensor (1, channels, h, w) of the graph, still to be multiplied by `scale`."""

    name: str
    scale: np.float32 = _ONE


class Graph:
    """Nodes and constants in the order they are added, each named after its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.kernels: dict[str, tuple[str, str]] = {}  # convolution: its kernel and bias

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Add a constant and give its name."""
        self.constants[name] = np.ascontiguousarray(values, kind).reshape(np.shape(values))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node and give the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def plain(self, tensor: Tensor) -> str:
        """The tensor's name, multiplied out."""
        if tensor.scale == 1:
            return tensor.name
        name = f"{tensor.name}_scaled"
        if f"{name}_by" not in self.constants:
            by = self.constant(f"{name}_by", tensor.scale)
            self.node("Mul", [tensor.name, by], name)
        return name

    def bytes(self, inputs: list[Any], outputs: list[Any]) -> bytes:
        """Serialise; the same graph gives the same bytes, for nothing in it tells time or place."""
        import onnx
        from onnx import helper, numpy_helper

        held = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, "blur_cnn", inputs, outputs, held)
        model = helper.make_model(
            graph,
            producer_name="blur-fusion",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def check_onnx() -> None:
    """Refuse in one line where the package onnx is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise BlurError(needs_train_line("exporting a model")) from None
