"""The door for ONNX files: the bytes are examined here before onnxruntime sees them, wherever they come from.

A network that passes has operators of the list alone, all of its weights within itself, and a size for each
of its values; it takes pictures of one shape and gives a number for each class. So what a request may cost is
known before it is asked.
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

INPUT, OUTPUT, IMAGE_COUNT = "pictures", "probabilities", "n"

MOST_NUMBERS = 1 << 27
"""In all values of one picture together: half a gigabyte in float32."""

MOST_PRODUCTS = 1 << 36
"""For one picture: some seconds of one core. The network for CIFAR-10 takes 2^27 of them."""

_MOST_NODES = 1_000

_BYTES = {FLOAT: 4, FLOAT16: 2, INT64: 8}

_MOST_AXES = 4


class Cost(NamedTuple):
    """What one picture takes: numbers that are held, and products that are computed."""

    numbers: int
    products: int


def examine(network: bytes, shape: Shape, classes: int) -> Cost:
    """Check a file as a network for pictures of (height, width, channels) and so many classes.

    Raises:
        BrokenArtifact: It is anything but what `onnx_file` writes, or takes too much.
    """
    try:
        graph = read(network)
        _check_shape(shape)
        _check_port("takes", graph.takes, ValueInfo(INPUT, FLOAT, (IMAGE_COUNT, *shape)))
        _check_port("gives", graph.gives, ValueInfo(OUTPUT, FLOAT, (IMAGE_COUNT, classes)))
        return _work(graph, shape, classes)
    except InvalidNetwork as error:
        raise BrokenArtifact(f"its network is none that mlapi writes: {error}") from error


def _check_shape(shape: Any) -> None:
    is_shape = type(shape) is tuple and len(shape) == 3 and all(type(side) is int for side in shape)
    if not is_shape or min(shape) < 1:
        found = f"{shape!r:.60}" if is_shape else f"of a {type(shape).__name__}"  # whose repr has any length
        raise InvalidNetwork(f"its pictures have the shape {found}; expected height, width and channels")


def _check_port(verb: str, found: ValueInfo, expected: ValueInfo) -> None:
    if found != expected:
        raise InvalidNetwork(
            f"it {verb} {found.name} of type {found.type} and shape {found.dims!r:.60}; "
            f"expected {expected.name} of type {expected.type} and shape {expected.dims!r:.60}"
        )


def _work(graph: Graph, shape: tuple[int, ...], classes: int) -> Cost:
    """Walk through the nodes in their order, from the pictures on."""
    if len(graph.nodes) > _MOST_NODES:
        raise InvalidNetwork(f"it has {len(graph.nodes):,} nodes; {_MOST_NODES:,} at most")
    known = _Known()
    known.add(INPUT, Activations(1, shape))
    for weights in graph.weights:
        _check_weights(weights)
        known.add(weights.name, weights)
    numbers = products = 0
    for node in graph.nodes:
        try:
            gives, cost = infer_node(node, [known.take(name) for name in node.inputs])
            known.add(node.output, gives)
        except InvalidNetwork as error:
            raise InvalidNetwork(f"{node.output} ({node.kind}): {error}") from error
        numbers += gives.held if isinstance(gives, Activations) else 0
        products += cost
        if numbers > MOST_NUMBERS or products > MOST_PRODUCTS:
            raise InvalidNetwork(
                f"a picture takes more than {MOST_NUMBERS:,} numbers or {MOST_PRODUCTS:,} products; "
                "narrower networks and smaller pictures take less"
            )
    if known.take(OUTPUT) != Activations(1, (classes,)):
        raise InvalidNetwork(f"it does not give {classes} numbers for each picture")
    return Cost(numbers, products)


class _Known:
    """What has a name so far. Weights are taken once: onnxruntime makes a copy for each use."""

    def __init__(self) -> None:
        self._found: dict[str, Activations | Initializer | None] = {}

    def add(self, name: str, what: Activations | Initializer) -> None:
        if not name or name in self._found:
            raise InvalidNetwork(f"there are two values {name!r}, or it has no name")
        self._found[name] = what

    def take(self, name: str) -> Activations | Initializer:
        what = self._found.get(name)
        if what is None:
            raise InvalidNetwork(f"there is no {name!r} before it, or others have taken it")
        if isinstance(what, Initializer):
            self._found[name] = None
        return what


def _check_weights(weights: Initializer) -> None:
    """That there are as many numbers as the shape tells."""
    size = _BYTES.get(weights.type)
    if size is None or not 1 <= len(weights.dims) <= _MOST_AXES:
        raise InvalidNetwork(f"{weights.name} has type {weights.type} and {len(weights.dims)} axes")
    for length in weights.dims:
        if not 1 <= length <= len(weights.content):
            raise InvalidNetwork(
                f"{weights.name} has a length of {length} and {len(weights.content):,} bytes"
            )
        size *= length
    if size != len(weights.content):
        raise InvalidNetwork(
            f"{weights.name} has {len(weights.content):,} bytes where its shape takes {size:,}"
        )
