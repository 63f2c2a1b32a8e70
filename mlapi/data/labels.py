"""What a word has to be to stand in an answer: short, and of characters that UTF-8 has.

Asked of what an estimator answers, and of its labels before it answers anything.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 10_000
"""Letters: each row of each answer repeats a word."""

_HALVES = 0xD800, 0xDFFF
"""Of pairs: characters that only UTF-16 has."""

_LAST = 0x10FFFF


def is_valid_label(value: str) -> bool:
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
    """Whether those of its entries that are words may stand in an answer; others are no concern of this."""
    if array.dtype.kind == "O":
        return all(is_valid_label(value) for value in _strings(array.ravel().tolist()))
    if array.dtype.kind != "U" or not array.nbytes:
        return True
    if array.size == 1:  # the answer to one row, which costs less as a word
        return _is_only_word(array)
    return array.dtype.itemsize <= 4 * MAX_CHARACTERS and _are_characters(array)


def float64s_per_label(words: Any) -> int:
    """How many numbers take as much memory as one of these words, each as long as the longest."""
    is_words = isinstance(words, np.ndarray) and words.dtype.kind in "US"
    return int(words.dtype.itemsize) // 8 if is_words else 0


def character_count(array: NDArray[Any]) -> int:
    """In all its words together."""
    if array.dtype.kind == "U":
        return int(np.strings.str_len(array).sum())
    return sum(map(len, _strings(array.ravel().tolist()))) if array.dtype.kind == "O" else 0


def _strings(values: Iterable[Any]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))


def _is_only_word(array: NDArray[Any]) -> bool:
    try:
        return is_valid_label(array.item())
    except (ValueError, SystemError):  # a number that is no character
        return False


def _are_characters(array: NDArray[Any]) -> bool:
    """Numpy keeps a word as numbers, and looks at none of them before somebody reads it."""
    numbers = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    found = np.ascontiguousarray(array).reshape(-1).view(numbers)
    if found.max() < _HALVES[0]:
        return True
    is_half = (found >= _HALVES[0]) & (found <= _HALVES[1])
    return not bool((is_half | (found > _LAST)).any())
