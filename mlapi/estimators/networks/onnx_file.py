"""A folded network -> the bytes of an ONNX file, which onnxruntime runs without PyTorch.

What it may be made of is in `operators`, and `examination` refuses the rest.
Written node by node: torch.onnx.export (2.13) takes seconds, needs one more package, and logs about others.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlapi.estimators.networks.examination import IMAGE_COUNT, INPUT, OUTPUT
from mlapi.estimators.networks.onnx_graph import IR, OPSET
from mlapi.estimators.networks.operators import BEFORE_THE_FIRST
from mlapi.estimators.networks.residual import ResidualNetwork, pool_of


class _Graph:
    """Nodes and weights in the order in which they were added; every node has one output, its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, values: Any) -> str:
        """Two bytes a number where it fits them: onnxruntime casts once, when it loads the file."""
        array = values.detach().numpy()
        with np.errstate(over="ignore"):
            halves = array.astype(np.float16)
        name = f"weight_{len(self.weights)}"
        is_short = np.array_equal(halves, array)
        self.weights.append(numpy_helper.from_array(halves if is_short else array, name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if is_short else name

    def numbers(self, *values: int) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def linear(self, x: str, layer: Any, name: str = "") -> str:
        bias = [] if layer.bias is None else [self.weight(layer.bias)]
        return self.add("Gemm", x, self.weight(layer.weight), *bias, name=name, transB=1)

    def convolution(self, x: str, layer: Any) -> str:
        inputs = (x, self.weight(layer.weight), self.weight(layer.bias))
        pads = [*layer.padding, *layer.padding]
        return self.add("Conv", *inputs, strides=list(layer.stride), pads=pads)


def onnx_file(network: ResidualNetwork, shape: tuple[int, int, int]) -> bytes:
    """The network as ONNX: raw values (n, height, width, channels), float32 -> probabilities (n, classes)."""
    graph = _Graph()
    _draw(graph, network, shape)
    whole = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [IMAGE_COUNT, *shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [IMAGE_COUNT, network.head.out_features])],
        graph.weights,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(whole, ir_version=IR, opset_imports=[opset], producer_name="mlapi")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _draw(graph: _Graph, network: ResidualNetwork, shape: tuple[int, int, int]) -> None:
    """What `ResidualNetwork.probabilities` does, both pictures of a pair as one lot."""
    x = graph.add("Transpose", INPUT, perm=[0, 3, 1, 2])
    if network.mirrors:
        back = [graph.numbers(number) for number in (-1, BEFORE_THE_FIRST, 3, -1)]
        x = graph.add("Concat", x, graph.add("Slice", x, *back), axis=0)
    x = graph.add("Gelu", graph.convolution(x, network.whitening))
    layer = network.whitening
    size = [(side - k) // s + 1 for side, k, s in zip(shape, layer.kernel_size, layer.stride, strict=False)]
    for group in network.groups:
        pool = pool_of(size)
        size = [side // step for side, step in zip(size, pool, strict=True)]
        x = graph.convolution(x, group.first.convolution)
        x = graph.add("Gelu", graph.add("MaxPool", x, kernel_shape=pool, strides=pool))
        y = graph.add("Gelu", graph.convolution(x, group.second.convolution))
        if group.third is None:
            x = y
        else:
            y = _gated(graph, graph.convolution(y, group.third.convolution), group.gate)
            x = graph.add("Gelu", graph.add("Add", y, x))
    x = graph.linear(graph.add("Flatten", graph.add("GlobalMaxPool", x)), network.head)
    if not network.mirrors:
        graph.add("Softmax", x, name=OUTPUT)
        return
    pairs = graph.add("Reshape", graph.add("Softmax", x), graph.numbers(2, -1, network.head.out_features))
    graph.add("ReduceMean", pairs, graph.numbers(0), name=OUTPUT, keepdims=0)


def _gated(graph: _Graph, x: str, gate: Any) -> str:
    """What `Gate.forward` does."""
    means = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    opened = graph.linear(graph.add("Gelu", graph.linear(means, gate.squeeze)), gate.excite)
    share = graph.add("Unsqueeze", graph.add("Sigmoid", opened), graph.numbers(2, 3))
    return graph.add("Mul", x, graph.add("Add", share, share))
