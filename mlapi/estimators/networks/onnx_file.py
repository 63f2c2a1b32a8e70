"""Write a folded network as an ONNX file, which onnxruntime runs without PyTorch.

The file has only the operators of `mlapi.estimators.networks.operators`; `examination` refuses others. It is
written node by node: torch.onnx.export (2.13) takes seconds, needs one more package, and logs about others.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlapi.estimators.networks.examination import IMAGE_COUNT, INPUT, OUTPUT
from mlapi.estimators.networks.onnx_graph import IR, OPSET
from mlapi.estimators.networks.operators import BEFORE_THE_FIRST
from mlapi.estimators.networks.plan import Shape
from mlapi.estimators.networks.residual import ResidualNetwork, pool_of


class _Graph:
    """Collects nodes and initializers. Every node has one output; its name stands for it as an input.

    Each method adds something and returns the name of its result.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, op_type: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node of any operator."""
        name = name or f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], **attributes))
        return name

    def weight(self, values: Any) -> str:
        """Add a tensor of weights: as float16 with a cast if no value changes by that, else as float32.

        onnxruntime casts once, when it loads the file.
        """
        array = values.detach().numpy()
        with np.errstate(over="ignore"):
            float16s = array.astype(np.float16)
        name = f"weight_{len(self.initializers)}"
        fits_float16 = np.array_equal(float16s, array)
        self.initializers.append(numpy_helper.from_array(float16s if fits_float16 else array, name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if fits_float16 else name

    def integers(self, *values: int) -> str:
        """Add a list of int64: axes, or a shape."""
        name = f"weight_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def linear(self, x: str, layer: Any, name: str = "") -> str:
        """Add a `torch.nn.Linear`."""
        bias = [] if layer.bias is None else [self.weight(layer.bias)]
        return self.add("Gemm", x, self.weight(layer.weight), *bias, name=name, transB=1)

    def convolution(self, x: str, layer: Any) -> str:
        """Add a `torch.nn.Conv2d`."""
        inputs = (x, self.weight(layer.weight), self.weight(layer.bias))
        pads = [*layer.padding, *layer.padding]
        return self.add("Conv", *inputs, strides=list(layer.stride), pads=pads)


def onnx_file(network: ResidualNetwork, shape: Shape) -> bytes:
    """Return a folded network, for images of a shape, as the bytes of an ONNX file.

    The file's input is raw values `(images, height, width, channels)`, float32; its output probabilities
    `(images, classes)`, float32.
    """
    graph = _Graph()
    _add_network(graph, network, shape)
    graph_proto = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [IMAGE_COUNT, *shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [IMAGE_COUNT, network.head.out_features])],
        graph.initializers,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph_proto, ir_version=IR, opset_imports=[opset], producer_name="mlapi")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()  # type: ignore[no-any-return]


def _add_network(graph: _Graph, network: ResidualNetwork, shape: Shape) -> None:
    """Add the nodes that compute what `ResidualNetwork.probabilities` does.

    If it mirrors, the mirror images are appended to the batch, and both halves are averaged at the end.
    """
    x = graph.add("Transpose", INPUT, perm=[0, 3, 1, 2])
    if network.mirrors:
        backwards = [graph.integers(number) for number in (-1, BEFORE_THE_FIRST, 3, -1)]
        x = graph.add("Concat", x, graph.add("Slice", x, *backwards), axis=0)
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
            y = _add_gate(graph, graph.convolution(y, group.third.convolution), group.gate)
            x = graph.add("Gelu", graph.add("Add", y, x))
    x = graph.linear(graph.add("Flatten", graph.add("GlobalMaxPool", x)), network.head)
    if not network.mirrors:
        graph.add("Softmax", x, name=OUTPUT)
        return
    views = graph.add("Reshape", graph.add("Softmax", x), graph.integers(2, -1, network.head.out_features))
    graph.add("ReduceMean", views, graph.integers(0), name=OUTPUT, keepdims=0)


def _add_gate(graph: _Graph, x: str, gate: Any) -> str:
    """Add the nodes that compute what `Gate.forward` does; return the name of the result."""
    means = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    excited = graph.linear(graph.add("Gelu", graph.linear(means, gate.squeeze)), gate.excite)
    half = graph.add("Unsqueeze", graph.add("Sigmoid", excited), graph.integers(2, 3))
    return graph.add("Mul", x, graph.add("Add", half, half))
