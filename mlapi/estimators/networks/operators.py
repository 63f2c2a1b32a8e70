"""The operators that a network may be made of: what each takes, and what comes out, by shape.

The one list of them. `onnx_file` writes no others, and a file that has others is not served: an operator is
added to `OPERATORS`, with all of its attributes, once somebody has thought of what it can do to a server.
Shapes are of one picture, so they hold for any number of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from mlapi.estimators.networks.onnx_graph import FLOAT, FLOAT16, INT64, Initializer, InvalidNetwork, Node

BEFORE_THE_FIRST = -(2**63)
"""Where a slice ends that goes backwards through all."""

_MOST_AXES = 8

_PICTURE_AXES = 3

_BLOCK = 16
"""Channels that processors with AVX-512 take at once; fewer cost as much."""


@dataclass(frozen=True, slots=True)
class Activations:
    """Numbers in float32 that are computed of n pictures: `before` x (`lots` x n) x `after`.

    There are two lots where each picture's mirror image is answered too.
    """

    lots: int
    after: tuple[int, ...]
    before: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """For one picture."""
        return math.prod(self.before) * self.lots * math.prod(self.after)

    @property
    def held(self) -> int:
        """The size in memory: onnxruntime keeps the channels of a picture in blocks."""
        if len(self.after) != _PICTURE_AXES:
            return self.size
        return self.size // self.after[0] * in_blocks(self.after[0])


class NodeResult(NamedTuple):
    """What an operator gives, and how many products it computes for that, for one picture."""

    gives: Activations | Initializer
    products: int


class Operator(NamedTuple):
    """The types that it takes one after the other, and its attributes, with how many numbers each has.

    `infer` takes inputs and attributes of just these; it raises Refused where they do not go together.
    """

    takes: tuple[int | None, ...]
    """The type of weights; None for values."""
    attributes: Mapping[str, int | None]
    """None for one number that is no list."""
    infer: Callable[[Sequence[Any], Mapping[str, Any]], Any]
    optional: int = 0
    """So many inputs may be left out, from behind."""


def in_blocks(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK


def infer_node(node: Node, inputs: Sequence[Activations | Initializer]) -> NodeResult:
    """What one node does with these inputs.

    Raises:
        Refused: It is no operator of ours, or takes or is told something else than ours.
    """
    operator = OPERATORS.get(node.kind)
    if operator is None:
        raise InvalidNetwork(f"{node.kind} is none of the operators that are known: {', '.join(OPERATORS)}")
    types = tuple(each.type if isinstance(each, Initializer) else None for each in inputs)
    least = len(operator.takes) - operator.optional
    if len(types) < least or types != operator.takes[: len(types)]:
        raise InvalidNetwork(f"{node.kind} takes inputs of types {operator.takes}, got {types!r:.80}")
    counts = {
        name: len(value) if isinstance(value, tuple) else None for name, value in node.attributes.items()
    }
    if counts != operator.attributes:
        raise InvalidNetwork(
            f"{node.kind} has the attributes {list(operator.attributes)}, got {list(counts)!r:.80}"
        )
    found = operator.infer(inputs, node.attributes)
    if isinstance(found, NodeResult):
        return found
    return NodeResult(found, max((each.size for each in inputs if isinstance(each, Activations)), default=0))


def _check(claim: bool, problem: str) -> None:
    if not claim:
        raise InvalidNetwork(problem)


def _changed(values: Activations, **changes: Any) -> Activations:
    return replace(values, **changes)


def _picture(values: Activations) -> tuple[int, int, int]:
    """Channels, height and width."""
    _check(len(values.after) == 3 and not values.before, "its input is no picture")
    channels, height, width = values.after
    return channels, height, width


def _numbers(weights: Initializer) -> tuple[int, ...]:
    _check(len(weights.dims) == 1 and weights.dims[0] <= _MOST_AXES, "axes and lengths are a short list")
    content = bytes(weights.content)
    return tuple(
        int.from_bytes(content[place : place + 8], "little", signed=True)
        for place in range(0, len(content), 8)
    )


def _window(side: int, length: int, stride: int, pads: tuple[int, int] = (0, 0)) -> int:
    """How often a window fits into a side of a picture."""
    _check(all(0 <= pad < length for pad in pads), "a window is in the pads alone")
    _check(1 <= stride <= length <= side + sum(pads), "a window that leaves pixels out, or does not fit")
    return (side + sum(pads) - length) // stride + 1


def _convolution(inputs: Sequence[Any], told: Mapping[str, Any]) -> NodeResult:
    values, weight, *bias = inputs
    channels, *sides = _picture(values)
    _check(len(weight.dims) == 4 and weight.dims[1] == channels, "its weights are for other channels")
    filters, _, *window = weight.dims
    _check(all(each.dims == (filters,) for each in bias), "its bias is for other channels")
    pads = told["pads"]
    height, width = (
        _window(side, length, stride, around)
        for side, length, stride, around in zip(
            sides, window, told["strides"], zip(pads[:2], pads[2:], strict=True), strict=True
        )
    )
    gives = _changed(values, after=(filters, height, width))
    return NodeResult(gives, gives.held * channels * math.prod(window))


def _greatest(inputs: Sequence[Any], told: Mapping[str, Any]) -> NodeResult:
    channels, *sides = _picture(inputs[0])
    window = told["kernel_shape"]
    _check(told["strides"] == window, "its windows overlap")
    height, width = map(_window, sides, window, window)
    return NodeResult(_changed(inputs[0], after=(channels, height, width)), inputs[0].size)


def _of_all_pixels(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    channels, *_sides = _picture(inputs[0])
    return _changed(inputs[0], after=(channels, 1, 1))


def _linear(inputs: Sequence[Any], told: Mapping[str, Any]) -> NodeResult:
    values, weight, *bias = inputs
    _check(not values.before and told["transB"] == 1, "it is no layer of ours")
    _check(len(weight.dims) == 2 and values.after == weight.dims[1:], "its weights are for other numbers")
    _check(all(each.dims == weight.dims[:1] for each in bias), "its bias is for other numbers")
    gives = _changed(values, after=weight.dims[:1])
    return NodeResult(gives, gives.size * weight.dims[1])


def _each(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values: Activations = inputs[0]
    return values


def _shares(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    _check(len(inputs[0].after) == 1, "its input is no row of numbers")
    return _each(inputs, _)


def _pairwise(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    """The same shapes, or one number for many."""
    one, other = inputs
    _check(
        (one.before, one.lots, len(one.after)) == (other.before, other.lots, len(other.after))
        and all(a == b or 1 in (a, b) for a, b in zip(one.after, other.after, strict=True)),
        "its inputs have shapes that do not go together",
    )
    return _changed(one, after=tuple(map(max, one.after, other.after)))


def _cast(inputs: Sequence[Any], told: Mapping[str, Any]) -> Initializer:
    _check(told["to"] == FLOAT, f"it casts to type {told['to']}")
    weights: Initializer = inputs[0]
    return replace(weights, type=FLOAT)


def _concatenation(inputs: Sequence[Any], told: Mapping[str, Any]) -> Activations:
    one, other = inputs
    same = not one.before and not other.before and one.after == other.after
    _check(same and told["axis"] == 0, "it puts other things together than pictures")
    return _changed(one, lots=one.lots + other.lots)


def _flat(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    _check(not inputs[0].before, "its input is no row of numbers")
    return _changed(inputs[0], after=(math.prod(inputs[0].after),))


def _mean(inputs: Sequence[Any], told: Mapping[str, Any]) -> Activations:
    values, axes = inputs
    is_ours = len(values.before) == 1 and _numbers(axes) == (0,) and told["keepdims"] == 0
    _check(is_ours, "its axes are others")
    return _changed(values, before=())


def _lots_apart(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, shape = inputs
    wanted = (values.lots, -1, *values.after)
    _check(not values.before and _numbers(shape) == wanted, f"it makes another shape than {wanted}")
    return Activations(1, values.after, before=(values.lots,))


def _mirrored(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, *told = inputs
    first, end, axis, stride = map(_numbers, told)
    is_axis = len(axis) == 1 and not values.before and 1 <= axis[0] <= len(values.after)
    _check((first, end, stride) == ((-1,), (BEFORE_THE_FIRST,), (-1,)) and is_axis, "it cuts something out")
    return _each(inputs, {})


def _turned(inputs: Sequence[Any], told: Mapping[str, Any]) -> Activations:
    order = told["perm"]
    is_order = not inputs[0].before and order[0] == 0 and sorted(order) == [0, 1, 2, 3]
    _check(is_order and len(inputs[0].after) == 3, "it turns something else than pictures")
    return _changed(inputs[0], after=tuple(inputs[0].after[axis - 1] for axis in order[1:]))


def _with_more_axes(inputs: Sequence[Any], _: Mapping[str, Any]) -> Activations:
    values, axes = inputs
    places = _numbers(axes)
    rank = 1 + len(values.after) + len(places)
    are_places = all(a < b for a, b in pairwise((0, *places, rank)))
    _check(not values.before and are_places and rank <= _MOST_AXES, "its axes are others")
    rest = iter(values.after)
    return _changed(values, after=tuple(1 if place in places else next(rest) for place in range(1, rank)))


OPERATORS: Mapping[str, Operator] = {
    "Add": Operator((None, None), {}, _pairwise),
    "Cast": Operator((FLOAT16,), {"to": None}, _cast),
    "Concat": Operator((None, None), {"axis": None}, _concatenation),
    "Conv": Operator((None, FLOAT, FLOAT), {"strides": 2, "pads": 4}, _convolution),
    "Flatten": Operator((None,), {}, _flat),
    "Gelu": Operator((None,), {}, _each),
    "Gemm": Operator((None, FLOAT, FLOAT), {"transB": None}, _linear, optional=1),
    "GlobalAveragePool": Operator((None,), {}, _of_all_pixels),
    "GlobalMaxPool": Operator((None,), {}, _of_all_pixels),
    "MaxPool": Operator((None,), {"kernel_shape": 2, "strides": 2}, _greatest),
    "Mul": Operator((None, None), {}, _pairwise),
    "ReduceMean": Operator((None, INT64), {"keepdims": None}, _mean),
    "Reshape": Operator((None, INT64), {}, _lots_apart),
    "Sigmoid": Operator((None,), {}, _each),
    "Slice": Operator((None, INT64, INT64, INT64, INT64), {}, _mirrored),
    "Softmax": Operator((None,), {}, _shares),
    "Transpose": Operator((None,), {"perm": 4}, _turned),
    "Unsqueeze": Operator((None, INT64), {}, _with_more_axes),
}
