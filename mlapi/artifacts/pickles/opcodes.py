"""The bytes of a pickle, part by part: what another format describes, in pickle's words.

Nothing that is named is imported or called here. Parts are joined as they are; `whole` makes a pickle of one.
"""

import pickle
from collections.abc import Iterable
from typing import Any

_PROTOCOL = 3
"""The protocol of parts: the last without frames, which would lie in each other."""

_FIRST_PLACE = 1 << 16
"""The first place that a shared part is remembered at. What pickle itself writes uses the places before."""

NOTHING = pickle.EMPTY_TUPLE
"""No arguments."""


def whole(part: bytes) -> bytes:
    """Return the pickle of one part."""
    return pickle.PROTO + bytes([_PROTOCOL]) + part + pickle.STOP


def value(plain: Any) -> bytes:
    """Return the part of a plain value, or of an array `(any shape)` of numbers."""
    return pickle.dumps(plain, _PROTOCOL)[2:-1]


def named(module: str, name: str) -> bytes:
    """Return the part that is a class or function."""
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def tuple_of(parts: Iterable[bytes]) -> bytes:
    """Return the part that is a tuple."""
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def list_of(parts: Iterable[bytes]) -> bytes:
    """Return the part that is a list."""
    return pickle.EMPTY_LIST + pickle.MARK + b"".join(parts) + pickle.APPENDS


def set_of(parts: Iterable[bytes]) -> bytes:
    """Return the part that is a set."""
    return called(named("builtins", "set"), tuple_of([list_of(parts)]))


def filled(dictionary: bytes, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the part of a dictionary with these keys and values."""
    return dictionary + pickle.MARK + b"".join(key + content for key, content in pairs) + pickle.SETITEMS


def dict_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the part that is a dictionary."""
    return filled(pickle.EMPTY_DICT, pairs)


def called(function: bytes, arguments: bytes) -> bytes:
    """Return the part that is what a function returns."""
    return function + arguments + pickle.REDUCE


def empty(kind: bytes) -> bytes:
    """Return the part that is an object of a class, without a state."""
    return kind + NOTHING + pickle.NEWOBJ


def with_state(made: bytes, state: bytes) -> bytes:
    """Return the part of an object that gets a state."""
    return made + state + pickle.BUILD


def put(part: bytes, place: int) -> bytes:
    """Return a part that is remembered at a place, from zero on."""
    return part + pickle.LONG_BINPUT + (_FIRST_PLACE + place).to_bytes(4, "little")


def get(place: int) -> bytes:
    """Return the part that was remembered at a place."""
    return pickle.LONG_BINGET + (_FIRST_PLACE + place).to_bytes(4, "little")
