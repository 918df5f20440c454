"""The CNN as ONNX: run by onnxruntime, and written from the trained Keras network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blur_fusion.cnn.spectra import local_spectra
from blur_fusion.errors import BlurError, needs_train_line, require
from blur_fusion.fusion.stack import LOGIT_NAMES
from blur_fusion.images.photo import center_crop
from blur_fusion.images.resize import SMALLEST_INPUT, pad_to
from blur_fusion.startup import environment

FINE, COARSE = "fine", "coarse"
LOGITS, LOCAL, ATTENTION = "logits", "local", "attention"

OPSET, IR_VERSION = 17, 8  # onnxruntime reads them since 1.12

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def open_session(content: bytes, name: str) -> Any:
    """An onnxruntime session on a file's content; errors are one line."""
    with environment("ORT_DISABLE_TELEMETRY", "1"):  # it reports home otherwise
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are reported below, in one line
    options.enable_mem_pattern = False  # a pattern is kept for every image size
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for every status
        line = " ".join(str(error).split())[:200]
        raise BlurError(f"{name}: not a network that onnxruntime can load ({line})") from None


class OnnxNetwork:
    """The network from its local spectra on; several threads may share one.

    `content` is ONNX from `blur_fusion.model.network.network_onnx`, `name` its name in messages,
    and one call uses one thread. Raises BlurError if it is not such a network.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._session = open_session(content, name)
        inputs = {given.name: list(given.shape) for given in self._session.get_inputs()}
        outputs = {given.name: list(given.shape) for given in self._session.get_outputs()}
        fits = (
            set(inputs) == {FINE, COARSE}
            and inputs[FINE][:2] == inputs[COARSE][:2]
            and {LOCAL, ATTENTION} <= outputs.keys()
            and outputs.get(LOGITS) == [1, len(LOGIT_NAMES)]
        )
        require(fits, f"{name}: inputs or outputs differ from blur's network; export it again")
        self._patterns = int(inputs[FINE][1])

    def _run(self, image: Pixels, outputs: list[str]) -> list[Floats]:
        if min(image.shape) < SMALLEST_INPUT:
            image = pad_to(image, SMALLEST_INPUT)
        fine, coarse = local_spectra(image.astype(np.float32), self._patterns)
        found: list[Floats] = self._session.run(outputs, {FINE: fine, COARSE: coarse})
        return found

    def logits(self, images: Iterable[Pixels]) -> Floats:
        """Logits (n, 4) in the order of `LOGIT_NAMES`, of the middles of grey uint8 images."""
        rows = [self._run(center_crop(image), [LOGITS])[0][0] for image in images]
        return np.asarray(rows, np.float32).reshape(-1, len(LOGIT_NAMES))

    def maps(self, image: Pixels) -> tuple[Floats, Floats]:
        """Maps behind the verdict on a grey uint8 image (h, w): (ceil(h / s), ceil(w / s)).

        `local` is the logit of blurred at each place, s pixels apart (the network's stride);
        `attention` its weight in the image's logit, with sum 1.
        """
        local, attention = self._run(image, [LOCAL, ATTENTION])
        return local, attention


class Tensor(NamedTuple):
    """A tensor (1, channels, h, w) of the graph, yet to be multiplied by `scale`."""

    name: str
    scale: np.float32 = np.float32(1)


class Graph:
    """Nodes and constants in the order they are added, each named after its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.kernels: dict[str, tuple[str, str]] = {}  # convolution: its kernel and bias

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Add a constant and return its name."""
        self.constants[name] = np.ascontiguousarray(values, kind).reshape(np.shape(values))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def plain(self, tensor: Tensor) -> str:
        """The name of the tensor after multiplication by its scale."""
        if tensor.scale == 1:
            return tensor.name
        name = f"{tensor.name}_scaled"
        if f"{name}_by" not in self.constants:
            by = self.constant(f"{name}_by", tensor.scale)
            self.node("Mul", [tensor.name, by], name)
        return name

    def bytes(self, inputs: list[Any], outputs: list[Any]) -> bytes:
        """Serialise; the same graph gives the same bytes."""
        import onnx
        from onnx import helper, numpy_helper

        held = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, "blur_cnn", inputs, outputs, held)
        known: Any = {"producer_name": "blur-fusion", "ir_version": IR_VERSION}
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, **known)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def check_onnx() -> None:
    """Refuse in one line where the package onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise BlurError(needs_train_line("exporting a model")) from None


def _name(layer: Any) -> str:
    """A name that differs from those of the outputs."""
    return f"layer/{layer.name}"


def _convolution(graph: Graph, layer: Any, image: Tensor) -> Tensor:
    linear = layer.activation.__name__ == "linear" and layer.groups == 1
    require(linear, f"export: convolution {layer.name} has groups or an activation")
    kernel, *bias = layer.get_weights()
    name, bias = _name(layer), bias or [np.zeros(kernel.shape[-1], np.float32)]
    scaled = graph.constant(f"{name}_kernel", kernel.transpose(3, 2, 0, 1) * image.scale)
    graph.kernels[name] = scaled, graph.constant(f"{name}_bias", *bias)
    place = window(layer, layer.kernel_size)
    return Tensor(graph.node("Conv", [image.name, *graph.kernels[name]], name, **place))


def window(layer: Any, size: tuple[int, ...]) -> dict[str, Any]:
    """Kernel, stride and padding; 'same' puts the odd pixel at the end, as TensorFlow does."""
    padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
    return {"kernel_shape": list(size), "strides": list(layer.strides), "auto_pad": padding}


def _normalisation(graph: Graph, layer: Any, image: Tensor) -> Tensor:
    """Fold into the convolution before it, whose only consumer it must be."""
    known = image.name in graph.kernels
    require(known, f"export: {layer.name} does not follow a convolution")
    kernel, bias = graph.kernels.pop(image.name)
    gain, offset, mean, variance = (np.asarray(w, np.float64) for w in layer.get_weights())
    factor = gain / np.sqrt(variance + layer.epsilon)
    folded = graph.constants[kernel] * factor[:, None, None, None]
    graph.constant(kernel, folded)
    graph.constant(bias, (graph.constants[bias] - mean) * factor + offset)
    return image


# By layer: its ONNX operator, required settings, and the node's attributes.
NODES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ReLU": ("Relu", {"max_value": None, "negative_slope": 0, "threshold": 0}, {}),
    "GlobalAveragePooling2D": ("GlobalAveragePool", {"keepdims": True}, {}),
    "GlobalMaxPooling2D": ("GlobalMaxPool", {"keepdims": True}, {}),
    "Add": ("Add", {}, {}),
    "Concatenate": ("Concat", {}, {"axis": 1}),
}


def _layer(graph: Graph, layer: Any, inputs: list[Tensor]) -> Tensor:
    kind, name, image = type(layer).__name__, _name(layer), inputs[0]
    if kind == "Conv2D":
        return _convolution(graph, layer, image)
    if kind == "BatchNormalization":
        return _normalisation(graph, layer, image)
    if kind == "SpatialDropout2D":
        return image
    if kind == "AveragePooling2D":
        place = window(layer, layer.pool_size)
        graph.node("AveragePool", [image.name], name, count_include_pad=0, **place)
        return Tensor(name, image.scale)
    require(kind in NODES, f"export: layer {layer.name} is a {kind}, which has no ONNX")
    node, needed, attributes = NODES[kind]
    plain = all(getattr(layer, name) == value for name, value in needed.items())
    require(plain, f"export: {layer.name} needs {needed}")
    return Tensor(graph.node(node, [graph.plain(given) for given in inputs], name, **attributes))


def _attention(graph: Graph, source: str, columns: int, slope: float) -> None:
    """The layer `AttentionPooling`; both of its maps are outputs too."""

    def whole(name: str, values: list[int]) -> str:
        return graph.constant(name, values, np.int64)

    def channels(first: int, last: int, name: str) -> str:
        ends = [whole(f"{name}_from", [first]), whole(f"{name}_to", [last])]
        return graph.node("Slice", [source, *ends, whole(f"{name}_axis", [1])], name)

    shape = graph.node("Shape", [source], "map_shape", start=2)
    line = whole("line", [-1])
    blurred = channels(1, 2, "blurred")
    sharpness = graph.node("Mul", [blurred, graph.constant("slope", -slope)], "sharpness")
    score = graph.node("Add", [channels(0, 1, "scores"), sharpness], "score")
    weights = graph.node(
        "Softmax", [graph.node("Reshape", [score, line], "score_line")], "weights", axis=0
    )
    table = [channels(1, columns + 1, "answers"), whole("table", [1, columns, -1])]
    weighted = graph.node("Mul", [graph.node("Reshape", table, "answer_lines"), weights], "shares")
    graph.node("ReduceSum", [weighted, whole("places", [2])], LOGITS, keepdims=0)
    graph.node("Reshape", [blurred, shape], LOCAL)
    graph.node("Reshape", [weights, shape], ATTENTION)


# Layers that end the fixed beginning: names of their outputs, and strides in pixels.
STARTS = {"fine_rescale": (FINE, 4), "coarse_rescale": (COARSE, 8)}


def network_onnx(model: Any) -> bytes:
    """A trained Keras network of `blur_fusion.cnn.network` as ONNX, from its local spectra on.

    Its inputs `fine` and `coarse` are those of `blur_fusion.cnn.spectra.local_spectra`, its outputs
    `logits` (1, 4) and the maps behind them: see :meth:`OnnxNetwork.maps`. The same weights give
    the same bytes. Raises BlurError if onnx is not installed, or a layer is not supported.
    """
    check_onnx()
    from onnx import TensorProto, helper

    graph, found, given = Graph(), {}, []
    for layer in model.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        if layer.name in STARTS:
            name, stride = STARTS[layer.name]
            count = int(layer.output.shape[-1])
            shape = (1, count, f"height_by_{stride}", f"width_by_{stride}")
            given.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            found[id(layer.output)] = Tensor(name, np.float32(layer.scale))
        elif all(id(tensor) in found for tensor in inputs):
            tensors = [found[id(tensor)] for tensor in inputs]
            if type(layer).__name__ == "AttentionPooling":
                last = layer.output is model.outputs[0]
                require(last, f"export: {layer.name} is not the last layer")
                source, columns = graph.plain(tensors[0]), int(layer.output.shape[-1])
                _attention(graph, source, columns, layer.slope)
                break
            found[id(layer.output)] = _layer(graph, layer, tensors)
    else:
        require(False, "export: no network from local spectra to attention pooling")
    columns = int(model.outputs[0].shape[-1])
    shapes: dict[str, list[str | int]] = {LOGITS: [1, columns]}
    shapes |= {LOCAL: ["h", "w"], ATTENTION: ["h", "w"]}
    answers = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    return graph.bytes(given, answers)
