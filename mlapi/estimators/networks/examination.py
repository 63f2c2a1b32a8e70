"""Examine an ONNX file before onnxruntime reads it, wherever it comes from.

A file that passes has only operators of `mlapi.estimators.networks.operators`, has all of its weights within
itself, and has a known shape for each of its values. It takes images of one shape and gives a probability for
each class. So the memory and the time that an answer takes are known before any request.
"""

from typing import Any, NamedTuple

from mlapi.errors import BrokenArtifact
from mlapi.estimators.networks.onnx_graph import (
    FLOAT,
    FLOAT16,
    INT64,
    Graph,
    Initializer,
    InvalidNetwork,
    ValueInfo,
    read,
)
from mlapi.estimators.networks.operators import Activations, infer_node
from mlapi.estimators.networks.plan import Shape

INPUT = "pictures"
"""The name of the input in the file: raw values `(images, height, width, channels)`, float32."""

OUTPUT = "probabilities"
"""The name of the output in the file: `(images, classes)`, float32."""

IMAGE_COUNT = "n"
"""The name in the file of the length that each request decides: how many images it has."""

MAX_NUMBERS = 1 << 27
"""The most values that are computed for one image, all nodes together: half a gigabyte in float32."""

MAX_PRODUCTS = 1 << 36
"""The most products for one image: some seconds of one core. The network for CIFAR-10 computes 2^27."""

_MOST_NODES = 1_000
"""The most nodes of a file."""

_BYTES = {FLOAT: 4, FLOAT16: 2, INT64: 8}
"""How many bytes a number of each element type takes."""

_MOST_AXES = 4
"""The most axes of an initializer: a convolution's weights have four."""


class Cost(NamedTuple):
    """What the answer for one image takes."""

    numbers: int
    """How many values are in memory, those of all nodes together."""
    products: int
    """How many products are computed."""


def examine(network: bytes, shape: Shape, classes: int) -> Cost:
    """Check a file as a network for images of a shape and so many classes; return what an image costs.

    Raises:
        BrokenArtifact: It is anything but what `onnx_file` writes, or it takes more than `MAX_NUMBERS` or
            `MAX_PRODUCTS`.
    """
    try:
        graph = read(network)
        _check_shape(shape)
        _check_value_info("takes", graph.input, ValueInfo(INPUT, FLOAT, (IMAGE_COUNT, *shape)))
        _check_value_info("gives", graph.output, ValueInfo(OUTPUT, FLOAT, (IMAGE_COUNT, classes)))
        return _cost(graph, shape, classes)
    except InvalidNetwork as error:
        raise BrokenArtifact(f"its network is none that mlapi writes: {error}") from error


def _check_shape(shape: Any) -> None:
    is_shape = type(shape) is tuple and len(shape) == 3 and all(type(side) is int for side in shape)
    if not is_shape or min(shape) < 1:
        shown = f"{shape!r:.60}" if is_shape else f"of a {type(shape).__name__}"  # whose repr has any length
        raise InvalidNetwork(f"its pictures have the shape {shown}; expected height, width and channels")


def _check_value_info(verb: str, actual: ValueInfo, expected: ValueInfo) -> None:
    if actual != expected:
        raise InvalidNetwork(
            f"it {verb} {actual.name} of type {actual.type} and shape {actual.dims!r:.60}; "
            f"expected {expected.name} of type {expected.type} and shape {expected.dims!r:.60}"
        )


def _cost(graph: Graph, shape: tuple[int, ...], classes: int) -> Cost:
    """Infer the output of every node in order, from the input on, and add up what one image costs."""
    if len(graph.nodes) > _MOST_NODES:
        raise InvalidNetwork(f"it has {len(graph.nodes):,} nodes; {_MOST_NODES:,} at most")
    values = _Values()
    values.add(INPUT, Activations(1, shape))
    for initializer in graph.initializers:
        _check_initializer(initializer)
        values.add(initializer.name, initializer)
    numbers = products = 0
    for node in graph.nodes:
        try:
            output, node_products = infer_node(node, [values.take(name) for name in node.inputs])
            values.add(node.output, output)
        except InvalidNetwork as error:
            raise InvalidNetwork(f"{node.output} ({node.op_type}): {error}") from error
        numbers += output.stored_size if isinstance(output, Activations) else 0
        products += node_products
        if numbers > MAX_NUMBERS or products > MAX_PRODUCTS:
            raise InvalidNetwork(
                f"a picture takes more than {MAX_NUMBERS:,} numbers or {MAX_PRODUCTS:,} products; "
                "narrower networks and smaller pictures take less"
            )
    if values.take(OUTPUT) != Activations(1, (classes,)):
        raise InvalidNetwork(f"it does not give {classes} numbers for each picture")
    return Cost(numbers, products)


class _Values:
    """The values of a graph so far, by name. An initializer may be used once only: onnxruntime copies it for
    each use."""

    def __init__(self) -> None:
        self._by_name: dict[str, Activations | Initializer | None] = {}

    def add(self, name: str, value: Activations | Initializer) -> None:
        if not name or name in self._by_name:
            raise InvalidNetwork(f"there are two values {name!r}, or it has no name")
        self._by_name[name] = value

    def take(self, name: str) -> Activations | Initializer:
        """Return a value to use it as an input, or as the output."""
        value = self._by_name.get(name)
        if value is None:
            raise InvalidNetwork(f"there is no {name!r} before it, or others have taken it")
        if isinstance(value, Initializer):
            self._by_name[name] = None
        return value


def _check_initializer(initializer: Initializer) -> None:
    """Refuse an initializer that has more or fewer bytes than its type and shape say."""
    name, content = initializer.name, initializer.content
    size = _BYTES.get(initializer.type)
    if size is None or not 1 <= len(initializer.dims) <= _MOST_AXES:
        raise InvalidNetwork(f"{name} has type {initializer.type} and {len(initializer.dims)} axes")
    for length in initializer.dims:
        if not 1 <= length <= len(content):
            raise InvalidNetwork(f"{name} has a length of {length} and {len(content):,} bytes")
        size *= length
    if size != len(content):
        raise InvalidNetwork(f"{name} has {len(content):,} bytes where its shape takes {size:,}")
