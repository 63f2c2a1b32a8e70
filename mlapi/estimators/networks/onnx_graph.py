"""Read the bytes of an ONNX file into a graph, strictly: only what our own files have is accepted.

onnxruntime does what a file says: it opens other files that one names, and runs loops without an end. So
files are read here first, by our own reader of protobuf (ONNX's package is not installed where models are
served). It knows the fields that `onnx_file` writes, and refuses any other: there is none here for another
file, a function, or a graph within the graph. There is one way to write each: no field comes twice unless it
is a list, and no number takes more bytes than it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

IR = 10
"""The version of ONNX's file format; onnxruntime reads it from 1.18 on."""

OPSET = 20
"""The version of ONNX's operators: the first that has Gelu. onnxruntime reads it from 1.18 on."""

FLOAT = 1
"""ONNX's number for the element type float32."""

INT64 = 7
"""ONNX's number for the element type int64."""

FLOAT16 = 10
"""ONNX's number for the element type float16."""

MAX_BYTES = 1 << 30
"""The largest file that is read."""

_MOST_FIELDS = 20_000
"""The most fields in the whole file; a network of any width has 700."""

_MOST_CHARACTERS = 64
"""The longest name in a file."""

_VARINT = 0
"""Protobuf's wire type for a number."""

_BYTES = 2
"""Protobuf's wire type for bytes, texts and messages. Our files have this one and `_VARINT` only."""

_ONE_INTEGER = 2
"""ONNX's number for an attribute that is an integer."""

_INTEGERS = 7
"""ONNX's number for an attribute that is a list of integers."""


class InvalidNetwork(ValueError):
    """A file that is not served. The message says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Initializer:
    """A tensor that the file holds: weights, axes or a shape. That its bytes fit its shape is not checked."""

    name: str
    type: int
    """Its element type: `FLOAT`, `INT64`, `FLOAT16` or another."""
    dims: tuple[int, ...]
    """Its shape."""
    content: memoryview
    """Its numbers, row by row, little-endian."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, its inputs by name, and the name of its one output."""

    op_type: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """The input or the output of the graph."""

    name: str
    type: int
    """Its element type, as of an `Initializer`."""
    dims: tuple[int | str, ...]
    """Its shape; a length with a name instead of a number is known with each request only."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The content of a file: nodes in the order in which they run, tensors, one input and one output."""

    nodes: tuple[Node, ...]
    initializers: tuple[Initializer, ...]
    input: ValueInfo
    output: ValueInfo


def read(content: bytes) -> Graph:
    """Read a file. Time and memory are bounded whatever the bytes are; the tensors are views of them.

    Raises:
        InvalidNetwork: It is no ONNX file, or has anything that our files do not have.
    """
    if type(content) is not bytes:  # onnxruntime opens a file where it gets a str, and others may be altered
        raise InvalidNetwork(f"it is no bytes but {type(content).__name__}")
    if len(content) > MAX_BYTES:
        raise InvalidNetwork(f"it has {len(content):,} bytes; {MAX_BYTES:,} at most are read")
    model = _Reader(content).message("file", _MODEL, 0, len(content))
    opsets = [(_name(each["domain"]), each["version"]) for each in model["opset_import"]]
    if model["ir_version"] != IR or opsets != [("", OPSET)]:
        raise InvalidNetwork(f"it is of IR version {model['ir_version']} and has operators of {opsets!r:.60}")
    graph = model["graph"]
    return Graph(
        tuple(map(_node, graph["node"])),
        tuple(map(_initializer, graph["initializer"])),
        _value_info(_only(graph["input"], "inputs")),
        _value_info(_only(graph["output"], "outputs")),
    )


_Message: TypeAlias = dict[str, Any]
"""The fields of a protobuf message, by their names in onnx.proto."""


def _node(message: _Message) -> Node:
    attributes = dict(map(_attribute, message["attribute"]))
    if len(attributes) != len(message["attribute"]):
        raise InvalidNetwork("an attribute is there twice")
    inputs = tuple(map(_name, message["input"]))
    return Node(_name(message["op_type"]), inputs, _name(_only(message["output"], "outputs")), attributes)


def _attribute(message: _Message) -> tuple[str, int | tuple[int, ...]]:
    name = _name(message["name"])
    if message["type"] == _ONE_INTEGER and "i" in message and not message["ints"]:
        return name, message["i"]
    if message["type"] == _INTEGERS and "i" not in message:
        return name, tuple(message["ints"])
    raise InvalidNetwork(f"the attribute {name!r} is neither a whole number nor several")


def _initializer(message: _Message) -> Initializer:
    return Initializer(
        _name(message["name"]), message["data_type"], tuple(message["dims"]), message["raw_data"]
    )


def _value_info(message: _Message) -> ValueInfo:
    tensor = message["type"]["tensor_type"]
    dims = tuple(map(_length, tensor["shape"]["dim"]))
    return ValueInfo(_name(message["name"]), tensor["elem_type"], dims)


def _length(message: _Message) -> int | str:
    if len(message) != 1:
        raise InvalidNetwork("a length is neither a number nor a word")
    return message["dim_value"] if "dim_value" in message else _name(message["dim_param"])


def _only(entries: list[Any], what: str) -> Any:
    if len(entries) != 1:
        raise InvalidNetwork(f"{len(entries)} {what} where there is one")
    return entries[0]


def _name(content: memoryview) -> str:
    """Return a name of ASCII letters, digits and underscores, so that messages may print it; or ""."""
    try:
        name = bytes(content[: _MOST_CHARACTERS + 1]).decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidNetwork("a name is not of ASCII letters") from error
    if len(name) > _MOST_CHARACTERS or not (name.replace("_", "a").isalnum() or not name):
        raise InvalidNetwork(f"a name is not of letters, digits and _, or longer than {_MOST_CHARACTERS}")
    return name


class _Field(NamedTuple):
    """A field that a message may have; without `optional` or `repeated` it has to have it."""

    name: str
    repeated: bool
    """Whether it is a list, of any length."""
    optional: bool
    parts: "_Fields | None"
    """The fields of a message within the message; None for a number, or for plain bytes."""


_Fields: TypeAlias = Mapping[int, _Field]
"""The fields of a kind of message, by protobuf's tag: the field's number in onnx.proto and its wire type."""


def _number(field: int, name: str, *, repeated: bool = False, optional: bool = False) -> tuple[int, _Field]:
    """Return the entry for a field that is a number, under its number in onnx.proto."""
    return field << 3 | _VARINT, _Field(name, repeated, optional, None)


def _content(
    field: int, name: str, parts: _Fields | None = None, *, repeated: bool = False, optional: bool = False
) -> tuple[int, _Field]:
    """Return the entry for a field that is bytes, a text, or a message with these parts."""
    return field << 3 | _BYTES, _Field(name, repeated, optional, parts)


_LENGTH = dict([_number(1, "dim_value", optional=True), _content(2, "dim_param", optional=True)])
"""A length of a shape: TensorShapeProto.Dimension, as onnx.proto calls it."""

_SHAPE = dict([_content(1, "dim", _LENGTH, repeated=True)])
"""A shape: TensorShapeProto."""

_TENSOR = dict([_number(1, "elem_type"), _content(2, "shape", _SHAPE)])
"""The type of a tensor: TypeProto.Tensor."""

_VALUE_INFO = dict([_content(1, "name"), _content(2, "type", dict([_content(1, "tensor_type", _TENSOR)]))])
"""An input or an output of the graph: ValueInfoProto."""

_ATTRIBUTE = dict(
    [
        _content(1, "name"),
        _number(3, "i", optional=True),
        _number(8, "ints", repeated=True),
        _number(20, "type"),
    ]
)
"""An attribute of a node: AttributeProto, with one integer or a list of them."""

_NODE = dict(
    [
        _content(1, "input", repeated=True),
        _content(2, "output", repeated=True),
        _content(4, "op_type"),
        _content(5, "attribute", _ATTRIBUTE, repeated=True),
    ]
)
"""A node: NodeProto."""

_INITIALIZER = dict(
    [
        _number(1, "dims", repeated=True),
        _number(2, "data_type"),
        _content(8, "name"),
        _content(9, "raw_data"),
    ]
)
"""A tensor that the file holds: TensorProto, its numbers as bytes."""

_GRAPH = dict(
    [
        _content(1, "node", _NODE, repeated=True),
        _content(2, "name"),
        _content(5, "initializer", _INITIALIZER, repeated=True),
        _content(11, "input", _VALUE_INFO, repeated=True),
        _content(12, "output", _VALUE_INFO, repeated=True),
    ]
)
"""The graph: GraphProto."""

_MODEL = dict(
    [
        _number(1, "ir_version"),
        _content(2, "producer_name"),
        _content(7, "graph", _GRAPH),
        _content(8, "opset_import", dict([_content(1, "domain"), _number(2, "version")]), repeated=True),
    ]
)
"""The whole file: ModelProto."""


class _Reader:
    """Reads protobuf in one pass over a file. Messages are nested as deep as the tables above, no deeper."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content).toreadonly()
        self._fields_left = _MOST_FIELDS

    def message(self, name: str, fields: _Fields, at: int, end: int) -> _Message:
        """Read the message between two offsets: its values by the names of the fields, repeated ones as
        lists."""
        values: _Message = {field.name: [] for field in fields.values() if field.repeated}
        while at < end:
            tag, at = self._varint(at, end)
            field = self._field(name, fields, tag)
            number, at = self._varint(at, end)
            value: Any = number if number < 1 << 63 else number - (1 << 64)
            if tag & 7 == _BYTES:
                start, at = at, at + number
                if at > end:
                    raise InvalidNetwork("it is cut off, or no ONNX file")
                value = (
                    self._content[start:at]
                    if field.parts is None
                    else self.message(field.name, field.parts, start, at)
                )
            if field.repeated:
                values[field.name].append(value)
                continue
            if field.name in values:
                raise InvalidNetwork(f"{name}: {field.name} is there twice")
            values[field.name] = value
        for field in fields.values():
            if not field.optional and field.name not in values:
                raise InvalidNetwork(f"{name}: {field.name} is missing")
        return values

    def _field(self, name: str, fields: _Fields, tag: int) -> _Field:
        """Return the field with this tag of the message `name`, and count it."""
        self._fields_left -= 1
        if self._fields_left < 0:
            raise InvalidNetwork(f"it has more than {_MOST_FIELDS:,} fields")
        field = fields.get(tag)
        if field is None:
            ours = ", ".join(field.name for field in fields.values())
            raise InvalidNetwork(f"its {name} has field {tag >> 3} of kind {tag & 7}; ours have {ours} alone")
        return field

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Read a number of up to 64 bits, seven in each byte; return it, and the offset after it."""
        if at < end and self._content[at] < 128:
            return self._content[at], at + 1
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self._content[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value >= 1 << 64 or (byte == 0 and shift):
                    raise InvalidNetwork("a number is written in another way than ours")
                return value, at
        raise InvalidNetwork("it is cut off, or no ONNX file")
