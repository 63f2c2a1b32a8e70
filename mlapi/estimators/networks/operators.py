"""The ONNX operators that a network may have: their inputs and attributes, and the shape of their output.

`OPERATORS` is the only list of them. `onnx_file` writes no others, and a file with others is not served: an
operator is added, with all of its attributes, when somebody has thought about what it could do to a server.
Shapes are inferred for one image, without the batch, so they hold for any number of images.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from mlapi.estimators.networks.onnx_graph import FLOAT, FLOAT16, INT64, Initializer, InvalidNetwork, Node

BEFORE_THE_FIRST = -(2**63)
"""The end of a slice that goes backwards through a whole axis: it stops before the first element."""

_MOST_AXES = 8
"""The most axes of a result, and the most numbers in a list of axes or lengths."""

_IMAGE_AXES = 3
"""The axes of an image: channels, height, width."""

_BLOCK = 16
"""How many channels processors with AVX-512 compute at once; fewer cost as much."""


@dataclass(frozen=True, slots=True)
class Activations:
    """The shape of float32 values that depend on the images: `(*leading, views * images, *trailing)`.

    There are two views of each image where its mirror image is answered too.
    """

    views: int
    trailing: tuple[int, ...]
    leading: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many values there are for one image."""
        return math.prod(self.leading) * self.views * math.prod(self.trailing)

    @property
    def stored_size(self) -> int:
        """How many values are in memory for one image: onnxruntime stores its channels in blocks."""
        if len(self.trailing) != _IMAGE_AXES:
            return self.size
        return self.size // self.trailing[0] * padded_channels(self.trailing[0])


class NodeResult(NamedTuple):
    """The output of a node, and how many products it computes for one image."""

    output: Activations | Initializer
    products: int


class Operator(NamedTuple):
    """What a node with this operator may have as inputs and attributes, and how its output is inferred."""

    input_types: tuple[int | None, ...]
    """For each input the element type of its initializer, or None if it has to be activations."""
    attributes: Mapping[str, int | None]
    """The attributes, all of which a node has to have: how many integers are in each list, None for a single
    integer."""
    infer: Callable[[Sequence[Any], Mapping[str, Any]], Any]
    """Takes inputs and attributes that fit; returns the output, or a `NodeResult` where the products are not
    as many as the largest input has values. Raises InvalidNetwork if they do not go together."""
    optional_inputs: int = 0
    """How many inputs at the end may be missing."""


def padded_channels(channels: int) -> int:
    """Round a number of channels up to whole blocks."""
    return -(-channels // _BLOCK) * _BLOCK


def infer_node(node: Node, inputs: Sequence[Activations | Initializer]) -> NodeResult:
    """Check one node with its inputs, and infer its output and its cost.

    Raises:
        InvalidNetwork: It has an operator that is not in `OPERATORS`, or other inputs or attributes.
    """
    operator = OPERATORS.get(node.op_type)
    if operator is None:
        raise InvalidNetwork(
            f"{node.op_type} is none of the operators that are known: {', '.join(OPERATORS)}"
        )
    types = tuple(each.type if isinstance(each, Initializer) else None for each in inputs)
    least = len(operator.input_types) - operator.optional_inputs
    if len(types) < least or types != operator.input_types[: len(types)]:
        raise InvalidNetwork(
            f"{node.op_type} takes inputs of types {operator.input_types}, got {types!r:.80}"
        )
    counts = {
        name: len(value) if isinstance(value, tuple) else None for name, value in node.attributes.items()
    }
    if counts != operator.attributes:
        raise InvalidNetwork(
            f"{node.op_type} has the attributes {list(operator.attributes)}, got {list(counts)!r:.80}"
        )
    output = operator.infer(inputs, node.attributes)
    if isinstance(output, NodeResult):
        return output
    sizes = (each.size for each in inputs if isinstance(each, Activations))
    return NodeResult(output, max(sizes, default=0))


def _check(claim: bool, problem: str) -> None:
    if not claim:
        raise InvalidNetwork(problem)


def _reshaped(values: Activations, **changes: Any) -> Activations:
    return replace(values, **changes)


def _image_shape(values: Activations) -> tuple[int, int, int]:
    """Return the channels, height and width of activations that are an image."""
    _check(len(values.trailing) == 3 and not values.leading, "its input is no picture")
    channels, height, width = values.trailing
    return channels, height, width


def _integers(weights: Initializer) -> tuple[int, ...]:
    """Return the values of an initializer that is a short list of int64."""
    _check(len(weights.dims) == 1 and weights.dims[0] <= _MOST_AXES, "axes and lengths are a short list")
    content = bytes(weights.content)
    return tuple(
        int.from_bytes(content[place : place + 8], "little", signed=True)
        for place in range(0, len(content), 8)
    )


def _window(side: int, length: int, stride: int, pads: tuple[int, int] = (0, 0)) -> int:
    """Return how often a window fits into a side of an image."""
    _check(all(0 <= pad < length for pad in pads), "a window is in the pads alone")
    _check(1 <= stride <= length <= side + sum(pads), "a window that leaves pixels out, or does not fit")
    return (side + sum(pads) - length) // stride + 1


def _convolution(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> NodeResult:
    values, weight, *bias = inputs
    channels, *sides = _image_shape(values)
    _check(len(weight.dims) == 4 and weight.dims[1] == channels, "its weights are for other channels")
    filters, _, *window = weight.dims
    _check(all(each.dims == (filters,) for each in bias), "its bias is for other channels")
    pads = attributes["pads"]
    height, width = (
        _window(side, length, stride, around)
        for side, length, stride, around in zip(
            sides, window, attributes["strides"], zip(pads[:2], pads[2:], strict=True), strict=True
        )
    )
    gives = _reshaped(values, trailing=(filters, height, width))
    return NodeResult(gives, gives.stored_size * channels * math.prod(window))


def _max_pool(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> NodeResult:
    channels, *sides = _image_shape(inputs[0])
    window = attributes["kernel_shape"]
    _check(attributes["strides"] == window, "its windows overlap")
    height, width = map(_window, sides, window, window)
    return NodeResult(_reshaped(inputs[0], trailing=(channels, height, width)), inputs[0].size)


def _global_pool(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    channels, *_sides = _image_shape(inputs[0])
    return _reshaped(inputs[0], trailing=(channels, 1, 1))


def _linear(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> NodeResult:
    values, weight, *bias = inputs
    _check(not values.leading and attributes["transB"] == 1, "it is no layer of ours")
    _check(len(weight.dims) == 2 and values.trailing == weight.dims[1:], "its weights are for other numbers")
    _check(all(each.dims == weight.dims[:1] for each in bias), "its bias is for other numbers")
    gives = _reshaped(values, trailing=weight.dims[:1])
    return NodeResult(gives, gives.size * weight.dims[1])


def _elementwise(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values: Activations = inputs[0]
    return values


def _softmax(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    _check(len(inputs[0].trailing) == 1, "its input is no row of numbers")
    return _elementwise(inputs, _)


def _pairwise(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    """Infer the shape of two inputs of the same shape, or with broadcasting along axes of length 1."""
    one, other = inputs
    _check(
        (one.leading, one.views, len(one.trailing)) == (other.leading, other.views, len(other.trailing))
        and all(a == b or 1 in (a, b) for a, b in zip(one.trailing, other.trailing, strict=True)),
        "its inputs have shapes that do not go together",
    )
    return _reshaped(one, trailing=tuple(map(max, one.trailing, other.trailing)))


def _cast(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Initializer:
    _check(attributes["to"] == FLOAT, f"it casts to type {attributes['to']}")
    weights: Initializer = inputs[0]
    return replace(weights, type=FLOAT)


def _concatenate(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Activations:
    one, other = inputs
    same = not one.leading and not other.leading and one.trailing == other.trailing
    _check(same and attributes["axis"] == 0, "it puts other things together than pictures")
    return _reshaped(one, views=one.views + other.views)


def _flatten(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    _check(not inputs[0].leading, "its input is no row of numbers")
    return _reshaped(inputs[0], trailing=(math.prod(inputs[0].trailing),))


def _mean(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Activations:
    values, axes = inputs
    is_ours = len(values.leading) == 1 and _integers(axes) == (0,) and attributes["keepdims"] == 0
    _check(is_ours, "its axes are others")
    return _reshaped(values, leading=())


def _split_views(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, shape = inputs
    wanted = (values.views, -1, *values.trailing)
    _check(not values.leading and _integers(shape) == wanted, f"it makes another shape than {wanted}")
    return Activations(1, values.trailing, leading=(values.views,))


def _mirror(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, *slices = inputs
    first, end, axis, stride = map(_integers, slices)
    is_axis = len(axis) == 1 and not values.leading and 1 <= axis[0] <= len(values.trailing)
    _check((first, end, stride) == ((-1,), (BEFORE_THE_FIRST,), (-1,)) and is_axis, "it cuts something out")
    return _elementwise(inputs, {})


def _transpose(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Activations:
    order = attributes["perm"]
    is_order = not inputs[0].leading and order[0] == 0 and sorted(order) == [0, 1, 2, 3]
    _check(is_order and len(inputs[0].trailing) == 3, "it turns something else than pictures")
    return _reshaped(inputs[0], trailing=tuple(inputs[0].trailing[axis - 1] for axis in order[1:]))


def _unsqueeze(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, axes = inputs
    places = _integers(axes)
    rank = 1 + len(values.trailing) + len(places)
    are_places = all(a < b for a, b in pairwise((0, *places, rank)))
    _check(not values.leading and are_places and rank <= _MOST_AXES, "its axes are others")
    rest = iter(values.trailing)
    return _reshaped(values, trailing=tuple(1 if place in places else next(rest) for place in range(1, rank)))


OPERATORS: Mapping[str, Operator] = {
    "Add": Operator((None, None), {}, _pairwise),
    "Cast": Operator((FLOAT16,), {"to": None}, _cast),
    "Concat": Operator((None, None), {"axis": None}, _concatenate),
    "Conv": Operator((None, FLOAT, FLOAT), {"strides": 2, "pads": 4}, _convolution),
    "Flatten": Operator((None,), {}, _flatten),
    "Gelu": Operator((None,), {}, _elementwise),
    "Gemm": Operator((None, FLOAT, FLOAT), {"transB": None}, _linear, optional_inputs=1),
    "GlobalAveragePool": Operator((None,), {}, _global_pool),
    "GlobalMaxPool": Operator((None,), {}, _global_pool),
    "MaxPool": Operator((None,), {"kernel_shape": 2, "strides": 2}, _max_pool),
    "Mul": Operator((None, None), {}, _pairwise),
    "ReduceMean": Operator((None, INT64), {"keepdims": None}, _mean),
    "Reshape": Operator((None, INT64), {}, _split_views),
    "Sigmoid": Operator((None,), {}, _elementwise),
    "Slice": Operator((None, INT64, INT64, INT64, INT64), {}, _mirror),
    "Softmax": Operator((None,), {}, _softmax),
    "Transpose": Operator((None,), {"perm": 4}, _transpose),
    "Unsqueeze": Operator((None, INT64), {}, _unsqueeze),
}
"""By the name that ONNX has for the operator."""
