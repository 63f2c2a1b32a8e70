"""ONNX files written by hand, field by field, so that a test can write what nobody's exporter would.

Numbers of fields are those of onnx.proto. ONNX's own package is not installed everywhere.
"""

import struct
from typing import Any

import numpy as np

FLOAT, INT64, FLOAT16 = 1, 7, 10


def varint(value: int) -> bytes:
    value %= 1 << 64
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def number(place: int, value: int) -> bytes:
    return varint(place << 3) + varint(value)


def part(place: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(place << 3 | 2) + varint(len(content)) + content


def single(place: int, value: float) -> bytes:
    """A number in float32, which no field of ours is."""
    return varint(place << 3 | 5) + struct.pack("<f", value)


def weights(name: str, values: Any, kind: int = FLOAT, *, dims: Any = None, more: bytes = b"") -> bytes:
    dtype = {FLOAT: np.float32, INT64: np.int64, FLOAT16: np.float16}[kind]
    array = np.asarray(values, dtype)
    lengths = b"".join(number(1, length) for length in (array.shape if dims is None else dims))
    return part(5, lengths + number(2, kind) + part(8, name) + part(9, array.tobytes()) + more)


def attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return part(5, part(1, name) + number(3, value) + number(20, 2))
    return part(5, part(1, name) + b"".join(number(8, each) for each in value) + number(20, 7))


def node(kind: str, inputs: str, output: str, *more: bytes, **attributes: Any) -> bytes:
    """`inputs` are separated by blanks."""
    names = b"".join(part(1, name) for name in inputs.split())
    told = b"".join(attribute(name, value) for name, value in attributes.items())
    return part(1, names + part(2, output) + part(4, kind) + told + b"".join(more))


def port(place: int, name: str, dims: Any, kind: int = FLOAT) -> bytes:
    lengths = (number(1, length) if isinstance(length, int) else part(2, length) for length in dims)
    shape = part(2, b"".join(part(1, length) for length in lengths))
    return part(place, part(1, name) + part(2, part(1, number(1, kind) + shape)))


def model(*graph: bytes, ir: int = 10, opset: int = 20, domain: str = "", more: bytes = b"") -> bytes:
    """Nodes, weights and ports in any order."""
    content = part(7, b"".join((*graph, part(2, "network"))))
    opsets = part(8, part(1, domain) + number(2, opset))
    return number(1, ir) + part(2, "tests") + content + opsets + more
