"""The network without its fixed beginning, cut out of its ONNX."""

from __future__ import annotations

from pipeline.serving.network import COARSE, FINE

_CUTS = {"layer/fine_rescale": (FINE, 4), "layer/coarse_rescale": (COARSE, 8)}  # and the stride


def rest_onnx(network: bytes) -> bytes | None:
    """What is left of a network once its local spectra are given.

    Parameters
    ----------
    network : bytes
        From :func:`pipeline.export.network.network_onnx`.

    Returns
    -------
    bytes or None
        ONNX with inputs `fine` and `coarse` (see `pipeline.serving.spectra`) and the same outputs;
        None of a network that begins otherwise. The same network gives the same bytes.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(network)
    graph, producers = model.graph, {node.output[0]: node for node in model.graph.node}
    if not _CUTS.keys() <= producers.keys():
        return None
    needed, waiting = set(), [output.name for output in graph.output]
    while waiting:
        name = waiting.pop()
        if name in needed or name in _CUTS:
            continue
        needed.add(name)
        waiting += producers[name].input if name in producers else []
    kernel = {held.name: held for held in graph.initializer}["layer/fine_blocks_kernel"]
    count = int(kernel.dims[0])
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [1, count, f"height_by_{stride}", f"width_by_{stride}"]
        )
        for name, stride in _CUTS.values()
    ]
    nodes = [node for node in graph.node if node.output[0] in needed]
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = _CUTS[name][0] if name in _CUTS else name
    held = [constant for constant in graph.initializer if constant.name in needed]
    left = helper.make_graph(nodes, f"{graph.name}_rest", inputs, list(graph.output), held)
    cut = helper.make_model(
        left,
        producer_name=model.producer_name,
        ir_version=model.ir_version,
        opset_imports=list(model.opset_import),
    )
    onnx.checker.check_model(cut, full_check=True)
    return bytes(cut.SerializeToString(deterministic=True))
