"""The bytes of an ONNX file -> its graph, read strictly: what our own files have, and nothing else.

onnxruntime does what a file says: it opens the files that one names, and runs loops without an end. So
files are read here first, by a reader of our own (ONNX's package is not installed where models are served).
It knows the fields that `onnx_file` writes; there is no field here for a file beside it, a function, or a
graph within the graph. Each is read in one way only: none comes twice, no number is longer than it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

IR, OPSET = 10, 20
"""The first operators with Gelu; both read by onnxruntime from 1.18 on."""

FLOAT, INT64, FLOAT16 = 1, 7, 10
"""The types of numbers, as ONNX counts them."""

MOST_BYTES = 1 << 30

_MOST_FIELDS = 20_000
"""In the whole file; a network as wide as you like has 700."""

_MOST_LETTERS = 64

_VARINT, _BYTES = 0, 2
"""How protobuf writes a field: these two are all that our files have."""

_ONE, _MANY = 2, 7
"""The types of attributes: a whole number, or several."""


class InvalidNetwork(ValueError):
    """A file that is not served; the message says what it has."""


@dataclass(frozen=True, slots=True)
class Initializer:
    """Numbers that the file holds, with the bytes that they are."""

    name: str
    type: int
    dims: tuple[int, ...]
    content: memoryview


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, its inputs by name, and the name of its one output."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """What goes in or out; a length that is a word is told with each request."""

    name: str
    type: int
    dims: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A file's content."""

    nodes: tuple[Node, ...]
    weights: tuple[Initializer, ...]
    takes: ValueInfo
    gives: ValueInfo


def read(content: bytes) -> Graph:
    """Time and memory are bounded whatever the bytes are; weights are views of them.

    Raises:
        Refused: It is no ONNX file, or has anything that ours do not have.
    """
    if type(content) is not bytes:  # onnxruntime opens a file where it gets a word, and others may be altered
        raise InvalidNetwork(f"it is no bytes but {type(content).__name__}")
    if len(content) > MOST_BYTES:
        raise InvalidNetwork(f"it has {len(content):,} bytes; {MOST_BYTES:,} at most are read")
    model = _Reader(content).message("file", _MODEL, 0, len(content))
    opsets = [(_word(each["domain"]), each["version"]) for each in model["opset_import"]]
    if model["ir_version"] != IR or opsets != [("", OPSET)]:
        raise InvalidNetwork(f"it is of IR version {model['ir_version']} and has operators of {opsets!r:.60}")
    graph = model["graph"]
    return Graph(
        tuple(map(_node, graph["node"])),
        tuple(map(_weights, graph["initializer"])),
        _port(_only(graph["input"], "inputs")),
        _port(_only(graph["output"], "outputs")),
    )


def _node(found: dict[str, Any]) -> Node:
    attributes = dict(map(_attribute, found["attribute"]))
    if len(attributes) != len(found["attribute"]):
        raise InvalidNetwork("an attribute is there twice")
    inputs = tuple(map(_word, found["input"]))
    return Node(_word(found["op_type"]), inputs, _word(_only(found["output"], "outputs")), attributes)


def _attribute(found: dict[str, Any]) -> tuple[str, int | tuple[int, ...]]:
    name = _word(found["name"])
    if found["type"] == _ONE and "i" in found and not found["ints"]:
        return name, found["i"]
    if found["type"] == _MANY and "i" not in found:
        return name, tuple(found["ints"])
    raise InvalidNetwork(f"the attribute {name!r} is neither a whole number nor several")


def _weights(found: dict[str, Any]) -> Initializer:
    return Initializer(_word(found["name"]), found["data_type"], tuple(found["dims"]), found["raw_data"])


def _port(found: dict[str, Any]) -> ValueInfo:
    tensor = found["type"]["tensor_type"]
    return ValueInfo(_word(found["name"]), tensor["elem_type"], tuple(map(_length, tensor["shape"]["dim"])))


def _length(found: dict[str, Any]) -> int | str:
    if len(found) != 1:
        raise InvalidNetwork("a length is neither a number nor a word")
    return found["dim_value"] if "dim_value" in found else _word(found["dim_param"])


def _only(entries: list[Any], what: str) -> Any:
    if len(entries) != 1:
        raise InvalidNetwork(f"{len(entries)} {what} where there is one")
    return entries[0]


def _word(content: memoryview) -> str:
    """Letters, digits and lines below: what comes from a file may be printed."""
    try:
        word = bytes(content[: _MOST_LETTERS + 1]).decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidNetwork("a name is not of ASCII letters") from error
    if len(word) > _MOST_LETTERS or not (word.replace("_", "a").isalnum() or not word):
        raise InvalidNetwork(f"a name is not of letters, digits and _, or longer than {_MOST_LETTERS}")
    return word


class _Field(NamedTuple):
    """`parts` are the fields of a message within the message; None for a number, or for plain bytes."""

    name: str
    repeated: bool
    optional: bool
    parts: "_Fields | None"


_Fields: TypeAlias = Mapping[int, _Field]
"""By what stands before one in the bytes: its place in onnx.proto, and how it is written."""


def _number(place: int, name: str, *, repeated: bool = False, optional: bool = False) -> tuple[int, _Field]:
    return place << 3 | _VARINT, _Field(name, repeated, optional, None)


def _content(
    place: int, name: str, parts: _Fields | None = None, *, repeated: bool = False, optional: bool = False
) -> tuple[int, _Field]:
    return place << 3 | _BYTES, _Field(name, repeated, optional, parts)


_LENGTH = dict([_number(1, "dim_value", optional=True), _content(2, "dim_param", optional=True)])
_SHAPE = dict([_content(1, "dim", _LENGTH, repeated=True)])
_TENSOR = dict([_number(1, "elem_type"), _content(2, "shape", _SHAPE)])
_PORT = dict([_content(1, "name"), _content(2, "type", dict([_content(1, "tensor_type", _TENSOR)]))])
_ATTRIBUTE = dict(
    [
        _content(1, "name"),
        _number(3, "i", optional=True),
        _number(8, "ints", repeated=True),
        _number(20, "type"),
    ]
)
_NODE = dict(
    [
        _content(1, "input", repeated=True),
        _content(2, "output", repeated=True),
        _content(4, "op_type"),
        _content(5, "attribute", _ATTRIBUTE, repeated=True),
    ]
)
_WEIGHTS = dict(
    [
        _number(1, "dims", repeated=True),
        _number(2, "data_type"),
        _content(8, "name"),
        _content(9, "raw_data"),
    ]
)
_GRAPH = dict(
    [
        _content(1, "node", _NODE, repeated=True),
        _content(2, "name"),
        _content(5, "initializer", _WEIGHTS, repeated=True),
        _content(11, "input", _PORT, repeated=True),
        _content(12, "output", _PORT, repeated=True),
    ]
)
_MODEL = dict(
    [
        _number(1, "ir_version"),
        _content(2, "producer_name"),
        _content(7, "graph", _GRAPH),
        _content(8, "opset_import", dict([_content(1, "domain"), _number(2, "version")]), repeated=True),
    ]
)


class _Reader:
    """Walks through a file's fields once. Messages lie within messages as deep as the tables above."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content).toreadonly()
        self._left = _MOST_FIELDS

    def message(self, name: str, fields: _Fields, at: int, end: int) -> dict[str, Any]:
        """The fields by name, those that may come several times as lists."""
        found: dict[str, Any] = {field.name: [] for field in fields.values() if field.repeated}
        while at < end:
            tag, at = self._varint(at, end)
            field = self._known(name, fields, tag)
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
                found[field.name].append(value)
                continue
            if field.name in found:
                raise InvalidNetwork(f"{name}: {field.name} is there twice")
            found[field.name] = value
        for field in fields.values():
            if not field.optional and field.name not in found:
                raise InvalidNetwork(f"{name}: {field.name} is missing")
        return found

    def _known(self, name: str, fields: _Fields, tag: int) -> _Field:
        self._left -= 1
        if self._left < 0:
            raise InvalidNetwork(f"it has more than {_MOST_FIELDS:,} fields")
        field = fields.get(tag)
        if field is None:
            ours = ", ".join(field.name for field in fields.values())
            raise InvalidNetwork(f"its {name} has field {tag >> 3} of kind {tag & 7}; ours have {ours} alone")
        return field

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """A number of up to 64 bits, seven in each byte, and where it ends."""
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
