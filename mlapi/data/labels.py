"""Which texts may stand in an answer as labels: those that are short, and that UTF-8 can encode.

Checked are the labels of an estimator before it serves, and every answer that it gives. Arrays are what
estimators return: of any shape, with dtype U (fixed-length text) or O (Python objects); `(rows,)` for a
prediction.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 10_000
"""The longest label: every row of every answer repeats one."""

_FIRST_SURROGATE = 0xD800
"""Surrogates are halves of characters in UTF-16, and cannot be encoded in UTF-8."""

_LAST_SURROGATE = 0xDFFF
"""The code point after it is a character again."""

_LAST_CODE_POINT = 0x10FFFF
"""The highest number of a character in Unicode."""


def is_valid_label(value: str) -> bool:
    """Return whether a text is at most `MAX_CHARACTERS` long and can be encoded in UTF-8."""
    if len(value) > MAX_CHARACTERS:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeError:
        return False
    return True


def are_valid_labels(array: NDArray[Any]) -> bool:
    """Return whether every text in an array is a valid label. Entries that are no text are ignored.

    Args:
        array: Labels or answers, `(rows,)` or of any other shape and dtype.
    """
    if array.dtype.kind == "O":
        return all(is_valid_label(value) for value in _strings(array.ravel().tolist()))
    if array.dtype.kind != "U" or not array.nbytes:
        return True
    if array.size == 1:  # the answer to one row: checking one `str` costs less
        return _is_single_label(array)
    return array.dtype.itemsize <= 4 * MAX_CHARACTERS and _are_characters(array)


def float64s_per_label(labels: Any) -> int:
    """Return how many float64 take as much memory as one label does in a numpy array.

    numpy gives each text the space of the longest. 0 for labels that are no array of texts.
    """
    are_texts = isinstance(labels, np.ndarray) and labels.dtype.kind in "US"
    return int(labels.dtype.itemsize) // 8 if are_texts else 0


def character_count(array: NDArray[Any]) -> int:
    """Count the characters of all texts in an array, `(rows,)` or of any other shape and dtype."""
    if array.dtype.kind == "U":
        return int(np.strings.str_len(array).sum())
    return sum(map(len, _strings(array.ravel().tolist()))) if array.dtype.kind == "O" else 0


def _strings(values: Iterable[Any]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))


def _is_single_label(array: NDArray[Any]) -> bool:
    try:
        return is_valid_label(array.item())
    except (ValueError, SystemError):  # a code point that is no character
        return False


def _are_characters(array: NDArray[Any]) -> bool:
    """Return whether all code points of an array of dtype U can be encoded in UTF-8.

    numpy stores the characters of texts as uint32, and checks no character before its text is read.
    """
    uint32 = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    code_points = np.ascontiguousarray(array).reshape(-1).view(uint32)
    if code_points.max() < _FIRST_SURROGATE:
        return True
    is_surrogate = (code_points >= _FIRST_SURROGATE) & (code_points <= _LAST_SURROGATE)
    return not bool((is_surrogate | (code_points > _LAST_CODE_POINT)).any())
