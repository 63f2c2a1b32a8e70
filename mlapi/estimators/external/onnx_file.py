"""Read an ONNX file of anybody's before onnxruntime does, without ONNX's own package.

onnxruntime does what a file says: it opens other files that one names. So each tensor is looked at, in graphs
within graphs and in functions too, and each operator has to be one that onnxruntime itself brings. What these
compute and what that costs is not looked into, as `mlapi.estimators.networks.examination` does it for the few
operators of our own networks.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mlapi.errors import BrokenArtifact

MAX_BYTES = 1 << 30
"""The largest file that is read."""

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Whose operators onnxruntime brings: ONNX's, and some of its own, for texts and for numbers of few bits."""

_MOST_FIELDS = 10_000_000
"""The most fields in a file, but for long lists: some seconds."""

_DEEPEST = 32
"""How deep graphs may lie in graphs."""

_SHOWN = 60
"""Letters of a name that a message has at most."""

_NESTED: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        **{5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto"},
        **{22: "SparseTensorProto", 23: "SparseTensorProto"},
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
"""By message, the fields whose messages hold tensors or operators, as onnx.proto names and numbers them."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
"""The fields of a TensorProto whose numbers lie in another file."""

_LISTS = re.compile(
    rb"(?:\x3d[\s\S]{4})++|(?:\x40[\x80-\xff]*+[\x00-\x7f])++|(?:\x4a(?:\x0aBRANCH_LEQ|\x09BRANCH_LT|\x04LEAF))++"
)
"""Lists of numbers in an AttributeProto, and of the modes of a tree's nodes, each with a tag of its own: a
forest has millions of them."""

_INT32, _INT64, _STRING = 6, 7, 8
"""Element types of tensors."""

Fields: TypeAlias = Mapping[int, Sequence[int | memoryview]]
"""The fields of a message by number: whole numbers, and the bytes of anything else."""


@dataclass(frozen=True)
class OnnxNode:
    """One operator of the graph, its inputs by name."""

    op_type: str
    inputs: tuple[str, ...]
    attributes: tuple[memoryview, ...]
    """Messages (AttributeProto)."""


@dataclass(frozen=True)
class OnnxGraph:
    """What a file holds, as far as it says something of labels; without graphs within the graph."""

    producer: str
    """The program that wrote it; may be empty."""
    nodes: Mapping[str, OnnxNode]
    """By the name of each output."""
    initializers: Mapping[str, memoryview]
    """Messages (TensorProto) by name."""


def read(content: bytes) -> OnnxGraph:
    """Read a file, once nothing in it refers to another file or to operators that onnxruntime does not bring.

    Raises:
        BrokenArtifact: It is no ONNX file, or refers to such a thing.
    """
    if len(content) > MAX_BYTES:
        raise BrokenArtifact(f"it has {len(content):,} bytes; {MAX_BYTES:,} at most are read")
    view = memoryview(content)
    _Examination().check(view)
    model = _message(view)
    if len(model[7]) != 1:  # two would be merged into one
        raise BrokenArtifact("it is no ONNX file, or has no graph")
    graph = _message(model[7][0])
    nodes = {output: node for message in graph[1] for node, outputs in [_node(message)] for output in outputs}
    tensors = map(_bytes, graph[5])
    return OnnxGraph(_text(model[2]), nodes, {_text(_message(tensor)[8]): tensor for tensor in tensors})


def attribute(node: OnnxNode, name: str) -> list[Any]:
    """Return the whole numbers or words that an attribute of a node lists; none where it has none."""
    for content in node.attributes:
        if next((_text([value]) for number, value in _fields(content) if number == 1), "") == name:
            message = _message(content)
            return list(map(_signed, message[8])) or list(map(_word, message[9]))
    return []


def tensor_values(tensor: memoryview) -> list[Any]:
    """Return the whole numbers or words of a tensor, flat; none of another type."""
    message = _message(tensor)
    kind = message[2][-1] if message[2] else None
    if kind == _STRING:
        return list(map(_word, message[6]))
    if kind not in (_INT32, _INT64):
        return []
    if message[9]:
        content = bytes(_bytes(message[9][-1]))
        dtype = np.dtype("<i4" if kind == _INT32 else "<i8")
        if len(content) % dtype.itemsize:
            raise _no_message()
        return np.frombuffer(content, dtype).tolist()  # type: ignore[no-any-return]
    parts = message[5 if kind == _INT32 else 7]
    return [number for part in parts for number in ([part] if isinstance(part, int) else _varints(part))]


def constant(node: OnnxNode) -> list[Any]:
    """Return the whole numbers or words of the tensor that a node of the operator Constant gives."""
    tensors = [tensor for content in node.attributes for tensor in _message(content)[5]]
    return tensor_values(_bytes(tensors[0])) if tensors else []


class _Examination:
    """A pass over all messages of a file that hold tensors or operators."""

    def __init__(self) -> None:
        self._fields_left = _MOST_FIELDS
        self._functions: set[tuple[str, str]] = set()
        self._operators: set[tuple[str, str]] = set()

    def check(self, model: memoryview) -> None:
        """Look at a file.

        Raises:
            BrokenArtifact: It is no ONNX file, or refers to other files or to operators of somebody's own.
        """
        self._walk(model, "ModelProto", _DEEPEST)
        for domain, name in sorted(self._operators - self._functions):
            if domain not in DOMAINS:
                raise BrokenArtifact(
                    f"it has the operator {name!r:.{_SHOWN}} of {domain!r:.{_SHOWN}}, which onnxruntime does "
                    f"not bring: export it with operators of ONNX's own"
                )

    def _walk(self, content: memoryview, kind: str, deepest: int) -> None:
        if not deepest:
            raise BrokenArtifact(f"its graphs lie more than {_DEEPEST} deep in one another")
        nested = _NESTED[kind]
        names: dict[int, str] = {}
        for number, value in _fields(content, _LISTS if kind == "AttributeProto" else None):
            self._fields_left -= 1
            if self._fields_left < 0:
                raise BrokenArtifact(f"it has more than {_MOST_FIELDS:,} fields")
            if number in nested and not isinstance(value, int):
                self._walk(value, nested[number], deepest - (nested[number] == "GraphProto"))
            elif number in _NAMES.get(kind, ()):
                names[number] = _text([value])
            elif kind == "TensorProto" and (
                number == _EXTERNAL_DATA or (number, value) == (_DATA_LOCATION, 1)
            ):
                raise BrokenArtifact(
                    "it has weights in another file, which is not opened: export it with all of them within "
                    "(torch.onnx.export(…, external_data=False), or onnx.save(onnx.load(FILE), 'whole.onnx'))"
                )
        if kind in _NAMES:
            domain, name = (names.get(number, "") for number in _NAMES[kind])
            (self._operators if kind == "NodeProto" else self._functions).add((domain, name))


_NAMES: Mapping[str, tuple[int, int]] = {"NodeProto": (7, 4), "FunctionProto": (10, 1)}
"""The fields with the domain and the name of an operator."""


def _fields(
    content: memoryview, skipped: re.Pattern[bytes] | None = None
) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the fields of a message in order: their numbers, and what they hold.

    Args:
        skipped: Matches fields that are not wanted, from the tag of the first on.

    Raises:
        BrokenArtifact: It is no message of protobuf's.
    """
    at, end = 0, len(content)
    while at < end:
        run = None if skipped is None else skipped.match(content, at)
        if run:
            at = run.end()
            continue
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _LENGTH:
            length, at = _varint(content, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise _no_message()
        if length > end - at:
            raise _no_message()
        yield number, content[at : at + length]
        at += length


_VARINT, _LENGTH, _FIXED = 0, 2, {1: 8, 5: 4}
"""Protobuf's wire types: a number of any length, bytes after their length, and numbers of so many bytes."""

_LONGEST_VARINT = 10
"""Bytes of a number of 64 bits, with seven bits in each."""


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """Read a number of up to 64 bits; return it, and the offset after it."""
    value = 0
    for place, byte in enumerate(content[at : at + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * place
        if byte < 128:  # the highest bit says that more bytes follow
            return value & (1 << 64) - 1, at + place + 1
    raise _no_message()


def _varints(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield _signed(value)


def _signed(number: Any) -> int:
    return int(number) - (1 << 64) if number >= 1 << 63 else int(number)


def _no_message() -> BrokenArtifact:
    return BrokenArtifact("it is no ONNX file, or damaged")


def _message(content: Any) -> Fields:
    fields: dict[int, list[int | memoryview]] = defaultdict(list)
    for number, value in _fields(_bytes(content)):
        fields[number].append(value)
    return fields


def _node(content: Any) -> tuple[OnnxNode, tuple[str, ...]]:
    """Return a node, and the names of its outputs."""
    message = _message(content)
    attributes = tuple(map(_bytes, message[5]))
    return OnnxNode(_text(message[4]), tuple(map(_word, message[1])), attributes), tuple(
        map(_word, message[2])
    )


def _text(values: Sequence[int | memoryview]) -> str:
    """Return the last of the texts that a field has: it counts. None is empty."""
    return _word(values[-1]) if values else ""


def _word(value: Any) -> str:
    try:
        return bytes(_bytes(value)).decode()
    except UnicodeDecodeError as error:
        raise _no_message() from error


def _bytes(value: Any) -> memoryview:
    if isinstance(value, int):
        raise _no_message()
    content: memoryview = value
    return content
