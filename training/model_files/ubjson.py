"""Universal Binary JSON as XGBoost writes it -> plain values. Takes no memory that the file does not have."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.errors import BrokenArtifact

_DEEPEST = 64
"""The most values that lie within each other. XGBoost has less than ten."""

_NUMBERS: Mapping[bytes, struct.Struct] = {
    b"i": struct.Struct(">b"),
    b"U": struct.Struct(">B"),
    b"I": struct.Struct(">h"),
    b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"),
    b"d": struct.Struct(">f"),
    b"D": struct.Struct(">d"),
}
"""By marker, how a number is written."""

_CONSTANTS: Mapping[bytes, bool | None] = {b"T": True, b"F": False, b"Z": None}


def decoded(content: bytes) -> Any:
    """Return the value that a file holds: dictionaries, lists, texts and numbers; arrays of numbers `(n,)`.

    Raises:
        BrokenArtifact: It is damaged or cut off.
    """
    try:
        return _Reader(content).value(content[:1], 0)
    except (struct.error, ValueError, IndexError) as error:  # it ends too early, or a text is none
        raise BrokenArtifact("it is damaged or cut off; copy it again") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 1

    def value(self, marker: bytes, depth: int) -> Any:
        """Return the value whose marker was read just now."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if marker in _NUMBERS:
            return self._number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._text()
        if marker == b"{":
            return self._object(depth)
        if marker == b"[":
            return self._array(depth)
        raise ValueError("an unknown marker")

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._content) - self._place:
            raise ValueError("it ends too early")
        self._place += count
        return self._content[self._place - count : self._place]

    def _number(self, marker: bytes) -> Any:
        kind = _NUMBERS[marker]
        return kind.unpack(self._take(kind.size))[0]

    def _length(self) -> int:
        marker = self._take(1)
        if marker not in b"iUIlL":
            raise ValueError("no length")
        return int(self._number(marker))

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def _object(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self._content[self._place] != ord("}"):
            key = self._text()
            made[key] = self.value(self._take(1), depth + 1)
        self._place += 1
        return made

    def _array(self, depth: int) -> Any:
        marker = self._take(1)
        if marker == b"$":
            return self._typed()
        made: list[Any] = []
        if marker == b"#":
            for _ in range(self._length()):
                made.append(self.value(self._take(1), depth + 1))
            return made
        while marker != b"]":
            made.append(self.value(marker, depth + 1))
            marker = self._take(1)
        return made

    def _typed(self) -> Any:
        """Return an array `(n,)` of numbers of one kind."""
        kind = self._take(1)
        if kind not in _NUMBERS or self._take(1) != b"#":
            raise ValueError("an array of something else than numbers")
        written = _NUMBERS[kind]
        count = self._length()
        return np.frombuffer(self._take(count * written.size), np.dtype(written.format), count)
