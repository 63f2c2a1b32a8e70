"""JSON bodies of many rows of numbers -> one matrix, without a Python object for each number.

Only for bodies that are nothing else: `{"instances": [[5.1, 3.5], …]}`. pysimdjson reads such a body and its
numbers three times as fast as orjson and numpy do (1,000 rows of 30: 0.4 ms for 1.3). Whatever it does not
take is left to the strict reader in `mlapi.formats.strict_json`.
"""

import re
from typing import Any

import numpy as np

from mlapi.data.signature import Matrix

simdjson: Any
try:
    import simdjson
except ImportError:  # no wheel for this Python or processor: then the strict reader takes all
    simdjson = None

_FORM = re.compile(rb'\s*\{\s*"(instances|X)"\s*:\s*\[\s*\[')

_LEAST_BYTES = 2048
"""Below it a request is answered no sooner: one row of 30 numbers 9 us later, in a server under load."""

_KEPT_BYTES = 4 * 1024 * 1024
"""A parser keeps room for several times the largest body that it read; beyond this it is not kept."""


_idle: list[Any] = []
"""Parsers that nobody uses: two threads may not share one, and the last one used has its memory at hand."""


def read(body: bytes) -> tuple[str, Matrix] | None:
    """The form's name and its rows; None if there is anything but rows of equally many numbers.

    Every number is as float64 reads it, and finite.
    """
    if len(body) < _LEAST_BYTES or simdjson is None:
        return None
    form = _FORM.match(body)
    if form is None:
        return None
    name = form[1].decode()
    try:
        parser = _idle.pop()
    except IndexError:
        parser = simdjson.Parser()
    try:
        found = name, _matrix(parser.parse(body), name, body)
    except (ValueError, TypeError, KeyError, RuntimeError):  # broken, or not numbers alone
        return None
    if len(body) <= _KEPT_BYTES:
        _idle.append(parser)
    return found


def _matrix(members: Any, name: str, body: bytes) -> Matrix:
    rows = members[name]
    widths = set(map(len, rows))
    numbers = np.frombuffer(rows.as_buffer(of_type="d"))
    height = len(rows)
    # `as_buffer` flattens: with one bracket a row, none holds a list of its own.
    brackets = np.count_nonzero(np.frombuffer(body, dtype=np.uint8) == ord("["))
    if len(members) != 1 or len(widths) != 1 or not numbers.size or brackets != height + 1:
        raise ValueError("more than one form, rows of unequal length, or deeper lists")
    return numbers.reshape(height, widths.pop())
