"""JSON bytes <-> plain data, or a table of numbers. Knows nothing of Flask or of models.

JSON is read strictly: no NaN, no Infinity, no number beyond float64, and no name twice in one object. Of two
members with one name the parser itself would drop one in silence.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from functools import partial
from math import isinf
from typing import Any, NoReturn, TypeAlias

import numpy as np
import orjson

from mlapi.errors import InvalidInput, MalformedBody
from mlapi.formats import json_matrix
from mlapi.formats.decoded import Decoded, NumberTable, PlainData
from mlapi.formats.unreadable import BOM, unlike_json
from mlapi.wording import Finding, Place, bounded

JSON = "application/json"


_Linked: TypeAlias = tuple[Any, ...]
"""A place as the walk below keeps it: `()` for the body itself, else a pair: the parent's place, and the
value's own token. So the places of neighbors share their beginning."""


def encode_json(data: Any) -> bytes:
    """Write plain data as JSON. Arrays in it may have any shape: `(rows,)`, `(rows, classes)`.

    Numbers, flags and the like are written straight from an array's memory; an array of objects becomes a
    list first.
    """
    return orjson.dumps(data, _as_list, orjson.OPT_SERIALIZE_NUMPY)


def decode_json(body: bytes) -> Decoded:
    """Read strict JSON, of many rows of numbers as a `NumberTable`; the usual case costs one fast parse.

    Raises:
        MalformedBody: The body is empty, is no JSON, or is nested too deeply.
        InvalidInput: A name stands twice in one object, or a number is beyond float64.
    """
    table = json_matrix.read(body)
    return decode_plain_json(body) if table is None else NumberTable(*table, partial(decode_plain_json, body))


def decode_plain_json(body: bytes) -> PlainData:
    """Read strict JSON as plain data; raises as `decode_json` does. A byte order mark is passed over."""
    if not body or body.isspace():
        raise MalformedBody("the body is empty; expected JSON")
    try:
        data: PlainData = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = body.removeprefix(BOM)
        if len(text) < len(body) and not text.startswith(BOM):
            return decode_plain_json(text)
        _explain(body, error)
    # Each member of an object has a colon. If there are no more colons than members after the parse, then the
    # parser dropped none. More colons may stand in strings, or in objects within rows; they are counted
    # slowly.
    if body.count(b":") != _members(data) and _colons(body) != _all_members(data):
        _check_unique(body)
    return data


_PARENTS = frozenset({dict, list})


def _as_list(array: Any) -> Any:
    return array.tolist()


def _members(data: Any) -> int:
    """How many members these objects have together: the body, its values, and the rows within its values."""
    if type(data) is not dict:
        return 0
    count = len(data)
    for value in data.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list:
            count += sum(len(row) for row in value if type(row) is dict)
    return count


def _colons(body: bytes) -> int:
    """How many colons stand outside of strings. Takes three times the body's memory, and milliseconds."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # then each quote begins or ends a string
    signs = np.frombuffer(body, dtype=np.uint8)
    inside = np.cumsum(signs == ord('"'), dtype=np.uint8) & 1  # it wraps around, and stays odd or even
    return int(np.count_nonzero((signs == ord(":")) & (inside == 0)))


def _all_members(data: Any) -> int | None:
    """How many members all objects have; None where the data is too deep to be written.

    The data is written anew and its colons are counted: that takes a tenth of a walk through the data.
    """
    try:
        return _colons(orjson.dumps(data))
    except orjson.JSONEncodeError:
        return None


class _Duplicate:
    """Takes the place of an object that has two members of one name."""

    def __init__(self, name: str) -> None:
        self.name = name


def _check_unique(body: bytes) -> None:
    try:
        data = json.loads(body, object_pairs_hook=_unique)
    except RecursionError as error:
        raise MalformedBody("the JSON is nested too deeply") from error
    _refuse(
        ((place, leaf.name) for place, leaf in _leaves(data, _Duplicate)),
        "the name stands twice in one object",
    )


def _unique(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
    return _Duplicate(name)


def _explain(body: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Tell a number beyond float64, which is wrong input, from what is not JSON at all."""
    try:
        text = body.decode("utf-8")
        data = json.loads(text, parse_int=_parse_int, parse_constant=_no_constant)
    except RecursionError:
        raise MalformedBody("the JSON is nested too deeply") from error
    except ValueError:
        raise MalformedBody(unlike_json(body, error)) from error
    _refuse(
        (place for place, leaf in _leaves(data, float) if isinf(leaf)),
        "the number is beyond float64",
    )
    raise MalformedBody(unlike_json(body, error)) from error


def _refuse(places: Iterable[_Linked], detail: str) -> None:
    shown, count = bounded(places)
    if shown:
        raise InvalidInput([Finding(_unlinked(place), detail) for place in shown], count)


def _parse_int(digits: str) -> float:
    return float(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _leaves(data: Any, kind: type) -> Iterator[tuple[_Linked, Any]]:
    """Every value of a type that is neither object nor list, with its place.

    The client chooses the depth and the length of the names. Therefore a stack and no recursion, and places
    that share their beginnings.
    """
    wanted = _PARENTS | {kind}
    stack: list[Iterator[tuple[_Linked, Any]]] = [iter([((), data)])]
    while stack:
        for place, value in stack[-1]:
            if type(value) is kind:
                yield place, value
            elif type(value) in _PARENTS:
                stack.append(_children(place, value, wanted))
                break
        else:
            stack.pop()


def _children(place: _Linked, parent: Any, wanted: Set[type]) -> Iterator[tuple[_Linked, Any]]:
    children = parent.items() if type(parent) is dict else enumerate(parent)
    return iter([((place, token), value) for token, value in children if type(value) in wanted])


def _unlinked(place: _Linked) -> Place:
    tokens: list[str | int] = []
    while place:
        place, token = place
        tokens.append(token)
    return tuple(reversed(tokens))
