"""Whether pandas reads a CSV file as `mlapi.data.tables.csv_files` does, seen by the bytes alone: a few
passes in C.

pandas takes what the strict reader refuses, and makes rows of it that nobody wrote: after `"24"",1` it
glues the rows up to the next quote together. Here is decided whether its rows can be trusted; what to do
if not is the business of `mlapi.training.tables.csv_frames`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.csv_files import DELIMITERS

PIECE = 128 * 1024
"""Bytes looked at in one go: they stay in the processor's cache, which makes a pass four times as fast."""

_QUOTE, _SPACE = ord('"'), ord(" ")


def pieces(content: bytes) -> Iterator[NDArray[np.uint8]]:
    octets = np.frombuffer(content, np.uint8)
    return (octets[start : start + PIECE] for start in range(0, len(octets), PIECE))


def is_plain(content: bytes, delimiter: str, *, padded: bool, columns: int) -> bool:
    """Whether every reader finds the same rows in it (UTF-8, without a mark).

    So they do where lines end as usual, and quotes stand around whole cells, doubled inside of them, or at
    the beginning of no cell: then they are signs like others. Where rows need one cell (`columns` is how many
    they need), a line that is nothing but a quoted space is a row for one reader and blank for the other.
    """
    if delimiter not in DELIMITERS:
        return False
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return False
    if b'"' not in content:
        return True
    octets = np.frombuffer(b"\n" + content + b"\n", np.uint8)
    ends = np.zeros(256, np.bool_)
    ends[[ord(delimiter), ord("\n"), ord("\r")]] = True
    return (columns > 1 and _are_around_cells(octets, ends, padded)) or _open_no_cell(octets, ends, padded)


def _are_around_cells(octets: NDArray[np.uint8], ends: NDArray[np.bool_], padded: bool) -> bool:
    """Whether quotes open and close in turn, and each beside a cell's end or beside the quote before it.

    A doubled quote is then one that closes and one that opens again.
    """
    beside = ends.copy()
    beside[_QUOTE] = True
    is_open = False
    for quotes in _quotes(octets):
        opening, closing = quotes[is_open::2], quotes[not is_open :: 2]
        if not (beside[_before(octets, opening, padded)].all() and beside[octets[closing + 1]].all()):
            return False
        is_open ^= len(quotes) % 2 == 1
    return not is_open


def _open_no_cell(octets: NDArray[np.uint8], ends: NDArray[np.bool_], padded: bool) -> bool:
    if padded:  # any number of spaces may stand before a cell
        return False
    return not any(ends[octets[quotes - 1]].any() for quotes in _quotes(octets))


def _quotes(octets: NDArray[np.uint8]) -> Iterator[NDArray[np.intp]]:
    """Where the quotes are, some at a time."""
    return (
        start + np.flatnonzero(octets[start : start + PIECE] == _QUOTE)
        for start in range(0, len(octets), PIECE)
    )


def _before(octets: NDArray[np.uint8], places: NDArray[np.intp], padded: bool) -> NDArray[np.uint8]:
    """What stands before these places, or before one space that stands there.

    A quote before one that opens has always closed, since they come in turn.
    """
    before = octets[places - 1]
    return np.where(before == _SPACE, octets[places - 2], before) if padded else before
